"""The expectations of many workflows over their windows in the ops database, in as few statements as can be.

Workflows that need the same of columns of the same names and types are judged by one statement, each over its own window. Only
where an expectation fails are its records looked up, and only what SQL cannot judge is given to Great Expectations.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check import single_pass
from afterpilot.check.gx import Library, Selected, without_rows
from afterpilot.check.needs import Needs, text_of
from afterpilot.check.own import of_declared_type
from afterpilot.check.window import MOST_KEYS, WORKFLOW, Counts, together
from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged, ReferenceTables
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow

STATEMENT_TIMEOUT_SECONDS = 600
MOST_TOGETHER = 5_000  # workflows in one statement: what is found of them is held in memory


log = logging.getLogger(__name__)


class FleetChecker:
    """Judges the expectations of any number of workflows."""

    def __init__(self, ops_url: str, references: ReferenceTables | None = None) -> None:
        """Nothing is connected or imported yet. Without ``references`` a check that needs another table cannot say."""
        given = sa.make_url(ops_url)
        limits = (
            f"{given.query.get('options', '')} -c timezone=UTC -c default_transaction_read_only=on "
            f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS * 1000}"
        ).strip()
        url = given.update_query_dict({"options": limits, "application_name": "afterpilot check"})
        limit = connect_limit(url.get_driver_name(), url.query)
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=limit)
        self._references = references

    def judge(self, windows: Sequence[tuple[Workflow, Window]]) -> Mapping[str, Sequence[Judged] | CheckError]:
        """For each workflow, by its slug: one result for each declared expectation, in order, then one for each column that
        is declared as a number, time or boolean. An expectation that cannot be run, or has nothing to look at, has
        ``success`` None. A workflow whose records cannot be read has an error in their place, and hurts no other.
        """
        found: dict[str, Sequence[Judged] | CheckError] = {}
        for part in _parts([Needs(workflow, window) for workflow, window in windows]):
            found |= self._part(part)
        return found

    def _part(self, part: Sequence[Needs]) -> Mapping[str, Sequence[Judged] | CheckError]:
        """Judge workflows of the same needs together; where that breaks, each alone."""
        try:
            with self._engine.connect() as connection:
                seen, joined = _seen(part, connection), _joined(part, connection)
                return {
                    needs.slug: self._finished(needs, seen[needs.slug], joined.get(needs.slug, ()), connection)
                    for needs in part
                }
        except (SQLAlchemyError, CheckError) as error:
            if len(part) == 1:
                return {part[0].slug: _unreadable(error)}
            log.warning("%d workflows cannot be judged together, so each is alone: %s", len(part), _brief(error))
        return {needs.slug: self._part([needs])[needs.slug] for needs in part}

    def _finished(
        self, needs: Needs, seen: Sequence[Judged], joined: Sequence[Judged], connection: sa.Connection
    ) -> Sequence[Judged] | CheckError:
        """What the statement has said, with the keys of failing records, and what it could not say."""
        try:
            return self._with_the_rest(needs, seen, joined, connection)
        except (SQLAlchemyError, CheckError) as error:
            connection.rollback()
            return _unreadable(error)

    def _with_the_rest(
        self, needs: Needs, seen: Sequence[Judged], joined: Sequence[Judged], connection: sa.Connection
    ) -> Sequence[Judged]:
        counts = needs.counts(seen)
        results = dict(zip(needs.compiled, seen, strict=False))
        results = {index: _with_keys(needs, one, connection) for index, one in results.items()}
        results |= self._own(needs, counts, joined, connection)
        rest = {index: check for index, check in enumerate(needs.checks) if index not in results}
        if rest and not counts.rows:
            results |= {index: without_rows(check) for index, check in rest.items()}
        elif rest:
            rows = needs.rows
            kinds = {name: rows.kind(name) for name in rows.columns}
            selected = Selected(rows.select(), kinds, rows.key_label, counts.rows, counts.valid)
            results |= Library(self._engine).judge(selected, rest, connection)
        typed = of_declared_type(needs.rows, counts, connection) if counts.rows else ()
        return [*(results[index] for index in range(len(needs.checks))), *typed]

    def _own(
        self, needs: Needs, counts: Counts, joined: Sequence[Judged], connection: sa.Connection
    ) -> dict[int, Judged]:
        """The expectations that are ours. What was judged together and holds stands; each other one reads for itself."""
        stand = {
            index: one
            for index, one in zip(needs.joining, joined, strict=False)
            if one.success or one.error == "no rows"
        }
        taken = {*needs.compiled, *stand}
        others = {index: check for index, check in enumerate(needs.checks) if index not in taken}
        if not others:
            return stand
        from afterpilot.check import custom  # with what it computes with, that takes half a second

        ours = {index: check for index, check in others.items() if check.expect in custom.EXPECTS}
        scope = custom.scope_of(needs.workflow, needs.window, connection, self._references, counted=counts.rows)
        return stand | {index: custom.judge(check, scope) for index, check in ours.items()}


def _parts(all_needs: Sequence[Needs]) -> Iterator[Sequence[Needs]]:
    """Workflows that one statement can judge."""
    alike: dict[str, list[Needs]] = defaultdict(list)
    for needs in all_needs:
        alike[needs.likeness].append(needs)
    for part in alike.values():
        for start in range(0, len(part), MOST_TOGETHER):
            yield part[start : start + MOST_TOGETHER]


def _seen(part: Sequence[Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
    rows = together([needs.rows for needs in part], typing=True)
    places: dict[str, int] = {}
    checks: list[Check] = []
    groups: dict[str, list[int]] = {}
    for needs in part:
        for check in needs.asked:
            if (same := text_of(check)) not in places:
                places[same] = len(checks)
                checks.append(check)
        groups[needs.slug] = [places[text_of(check)] for check in needs.asked]
    found = single_pass.judge(connection, rows, checks, group=rows.select.c[WORKFLOW], groups=groups)
    for needs in part:
        if error := found[needs.slug][len(needs.compiled)].error:  # not even rows could be counted
            raise CheckError(error)
    # The same checks in another workflow may be of another severity.
    return {
        needs.slug: [
            dataclasses.replace(one, check=check) for one, check in zip(found[needs.slug], needs.asked, strict=True)
        ]
        for needs in part
    }


def _joined(part: Sequence[Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
    """Our own expectations that are aggregates, in one statement for all workflows that ask the same."""
    alike: dict[str, list[Needs]] = defaultdict(list)
    for needs in part:
        if needs.joining:
            alike["; ".join(text_of(needs.checks[index]) for index in needs.joining)].append(needs)
    found: dict[str, Sequence[Judged]] = {}
    for same in alike.values():
        found |= _joined_alike(same, connection)
    return found


def _joined_alike(part: Sequence[Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
    from afterpilot.check import custom

    first, rows = part[0], together([needs.rows for needs in part])
    checks = [first.checks[index] for index in first.joining]
    found = custom.judge_together(
        connection, rows, checks, group=rows.select.c[WORKFLOW], groups=[needs.slug for needs in part]
    )
    return {
        needs.slug: [
            dataclasses.replace(one, check=needs.checks[index])
            for index, one in zip(needs.joining, found.get(needs.slug, ()), strict=False)
        ]
        for needs in part
    }


def _with_keys(needs: Needs, one: Judged, connection: sa.Connection) -> Judged:
    if one.success is not False or one.failing_keys or not one.failing_total:
        return one
    keys = single_pass.failing_keys(connection, needs.rows.rows(), one.check, limit=MOST_KEYS)
    return dataclasses.replace(one, failing_keys=tuple(str(key) for key in keys))


def _unreadable(error: Exception) -> CheckError:
    return CheckError(f"the records cannot be read: {_brief(error)}")


def _brief(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300]

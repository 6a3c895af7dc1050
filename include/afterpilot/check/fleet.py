"""The expectations of many workflows over their windows in the ops database, in as few statements as can be.

Workflows that need the same of columns of the same names and types are judged by one statement, each over its own window. Only
where an expectation fails are its records looked up, and only what SQL cannot judge is given to Great Expectations.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check import single_pass
from afterpilot.check.expectations import named_columns
from afterpilot.check.gx import Library, Selected, without_rows
from afterpilot.check.own import of_declared_type
from afterpilot.check.window import MOST_KEYS, WORKFLOW, Counts, WindowRows, together, wrong_label
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged, ReferenceTables
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Workflow

STATEMENT_TIMEOUT_SECONDS = 600
MOST_TOGETHER = 5_000  # workflows in one statement: it takes at most 65,535 values

_AGGREGATES = {"length_between", "percentile_between", "volume_between"}  # of ours
_ROWS = Check("table_row_count_to_be_between", Severity.INFO, {"min_value": 0})

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
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        self._references = references

    def judge(self, windows: Sequence[tuple[Workflow, Window]]) -> Mapping[str, Sequence[Judged] | CheckError]:
        """For each workflow, by its slug: one result for each declared expectation, in order, then one for each column that
        is declared as a number, time or boolean. An expectation that cannot be run, or has nothing to look at, has
        ``success`` None. A workflow whose records cannot be read has an error in their place, and hurts no other.
        """
        found: dict[str, Sequence[Judged] | CheckError] = {}
        for part in _parts([_Needs(workflow, window) for workflow, window in windows]):
            found |= self._part(part)
        return found

    def _part(self, part: Sequence[_Needs]) -> Mapping[str, Sequence[Judged] | CheckError]:
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
        self, needs: _Needs, seen: Sequence[Judged], joined: Sequence[Judged], connection: sa.Connection
    ) -> Sequence[Judged] | CheckError:
        """What the statement has said, with the keys of failing records, and what it could not say."""
        try:
            return self._with_the_rest(needs, seen, joined, connection)
        except (SQLAlchemyError, CheckError) as error:
            connection.rollback()
            return _unreadable(error)

    def _with_the_rest(
        self, needs: _Needs, seen: Sequence[Judged], joined: Sequence[Judged], connection: sa.Connection
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
        self, needs: _Needs, counts: Counts, joined: Sequence[Judged], connection: sa.Connection
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


class _Needs:
    """What one workflow wants to know of its window."""

    def __init__(self, workflow: Workflow, window: Window) -> None:
        self.workflow = workflow
        self.slug = workflow.slug
        self.window = window
        self.checks = workflow.quality
        self.rows = WindowRows(workflow, window)
        self.compiled = [index for index, check in enumerate(self.checks) if self._compiles(check)]
        self.joining = [index for index, check in enumerate(self.checks) if self._joins(check)]
        columns = self.rows.columns
        self._typed = [name for name in columns if self.rows.types.get(name, "text") != "text"]
        looked_at = {check.column for index, check in enumerate(self.checks) if index not in self.compiled}
        self._valued = [name for name in columns if name in self._typed or name in looked_at]
        self._counted = [
            _ROWS,
            *(_about("column_values_to_not_be_null", name) for name in self._valued),
            *(_about("column_values_to_be_null", wrong_label(name, columns)) for name in self._typed),
        ]

    def _compiles(self, check: Check) -> bool:
        known = all(name in self.rows.columns for name in named_columns(check))
        return known and single_pass.compiles(check) and not check.expect.startswith("table_column")

    def _joins(self, check: Check) -> bool:
        """Whether it is one of ours that all workflows' rows can be read for at once."""
        if check.expect not in _AGGREGATES:
            return False
        from afterpilot.check import custom

        return custom.joins(check) and (not check.column or check.column in self.rows.columns)

    @property
    def asked(self) -> Sequence[Check]:
        """The checks that one statement judges: what is declared, then what has to be counted."""
        return [*(self.checks[index] for index in self.compiled), *self._counted]

    @property
    def likeness(self) -> str:
        """The same for workflows that one statement can judge: equal columns, and the same asked of the same ones; each may
        have bounds of its own.
        """
        asked = sorted((check.expect, *named_columns(check), *sorted(check.params)) for check in self.asked)
        return json.dumps([self.rows.shape, asked])

    def counts(self, seen: Sequence[Judged]) -> Counts:
        """Rows and values, out of the results of what was counted."""
        rows, *others = seen[len(self.compiled) :]
        values, wrong = others[: len(self._valued)], others[len(self._valued) :]
        present = {name: one.elements - one.failing_total for name, one in zip(self._valued, values, strict=True)}
        invalid = {name: one.failing_total for name, one in zip(self._typed, wrong, strict=True)}
        return Counts(rows.elements, present, invalid)


def _parts(all_needs: Sequence[_Needs]) -> Iterator[Sequence[_Needs]]:
    """Workflows that one statement can judge."""
    alike: dict[str, list[_Needs]] = defaultdict(list)
    for needs in all_needs:
        alike[needs.likeness].append(needs)
    for part in alike.values():
        for start in range(0, len(part), MOST_TOGETHER):
            yield part[start : start + MOST_TOGETHER]


def _seen(part: Sequence[_Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
    rows = together([needs.rows for needs in part], typing=True)
    places: dict[str, int] = {}
    checks: list[Check] = []
    groups: dict[str, list[int]] = {}
    for needs in part:
        for check in needs.asked:
            if (same := _text(check)) not in places:
                places[same] = len(checks)
                checks.append(check)
        groups[needs.slug] = [places[_text(check)] for check in needs.asked]
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


def _joined(part: Sequence[_Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
    """Our own expectations that are aggregates, in one statement for all workflows that ask the same."""
    alike: dict[str, list[_Needs]] = defaultdict(list)
    for needs in part:
        if needs.joining:
            alike["; ".join(_text(needs.checks[index]) for index in needs.joining)].append(needs)
    found: dict[str, Sequence[Judged]] = {}
    for same in alike.values():
        found |= _joined_alike(same, connection)
    return found


def _joined_alike(part: Sequence[_Needs], connection: sa.Connection) -> Mapping[str, Sequence[Judged]]:
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


def _text(check: Check) -> str:
    """The same for checks that ask the same."""
    return json.dumps([check.expect, check.params], sort_keys=True, default=repr)


def _with_keys(needs: _Needs, one: Judged, connection: sa.Connection) -> Judged:
    if one.success is not False or one.failing_keys or not one.failing_total:
        return one
    keys = single_pass.failing_keys(connection, needs.rows.rows(), one.check, limit=MOST_KEYS)
    return dataclasses.replace(one, failing_keys=tuple(str(key) for key in keys))


def _about(expect: str, column: str) -> Check:
    return Check(expect, Severity.INFO, {"column": column})


def _unreadable(error: Exception) -> CheckError:
    return CheckError(f"the records cannot be read: {_brief(error)}")


def _brief(error: Exception) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300]

"""The output gate: each output is judged before it is used.

It needs an answer for each: where a check cannot run, nothing of the batch is judged, and it stays undecided. Where a check
cannot cope with one output alone, a person looks at that one: it never keeps the others from being used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from afterpilot.check import values
from afterpilot.check.answers import columns_match_json
from afterpilot.check.matching import in_table, match_reference
from afterpilot.check.seen import Seen, not_seen_before
from afterpilot.check.words import label, shown
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import ReferenceTables
from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check, Workflow

Rule = Callable[[Record], Iterator[Discrepancy]]

log = logging.getLogger(__name__)

_BY_ITSELF: dict[str, Callable[[Check, Record], Iterator[Discrepancy]]] = {
    "column_values_to_not_be_null": values.not_null,
    "column_values_to_be_between": values.between,
    "column_values_to_be_in_set": values.in_set,
    "column_values_to_match_regex": values.matches,
    "json_schema": values.follows_schema,
}


class Gate:
    """Judges outputs by the checks under ``outputs`` of a declaration."""

    def __init__(self, references: ReferenceTables, seen: Seen) -> None:
        self._references = references
        self._seen = seen

    def judge(self, workflow: Workflow, records: Sequence[Record]) -> Sequence[tuple[Record, tuple[Discrepancy, ...]]]:
        """The discrepancies of each record, in order; none means that it passed. One query for each check and other table,
        however many records there are.

        Raises:
            CheckError: a check cannot run: another table cannot be read, a parameter is wrong. No record was judged.
        """
        if not records:
            return []
        rules = [(check, self._rule(check, workflow, records)) for check in workflow.outputs]
        return [
            (record, _once([found for check, rule in rules for found in _discrepancies(check, rule, record)]))
            for record in records
        ]

    def _rule(self, check: Check, workflow: Workflow, records: Sequence[Record]) -> Rule:
        try:
            _must_be_kept(check, workflow)
            if check.expect in _BY_ITSELF:
                return partial(_BY_ITSELF[check.expect], check)
            if check.expect == "columns_match_json":
                return columns_match_json(check, workflow.source.fields)
            if check.expect == "in_table":
                return in_table(check, records, self._references)
            if check.expect == "match_reference":
                return match_reference(check, records, self._references, workflow.source.fields)
            if check.expect == "not_seen_before":
                return not_seen_before(check, records, self._seen, workflow.slug)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckError(f"{check.expect} lacks a parameter or has a wrong one: {error}") from error
        raise CheckError(f"the gate has no check {check.expect}")


def _discrepancies(check: Check, rule: Rule, record: Record) -> list[Discrepancy]:
    """What a check finds in one output, fit to be stored; an output that it cannot cope with is a discrepancy of its own.

    Raises:
        CheckError: the check cannot run, whatever the output.
    """
    try:
        found = list(rule(record))
    except CheckError:
        raise
    except Exception as error:  # noqa: BLE001 - what one output brings about must not block all the others
        log.warning("%s could not judge an output of %s: %s", check.expect, record.workflow, type(error).__name__)
        field = _columns(check)[0]
        reason = shown(str(error)) or type(error).__name__
        text = f"{label(field)} could not be checked: {reason}"
        found = [Discrepancy(check.expect, field, reason, "", "", text)]
    return [replace(one, field=storable(one.field), text=storable(one.text)) for one in found]


def _columns(check: Check) -> list[str]:
    """The columns of the record that a check looks at."""
    params = check.params
    if check.expect == "match_reference":
        return [*params["key"], *params["fields"]]
    if check.expect == "columns_match_json":
        return [*([check.column] if check.column else []), *params["fields"]]
    return [check.column] if check.column else list(params.get("columns", ()))


def _must_be_kept(check: Check, workflow: Workflow) -> None:
    """A column that is not kept has no values: every output would fail, and for the wrong reason."""
    source, columns = workflow.source, _columns(check)
    if not columns:
        raise CheckError(f"{check.expect} names no column")
    for column in columns:
        if column not in source.fields:
            raise CheckError(f"{check.expect}: {column} is not among the fields that are kept")
        if column in source.personal:
            raise CheckError(f"{check.expect}: {column} is personal and was redacted; it cannot be checked")


def _once(found: Sequence[Discrepancy]) -> tuple[Discrepancy, ...]:
    """A value that several checks miss is said to be missing once, in the words that say the most."""
    best: dict[str, Discrepancy] = {}
    for one in found:
        if not one.said and (one.field not in best or (one.source and not best[one.field].source)):
            best[one.field] = one
    return tuple(one for one in found if one.said or best[one.field] is one)

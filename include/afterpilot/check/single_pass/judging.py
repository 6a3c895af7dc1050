"""All checks judged from one reading: plans, measures, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from afterpilot.check.expectations import could_not, observed_words, trimmed
from afterpilot.check.single_pass.measures import WHOLE, Key, Measure
from afterpilot.check.single_pass.plans import ELEMENTS, VALUES, Measured, Plan
from afterpilot.check.single_pass.reading import Found, Reader
from afterpilot.check.single_pass.registry import NO_ROWS_ARE_FINE, plan_of
from afterpilot.check.single_pass.rows import Rows
from afterpilot.check.single_pass.scope import Scope
from afterpilot.check.single_pass.sources import Expression, Source
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

NO_ROWS = "no rows"
_ROWS = Measure(sa.func.count())
_ROWS_KEY = Key(WHOLE, "rows", (), {})

# Groups that ask less than so many times as much together as one of them alone are read as if all asked the same.
_ALIKE = 3

Groups = Mapping[Any, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Planned:
    """A check with its plan and the keys of its measures, or with the reason why there is none."""

    check: Check
    plan: Plan | None
    keys: Mapping[str, Key]
    error: str = ""


def judge(
    connection: sa.Connection,
    rows: Rows,
    checks: Sequence[Check],
    *,
    group: Expression | None = None,
    groups: Groups | None = None,
) -> Mapping[Any, Sequence[Judged]]:
    """All checks judged, for each value of ``group`` (for the key None where there is no grouping).

    ``groups`` says which of the checks, by their index, each group wants; the results of a group follow that order. A group in
    ``groups`` without any row is judged over no rows; a group that is not in it is left out. Without ``groups`` every group
    that has rows gets all checks.

    A check that cannot be run has ``success`` None and says why in ``error``; so has one without rows, unless its parameter
    ``no_rows_are_fine`` is true, and one about values where there are only nulls.

    Raises:
        CheckError: the rows cannot be read at all.
    """
    planned = plans_of(checks, Scope(rows, connection.dialect.name))
    found = _read(Reader(connection, rows, group), planned, groups)
    if _ROWS_KEY in found.errors:
        raise CheckError(f"the rows cannot be read: {found.errors[_ROWS_KEY]}")
    every = range(len(checks))
    if groups is None:
        wanted: Groups = dict.fromkeys(found.values, every) if group is not None else {None: every}
    else:
        wanted = groups
    return {
        value: [_judged(planned[index], found.values.get(value, {}), found.errors) for index in indices]
        for value, indices in wanted.items()
    }


def plans_of(checks: Sequence[Check], scope: Scope) -> Sequence[Planned]:
    """The plan of each check; equal measures of several checks get the same key."""
    known: dict[int, tuple[Measure, Key]] = {}
    return [_planned(check, scope, known) for check in checks]


def _planned(check: Check, scope: Scope, known: dict[int, tuple[Measure, Key]]) -> Planned:
    try:
        plan = plan_of(check, scope)
    except CheckError as error:
        return Planned(check, None, {}, str(error))
    return Planned(check, plan, {name: _key(measure, known) for name, measure in plan.measures.items()})


def _key(measure: Measure, known: dict[int, tuple[Measure, Key]]) -> Key:
    """``known`` holds measures by their identity: a scope gives the same one for what many checks need."""
    if id(measure) not in known:
        compiled = measure.expression.compile()
        values = tuple(f"{type(value).__name__} {value!r}" for value in compiled.params.values())
        known[id(measure)] = (measure, Key(measure.source, str(compiled), values, compiled.params))
    return known[id(measure)][1]


def _read(reader: Reader, planned: Sequence[Planned], groups: Groups | None) -> Found[Key]:
    asked = _asked(planned, groups)
    found: Found[Key] = Found()
    for source, by_group in asked.items():
        measures = {key: measure for keys in by_group.values() for key, measure in keys.items()}
        most = max(len(keys) for keys in by_group.values())
        if len(measures) > _ALIKE * most and reader.takes_terms(list(by_group)):
            found.add(reader.read_for_each(source, measures, {group: list(keys) for group, keys in by_group.items()}))
        else:
            found.add(reader.read(source, measures, None if groups is None else list(by_group)))
    return found


def _asked(planned: Sequence[Planned], groups: Groups | None) -> dict[Source, dict[Any, dict[Key, Measure]]]:
    """What each group needs, by the source that it is read from."""
    found: dict[Source, dict[Any, dict[Key, Measure]]] = {}
    for group, indices in ({None: range(len(planned))} if groups is None else groups).items():
        found.setdefault(WHOLE, {}).setdefault(group, {})[_ROWS_KEY] = _ROWS
        for one in (planned[index] for index in indices):
            for name, measure in one.plan.measures.items() if one.plan else ():
                found.setdefault(measure.source, {}).setdefault(group, {})[one.keys[name]] = measure
    return found or {WHOLE: {None: {_ROWS_KEY: _ROWS}}}


def _judged(planned: Planned, values: Mapping[Key, Any], errors: Mapping[Key, str]) -> Judged:
    check, plan = planned.check, planned.plan
    if plan is None:
        return could_not(check, planned.error)
    for key in planned.keys.values():
        if key in errors:
            return could_not(check, errors[key])
    measured = {name: values.get(key) for name, key in planned.keys.items()}
    rows = measured[ELEMENTS] = measured.get(ELEMENTS) or 0
    if VALUES in measured:
        measured[VALUES] = measured[VALUES] or 0
    try:
        outcome = plan.judge(measured)
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        return could_not(check, f"{check.expect} could not compare what it found: {' '.join(str(error).split())[:200]}")
    result = trimmed(outcome.result)
    reason = _nothing_to_see(check, plan, measured)
    fine = not rows and check.params.get(NO_ROWS_ARE_FINE) is True
    if reason and not fine:
        return could_not(check, reason, result=result)
    failing = _failing(outcome.result)
    total = values.get(_ROWS_KEY) or 0
    return Judged(
        check=check,
        success=outcome.success or (bool(reason) and fine),
        observed=observed_words(outcome.result) if failing is None else f"{failing} of {rows}",
        elements=rows if failing is not None else total,
        failing_total=failing or 0,
        failing_keys=(),
        result=result,
    )


def _failing(result: Mapping[str, Any]) -> int | None:
    return (result.get("unexpected_count") or 0) if "element_count" in result else None


def _nothing_to_see(check: Check, plan: Plan, measured: Measured) -> str:
    if not plan.needs_rows:
        return ""
    if not measured[ELEMENTS]:
        return "no record meets the row_condition" if check.params.get("row_condition") else NO_ROWS
    if plan.about_nulls:
        return ""
    return "no values" if VALUES in measured and not measured[VALUES] else ""

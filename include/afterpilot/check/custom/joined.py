"""Those of our own expectations that are aggregates: one statement judges them over many workflows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check.custom.judging import guarded
from afterpilot.check.custom.lengths import length_measures, length_verdict
from afterpilot.check.custom.percentiles import percentile_measures, percentile_verdict
from afterpilot.check.custom.scope import Column, Scope
from afterpilot.check.custom.volume import volume_measures, volume_verdict
from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

Measures = Mapping[str, Column]
Figures = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An expectation in two halves: aggregates over rows, and what follows from them."""

    measures: Callable[[Check, Scope], Measures]
    verdict: Callable[[Check, Figures], Judged]


AGGREGATES: Mapping[str, Aggregate] = {
    "length_between": Aggregate(length_measures, length_verdict),
    "percentile_between": Aggregate(percentile_measures, percentile_verdict),
    "volume_between": Aggregate(volume_measures, volume_verdict),
}
_ALONE = ("like_weekdays", "of")  # what looks beyond the window, or at another table


def joins(check: Check) -> bool:
    """Whether the check is an aggregate over the rows of its window alone."""
    return check.expect in AGGREGATES and not any(check.params.get(name) for name in _ALONE)


def judge_together(
    connection: sa.Connection, rows: Rows, checks: Sequence[Check], *, group: Column, groups: Collection[Any]
) -> Mapping[Any, Sequence[Judged]]:
    """Checks that join, judged for each group of the rows in one statement; keys of failing rows are left to :func:`afterpilot.check.custom.judge`.

    A group without rows is judged over none. Empty where the statement cannot be run: then each check has to be judged alone.
    """
    scope = Scope(connection=connection, rows=rows)
    planned = [_planned(check, scope) for check in checks]
    measures = {(index, name): one for index, plan in enumerate(planned) for name, one in plan.items()}
    columns = [measure.label(f"measure_{place}") for place, measure in enumerate(measures.values())]
    try:
        found = {row[0]: row[1:] for row in connection.execute(scope.select(group, *columns).group_by(group))}
    except SQLAlchemyError as error:
        connection.rollback()
        log.warning("aggregates cannot be judged together: %s", type(error).__name__)
        return {}
    return {
        name: [
            _judged(check, index, plan, measures, found.get(name))
            for index, (check, plan) in _numbered(checks, planned)
        ]
        for name in groups
    }


def _planned(check: Check, scope: Scope) -> Measures:
    """Nothing where a parameter is wrong: that is said when the check is judged alone."""
    try:
        return AGGREGATES[check.expect].measures(check, scope)
    except CheckError:
        return {}


def _numbered(checks: Sequence[Check], planned: Sequence[Measures]) -> Sequence[tuple[int, tuple[Check, Measures]]]:
    return list(enumerate(zip(checks, planned, strict=True)))


def _judged(
    check: Check, index: int, plan: Measures, measures: Mapping[tuple[int, str], Column], row: Sequence[Any] | None
) -> Judged:
    places = {key: place for place, key in enumerate(measures)}
    figures = {name: row[places[index, name]] if row is not None else 0 for name in plan}
    return guarded(check, lambda: AGGREGATES[check.expect].verdict(check, figures))

"""A percentile of a number: latency, cost, tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, by_figure, figure
from afterpilot.check.custom.scope import Column, Scope
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

OF = ("cost", "tokens")
_ALL = 100


def percentile_between(check: Check, scope: Scope) -> Judged:
    """Whether a percentile of a column, or of what each record cost or used (``of``), lies within its bounds.

    The percentile is the least value that so many per cent of the values do not exceed (SQL's ``percentile_disc``): a value
    that was really there. With ``of`` a record whose cost is not known makes the whole figure unknown; of a plain column NULLs
    are left out.

    Raises:
        CheckError: the column is no number, a bound is wrong, a cost is not known.
    """
    measures = percentile_measures(check, scope)
    figures = scope.measured(measures)
    if scope.connection.dialect.name != "postgresql" and figures["values"]:
        found = scope.connection.scalar(_disc(scope, _value(check, scope), _part(check)))
        figures = {**figures, "found": found}
    return percentile_verdict(check, figures)


def percentile_measures(check: Check, scope: Scope) -> Mapping[str, Column]:
    """What is measured, as aggregates that can stand in any SELECT over the rows; the percentile itself on PostgreSQL only.

    Raises:
        CheckError: a parameter is wrong, or the column is no number.
    """
    value, part = _value(check, scope), _part(check)
    if {"min_value", "max_value"}.isdisjoint(check.params):
        raise CheckError("it needs min_value, max_value or both")
    measures: dict[str, Column] = {"rows": sa.func.count(), "values": sa.func.count(value)}
    if scope.connection.dialect.name == "postgresql":
        measures["found"] = sa.func.percentile_disc(part).within_group(value)
    return measures


def percentile_verdict(check: Check, figures: Mapping[str, Any]) -> Judged:
    """What follows from the measures. Raises CannotSay."""
    rows, known, of = int(figures["rows"]), int(figures["values"]), check.params.get("of")
    counts = {"element_count": rows, "missing_count": rows - known}
    if not rows:
        raise CannotSay(NO_ROWS)
    if of and known < rows:
        words = f"the {of} of {rows - known:,} of {rows:,} records is not known, so the percentile is not known either"
        raise CannotSay(words, **counts)
    if not known:
        raise CannotSay("no values", **counts)
    found, percentile = float(figures["found"]), _part(check) * _ALL
    low, high = figure(check.params, "min_value"), figure(check.params, "max_value")
    return by_figure(
        check,
        success=(low is None or found >= low) and (high is None or found <= high),
        observed=f"{found:.6g} (percentile {percentile:g} of {known:,})",
        value=found,
        elements=known,
        percentile=percentile,
        value_count=known,
        missing_count=rows - known,
    )


def _part(check: Check) -> float:
    percentile = figure(check.params, "percentile") or 0.0
    if not 0 < percentile <= _ALL:
        raise CheckError(f"percentile is {percentile:g}; above 0 up to 100 can be")
    return percentile / _ALL


def _value(check: Check, scope: Scope) -> Column:
    of = check.params.get("of")
    if of is not None and of not in OF:
        raise CheckError(f"of is {str(of)[:50]!r}; {' or '.join(OF)} can be")
    if of and not check.column:
        if of not in scope.spent:
            raise CheckError(f"what a record's call used is not on record here; name the column that holds its {of}")
        return scope.spent[of]
    column = scope.column(check.column)
    if scope.kind(check.column) != "number":
        raise CheckError(f"{check.column} is {scope.kind(check.column)}, not a number")
    return column


def _disc(scope: Scope, value: Column, part: float) -> sa.Select[Any]:
    """The same where there is no ``percentile_disc``."""
    placed = scope.select(value.label("value"), sa.func.cume_dist().over(order_by=value).label("place"))
    inner = placed.where(value.is_not(None)).subquery()
    return sa.select(sa.func.min(inner.c.value)).where(inner.c.place >= part - 1e-12)

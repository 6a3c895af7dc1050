"""Checks of one figure of a column between bounds: most, least, mean, sum, spread, shares, quantiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.measures import Measure
from afterpilot.check.single_pass.outcomes import Between, Outcome, carried, of_quantiles, of_value
from afterpilot.check.single_pass.parameters import Params, between, number, whole
from afterpilot.check.single_pass.plans import ELEMENTS, VALUES, Measured, Plan
from afterpilot.check.single_pass.scope import Scope
from afterpilot.check.single_pass.sources import RANK, TOTAL, Expression, Sorted, Whole, value
from afterpilot.domain.errors import CheckError

FIGURE = "figure"
_SORTED = Whole("rows, sorted")
# A percentile_disc so little above the middle takes the upper of two middle values, up to 10^11 rows.
_ABOVE_MIDDLE = 0.5 + 1e-12


def figure_plan(scope: Scope, params: Params, aggregate: Callable[[Expression], Expression], kind: str) -> Plan:
    """A check of an aggregate of a column; ``kind`` is that of its bounds."""
    column, domain = _column_and_domain(scope, params)
    times = scope.is_time(str(params.get("column")))
    bounds = between(params, kind=kind, times=times)
    figure = scope.of(aggregate, column, domain)
    measures = _counts(scope, params) | {FIGURE: Measure(figure)}
    return Plan(measures, lambda measured: of_value(carried(measured[FIGURE]), bounds))


def mean(column: Expression) -> Expression:
    """The mean, never of whole numbers only."""
    return sa.func.avg(1.0 * column)


def non_null_share(scope: Scope, params: Params) -> Plan:
    """The share of rows that have a value; 0 where there are no rows."""
    bounds = between(params, kind="number")

    def judge(measured: Measured) -> Outcome:
        elements = measured[ELEMENTS]
        return of_value(measured[VALUES] / elements if elements else 0, bounds)

    return Plan(_counts(scope, params), judge, about_nulls=True)


def median(scope: Scope, params: Params) -> Plan:
    """The middle value; the mean of the two in the middle where their number is even."""
    column, domain = _column_and_domain(scope, params)
    bounds = between(params, times=scope.is_time(str(params.get("column"))))
    source: Whole | Sorted
    if scope.dialect == "postgresql":
        source = _SORTED
        lower, upper = (_disc(column, share, domain) for share in (0.5, _ABOVE_MIDDLE))
    else:
        source = _sorted(params, column, domain)
        middle = sa.column(TOTAL, sa.Integer) // sa.literal_column("2", sa.Integer)
        lower, upper = _at_rank(middle), _at_rank(middle + sa.literal_column("1", sa.Integer))
    measures = _counts(scope, params) | {"lower": Measure(lower, source), "upper": Measure(upper, source)}
    return Plan(measures, lambda measured: _of_median(measured, bounds))


def quantiles(scope: Scope, params: Params) -> Plan:
    """Quantiles that are values of the column (``percentile_disc``), each between its bounds."""
    column, domain = _column_and_domain(scope, params)
    asked, ranges = _quantile_ranges(params)
    source: Whole | Sorted
    if scope.dialect == "postgresql":
        source, found = _SORTED, [_disc(column, share, domain) for share in asked]
    else:
        source, found = _sorted(params, column, domain), [_at_share(share) for share in asked]
    names = [f"quantile {index}" for index in range(len(asked))]
    measures = _counts(scope, params) | {n: Measure(e, source) for n, e in zip(names, found, strict=True)}
    return Plan(measures, lambda measured: of_quantiles([measured[name] for name in names], asked, ranges))


def _column_and_domain(scope: Scope, params: Params) -> tuple[Expression, Expression | None]:
    return scope.column(params.get("column")), scope.domain(params)


def _counts(scope: Scope, params: Params) -> dict[str, Measure]:
    return {
        ELEMENTS: scope.elements(params),
        VALUES: scope.values(params),
    }


def _of_median(measured: Measured, bounds: Between) -> Outcome:
    lower, upper = measured["lower"], measured["upper"]
    if measured[VALUES] and measured[VALUES] % 2 == 0:
        return of_value(float(lower + upper) / 2.0, bounds)
    return of_value(upper, bounds)


def _disc(column: Expression, share: float, domain: Expression | None) -> Expression:
    found = sa.func.percentile_disc(share).within_group(column.asc())
    return found if domain is None else found.filter(domain)


def _sorted(params: Params, column: Expression, domain: Expression | None) -> Sorted:
    return Sorted(f"{params['column']!r} sorted where {params.get('row_condition')!r}", column, domain)


def _at_rank(rank: Expression) -> Expression:
    return sa.func.max(sa.case((sa.column(RANK) == rank, value(0))))


def _at_share(share: float) -> Expression:
    """The value at the rank that is the share of all, rounded up: in whole numbers, as the share was written."""
    above, below = _fraction(share)
    total: Expression = sa.column(TOTAL)
    rank = sa.func.max(1, (sa.literal(above) * total + sa.literal(below - 1)) // sa.literal(below))
    return _at_rank(rank)


def _fraction(share: float) -> tuple[int, int]:
    from fractions import Fraction

    found = Fraction(str(share))
    return found.numerator, found.denominator


def _quantile_ranges(params: Params) -> tuple[list[float], list[tuple[Any, ...]]]:
    given = params.get("quantile_ranges")
    try:
        asked = [number(share, "quantiles") for share in given["quantiles"]]  # type: ignore[index]
        ranges = [tuple(bounds) for bounds in given["value_ranges"]]  # type: ignore[index]
    except (TypeError, KeyError) as error:
        raise CheckError("quantile_ranges needs quantiles and value_ranges") from error
    if len(asked) != len(ranges) or any(len(bounds) != 2 for bounds in ranges):  # noqa: PLR2004 - from and to
        raise CheckError("quantile_ranges needs one range of two bounds for each quantile")
    if any(None not in bounds and bounds[0] > bounds[1] for bounds in ranges):
        raise CheckError("quantile_ranges must consist of ordered pairs")
    return asked, ranges


def row_count_between(scope: Scope, params: Params) -> Plan:
    """The number of rows lies between the bounds."""
    bounds = between(params, kind="whole")
    measures = {ELEMENTS: scope.elements(params)}
    return Plan(measures, lambda measured: of_value(measured[ELEMENTS], bounds), needs_rows=False)


def row_count_equal(scope: Scope, params: Params) -> Plan:
    """The number of rows is the one that is asked for."""
    wanted = whole(params.get("value"), "value")

    def judge(measured: Measured) -> Outcome:
        return Outcome(measured[ELEMENTS] == wanted, {"observed_value": measured[ELEMENTS]})

    return Plan({ELEMENTS: scope.elements(params)}, judge, needs_rows=False)

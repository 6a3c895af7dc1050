"""Checks of the distinct values of a column, and of values that stand out. Each takes one statement more for a column."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.column_maps import FAILING, share
from afterpilot.check.single_pass.measures import Measure
from afterpilot.check.single_pass.members import one_of
from afterpilot.check.single_pass.outcomes import MapCounts, Outcome, Sets, of_distinct, of_map, of_value
from afterpilot.check.single_pass.parameters import Params, between, dates_of, number, value_set
from afterpilot.check.single_pass.plans import ELEMENTS, VALUES, Measured, Plan
from afterpilot.check.single_pass.scope import Scope, both
from afterpilot.check.single_pass.sources import COUNT, MOST, RANK, Beside, ByValue, Expression, value
from afterpilot.domain.errors import CheckError

_MOST_TIES = 10_000
_DISTINCT = "distinct"


def unique(scope: Scope, params: Params) -> Plan:
    """No value occurs twice; ``mostly`` is a share of the values that are there."""
    source, mostly = _by_value(scope, params), share(params)
    repeated = sa.func.sum(sa.case((sa.column(COUNT) > 1, sa.column(COUNT)), else_=0))

    def judge(measured: Measured) -> Outcome:
        failing = int(measured[FAILING] or 0)
        return of_map(MapCounts(measured[ELEMENTS], measured[VALUES], failing), mostly)

    measures = _counts(scope, params) | {FAILING: Measure(repeated, source)}
    return Plan(measures, judge, failing=sa.column(COUNT) > 1, failing_in=source)


def distinct_count(scope: Scope, params: Params) -> Plan:
    """The number of distinct values lies between the bounds."""
    bounds = between(params, kind="whole")
    measures = _counts(scope, params) | {_DISTINCT: Measure(sa.func.count(), _by_value(scope, params))}
    return Plan(measures, lambda measured: of_value(measured[_DISTINCT] or 0, bounds))


def distinct_share(scope: Scope, params: Params) -> Plan:
    """Distinct values as a share of the values that are there; 0 where there are none."""
    bounds = between(params, kind="number")
    measures = _counts(scope, params) | {_DISTINCT: Measure(sa.func.count(), _by_value(scope, params))}

    def judge(measured: Measured) -> Outcome:
        values = measured[VALUES]
        return of_value((measured[_DISTINCT] or 0) / values if values else 0, bounds)

    return Plan(measures, judge)


def distinct_set(scope: Scope, params: Params, *, only: bool, every: bool) -> Plan:
    """The distinct values are ``only`` those of the set, contain ``every`` one of the set, or both."""
    wanted = dates_of(value_set(params))
    if only and not every and not wanted:
        raise CheckError("value_set needs at least one value")
    source, measures = _by_value(scope, params), _counts(scope, params)
    if only:
        measures["others"] = Measure(scope.count(~one_of(value(0), wanted, scope.dialect) if wanted else None), source)
    if every and wanted:
        measures["found"] = Measure(scope.count(one_of(value(0), wanted, scope.dialect)), source)

    def judge(measured: Measured) -> Outcome:
        unexpected = (measured["others"] or 0) if only else None
        missing = (len(wanted) - (measured["found"] or 0) if wanted else 0) if every else None
        return of_distinct(Sets(unexpected, missing))

    return Plan(measures, judge)


def most_common(scope: Scope, params: Params) -> Plan:
    """The most common value is in the set; where several are equally common, any of them where ``ties_okay``."""
    wanted, ties_okay = {*value_set(params)}, bool(params.get("ties_okay"))
    source = _by_value(scope, params, ranked=True)
    top = sa.column(COUNT) == sa.column(MOST)
    listed = sa.and_(top, sa.column(RANK) <= _MOST_TIES)
    measures = _counts(scope, params) | {
        "ties": Measure(scope.count(top), source),
        "list": Measure(_listed(scope, listed), source),
    }

    def judge(measured: Measured) -> Outcome:
        ties, found = measured["ties"] or 0, _values(measured["list"])
        if ties > _MOST_TIES:
            raise ValueError(f"{ties} values are equally common")
        hits = len(wanted.intersection(found))
        success = hits > 0 if ties_okay else ties == 1 and hits == 1
        return Outcome(success, {"observed_value": found})

    return Plan(measures, judge)


def z_scores(scope: Scope, params: Params) -> Plan:
    """Values are less than ``threshold`` standard deviations from the mean, on both sides where ``double_sided``."""
    column, domain = scope.column(params.get("column")), scope.domain(params)
    threshold = number(params.get("threshold"), "threshold")
    mean = sa.cast(scope.of(sa.func.avg, 1.0 * column, domain), sa.Float)
    spread = _finite_or_null(sa.cast(scope.of(sa.func.stddev_samp, column, domain), sa.Float), only_nan=True)
    score = (column - value(0)) / sa.func.nullif(value(1), 0)
    far = sa.func.abs(score) >= abs(threshold) if params.get("double_sided") else score >= threshold
    return _beside(scope, params, (mean, spread), far)


def outliers(scope: Scope, params: Params) -> Plan:
    """Values lie within a multiple of the interquartile range (``iqr``), or of the standard deviation (``std``)."""
    column, domain = scope.column(params.get("column")), scope.domain(params)
    multiplier = number(params.get("multiplier", 1.5), "multiplier")
    method = params.get("method", "iqr")
    if method == "iqr":
        low, high = (_quartile(column, share, domain) for share in (0.25, 0.75))
        reach = sa.literal(multiplier, sa.Float) * (value(1) - value(0))
        far = sa.or_(column < value(0) - reach, column > value(1) + reach)
        return _beside(scope, params, (low, high), far)
    if method != "std":
        raise CheckError(f"method is {method!r}; iqr and std are known")
    as_float = sa.cast(column, sa.Float)
    centre, spread = (
        _finite_or_null(scope.of(aggregate, as_float, domain)) for aggregate in (sa.func.avg, sa.func.stddev_samp)
    )
    reach = sa.literal(multiplier, sa.Float) * value(1)
    far = sa.case((reach <= 0, column != value(0)), else_=sa.func.abs(column - value(0)) >= reach)
    return _beside(scope, params, (centre, spread), far)


def _beside(scope: Scope, params: Params, statistics: tuple[Expression, ...], far: Expression) -> Plan:
    column, domain, mostly = scope.column(params.get("column")), scope.domain(params), share(params)
    words = [str(statistic) for statistic in statistics]
    source = Beside(f"{words!r} of {params['column']!r} where {params.get('row_condition')!r}", statistics, domain)
    failing = sa.and_(column.is_not(None), far)

    def judge(measured: Measured) -> Outcome:
        elements = measured[ELEMENTS]
        failed = int(measured[FAILING] or 0) if elements else None
        return of_map(MapCounts(elements, measured[VALUES], failed), mostly)

    measures = _counts(scope, params) | {FAILING: Measure(scope.count(domain, failing), source)}
    return Plan(measures, judge, failing=both(domain, failing), failing_in=source)


def _quartile(column: Expression, share: float, domain: Expression | None) -> Expression:
    found = sa.func.percentile_cont(share).within_group(column.asc())
    return _finite_or_null(sa.cast(found if domain is None else found.filter(domain), sa.Float))


def _finite_or_null(figure: Expression, *, only_nan: bool = False) -> Expression:
    for word in ("NaN",) if only_nan else ("NaN", "Infinity", "-Infinity"):
        figure = sa.func.nullif(figure, sa.cast(sa.literal(word), sa.Float))
    return figure


def _by_value(scope: Scope, params: Params, *, ranked: bool = False) -> ByValue:
    column = scope.column(params.get("column"))
    name = f"values of {[params['column']]!r} where {params.get('row_condition')!r}"
    return ByValue(name, (column,), scope.domain(params), ranked=ranked)


def _counts(scope: Scope, params: Params) -> dict[str, Measure]:
    return {ELEMENTS: scope.elements(params), VALUES: scope.values(params)}


def _listed(scope: Scope, condition: Expression) -> Expression:
    if scope.dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import aggregate_order_by

        return sa.func.array_agg(aggregate_order_by(value(0), value(0))).filter(condition)
    return sa.func.json_group_array(value(0)).filter(condition)


def _values(listed: Any) -> list[Any]:  # noqa: ANN401 - a list, or JSON of one
    if isinstance(listed, str):
        import json

        return sorted(json.loads(listed))
    return list(listed or ())

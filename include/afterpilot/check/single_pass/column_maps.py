"""Checks of single values: each condition is the one that Great Expectations builds, so that databases read it alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.measures import Measure
from afterpilot.check.single_pass.members import one_of
from afterpilot.check.single_pass.outcomes import Between, MapCounts, Outcome, of_map
from afterpilot.check.single_pass.parameters import Params, between, number, value_set
from afterpilot.check.single_pass.plans import ELEMENTS, VALUES, Measured, Plan
from afterpilot.check.single_pass.scope import Scope, both
from afterpilot.check.single_pass.sources import Expression
from afterpilot.domain.errors import CheckError

FAILING = "failing"
_LARGE = 1e15
Condition = Callable[[Scope, Expression, Params], Expression]

_NOT_NUMBERS = (
    "VARCHAR",
    "CHAR",
    "NVARCHAR",
    "NCHAR",
    "TEXT",
    "STRING",
    "BOOL",
    "BIT",
    "TINYTEXT",
    "MEDIUMTEXT",
    "LONGTEXT",
)


def map_plan(scope: Scope, params: Params, condition: Condition) -> Plan:
    """A check of the values of a column: missing ones are left alone, ``mostly`` is a share of the others."""
    column, domain = scope.column(params.get("column")), scope.domain(params)
    failing = sa.and_(column.is_not(None), sa.not_(condition(scope, column, params)))
    mostly = share(params)

    def judge(measured: Measured) -> Outcome:
        elements = measured[ELEMENTS]
        return of_map(MapCounts(elements, measured[VALUES], measured[FAILING] if elements else None), mostly)

    measures = {
        ELEMENTS: scope.elements(params),
        VALUES: scope.values(params),
        FAILING: Measure(scope.count(domain, failing)),
    }
    return Plan(measures, judge, failing=both(domain, failing))


def null_plan(scope: Scope, params: Params, *, wanted: bool) -> Plan:
    """A check that values are missing (``wanted``), or that they are there; ``mostly`` is a share of all rows."""
    column, domain = scope.column(params.get("column")), scope.domain(params)
    mostly = share(params)

    def judge(measured: Measured) -> Outcome:
        elements, there = measured[ELEMENTS], measured[VALUES]
        failing = there if wanted else elements - there
        return of_map(MapCounts(elements, None, failing if elements else None), mostly)

    measures = {ELEMENTS: scope.elements(params), VALUES: scope.values(params)}
    failing = column.is_not(None) if wanted else column.is_(None)
    return Plan(measures, judge, about_nulls=True, failing=both(domain, failing))


def share(params: Params) -> float:
    """``mostly``, 1 where it is not given.

    Raises:
        CheckError: it is no share.
    """
    mostly = 1.0 if params.get("mostly") is None else number(params["mostly"], "mostly")
    if not 0 <= mostly <= 1:
        raise CheckError(f"mostly is {mostly}; a share from 0 to 1 is needed")
    return mostly


def in_set(scope: Scope, column: Expression, params: Params) -> Expression:
    """The value is one of the set; a missing value in the set says nothing."""
    values = value_set(params)
    return one_of(column, [value for value in values if value is not None], scope.dialect) if values else sa.false()


def not_in_set(scope: Scope, column: Expression, params: Params) -> Expression:
    """The value is none of the set."""
    values = value_set(params)
    return ~one_of(column, values, scope.dialect) if values else sa.true()


def in_range(scope: Scope, column: Expression, params: Params) -> Expression:
    """The value lies between the bounds."""
    name = str(params.get("column"))
    bounds = between(params, times=scope.is_time(name))
    if bounds.low is None and bounds.high is None:
        raise CheckError("min_value and max_value cannot both be missing")
    kind = scope.rows.columns[name].type
    if scope.dialect != "postgresql" and str(kind).upper().startswith(_NOT_NUMBERS):  # PostgreSQL says so itself
        raise CheckError(f"a column of type {kind} has no range")
    if bounds.low is not None and bounds.high is not None and bounds.low > bounds.high:
        raise CheckError("min_value cannot be greater than max_value")
    if scope.dialect == "postgresql" and isinstance(kind, sa.Numeric):
        return sa.and_(*_numeric_sides(column, bounds))
    return sa.and_(*_sides(column, bounds.low, bounds.high, params))


def length_in_range(_: Scope, column: Expression, params: Params) -> Expression:
    """The length of the text lies between the bounds."""
    bounds = between(params, kind="whole")
    if bounds.low is None and bounds.high is None:
        raise CheckError("min_value and max_value cannot both be missing")
    return sa.and_(*_sides(sa.func.length(column), bounds.low, bounds.high, params))


def length_equals(_: Scope, column: Expression, params: Params) -> Expression:
    """The text is so long."""
    equal: Expression = sa.func.length(column) == number(params.get("value"), "value")
    return equal


def regex(scope: Scope, column: Expression, params: Params) -> Expression:
    """The text matches the regular expression, in the database's own dialect of them."""
    return _matches(scope, column, str(params.get("regex", "(?s).*")))


def regex_list(scope: Scope, column: Expression, params: Params) -> Expression:
    """The text matches any, or all, of the regular expressions."""
    found = [_matches(scope, column, str(pattern)) for pattern in patterns(params, "regex_list")]
    return sa.and_(*found) if params.get("match_on") == "all" else sa.or_(*found)


def not_regex(scope: Scope, column: Expression, params: Params) -> Expression:
    """The text does not match the regular expression."""
    return _matches(scope, column, str(params.get("regex")), positive=False)


def not_regex_list(scope: Scope, column: Expression, params: Params) -> Expression:
    """The text matches none of the regular expressions."""
    found = patterns(params, "regex_list")
    return sa.and_(*(_matches(scope, column, str(pattern), positive=False) for pattern in found))


def like(_: Scope, column: Expression, params: Params) -> Expression:
    """The text matches the LIKE pattern."""
    return _like(column, params.get("like_pattern"), params)


def like_list(_: Scope, column: Expression, params: Params) -> Expression:
    """The text matches any, or all, of the LIKE patterns."""
    found = [_like(column, pattern, params) for pattern in patterns(params, "like_pattern_list")]
    return sa.and_(*found) if params.get("match_on") == "all" else sa.or_(*found)


def not_like(scope: Scope, column: Expression, params: Params) -> Expression:
    """The text does not match the LIKE pattern."""
    return sa.not_(like(scope, column, params))


def not_like_list(_: Scope, column: Expression, params: Params) -> Expression:
    """The text matches none of the LIKE patterns."""
    return sa.and_(*(sa.not_(_like(column, pattern, params)) for pattern in patterns(params, "like_pattern_list")))


def patterns(params: Params, name: str) -> Sequence[Any]:
    """A list of patterns.

    Raises:
        CheckError: there are none.
    """
    found = params.get(name)
    if not isinstance(found, Sequence) or isinstance(found, str) or not found:
        raise CheckError(f"{name} needs at least one pattern")
    return found


def _sides(column: Expression, low: Any, high: Any, params: Params) -> list[Expression]:  # noqa: ANN401 - a bound
    found: list[Expression] = []
    if low is not None:
        found.append(column > sa.literal(low) if params.get("strict_min") else column >= sa.literal(low))
    if high is not None:
        found.append(column < sa.literal(high) if params.get("strict_max") else column <= sa.literal(high))
    return found


def _numeric_sides(column: Expression, bounds: Between) -> list[Expression]:
    """Bounds of a numeric column. Great Expectations compares it with floats, for which PostgreSQL writes out and reads again
    each value; what lies within the bounds as a numeric also does so as a float, and is spared that.
    """
    low, high = bounds.low, bounds.high
    found: list[Expression] = []
    if low is not None:
        exact = column > sa.literal(low) if bounds.strict_low else column >= sa.literal(low)
        found.append(
            sa.or_(column >= sa.literal(_rounded(low, up=True)), exact) if _is_plain(low, bounds.strict_low) else exact
        )
    if high is not None:
        exact = column < sa.literal(high) if bounds.strict_high else column <= sa.literal(high)
        found.append(
            sa.or_(column <= sa.literal(_rounded(high, up=False)), exact)
            if _is_plain(high, bounds.strict_high)
            else exact
        )
    return found


def _is_plain(bound: Any, strict: bool) -> bool:  # noqa: ANN401, FBT001 - a bound and whether it belongs to the range
    return isinstance(bound, float) and math.isfinite(bound) and abs(bound) < _LARGE and not strict


def _rounded(bound: float, *, up: bool) -> Decimal:
    """The bound in few digits, no looser than it is."""
    digits = Context(prec=17, rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return digits.create_decimal(Decimal(bound))


def _matches(scope: Scope, column: Expression, pattern: str, *, positive: bool = True) -> Expression:
    if scope.dialect == "sqlite":
        matches = column.regexp_match(sa.literal(pattern))
        return matches if positive else sa.not_(matches)
    return column.bool_op("~" if positive else "!~")(sa.literal(pattern))


def _like(column: Expression, pattern: Any, params: Params) -> Expression:  # noqa: ANN401 - what a declaration may hold
    return column.like(sa.literal(str(pattern)), escape=params.get("escape"))

"""Checks of single rows over several columns, with the rows that ``ignore_row_if`` leaves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from afterpilot.check.single_pass.column_maps import FAILING, share
from afterpilot.check.single_pass.measures import Measure
from afterpilot.check.single_pass.outcomes import MapCounts, Outcome, of_map
from afterpilot.check.single_pass.parameters import Params, number
from afterpilot.check.single_pass.plans import ELEMENTS, VALUES, Measured, Plan
from afterpilot.check.single_pass.scope import Scope, both, columns_of
from afterpilot.check.single_pass.sources import COUNT, ByValue, Expression
from afterpilot.domain.errors import CheckError

Condition = Callable[[Sequence[Expression], Params], Expression]

_PAIR_IGNORED = {"both_values_are_missing": sa.and_, "either_value_is_missing": sa.or_, "neither": None}
_LIST_IGNORED = {"all_values_are_missing": sa.and_, "any_value_is_missing": sa.or_, "never": None}


def pair_plan(scope: Scope, params: Params, condition: Condition) -> Plan:
    """A check of two columns, row by row."""
    columns = [scope.column(params.get("column_A")), scope.column(params.get("column_B"))]
    kept = _kept(columns, params, _PAIR_IGNORED)
    return _plan(scope, params, kept, sa.not_(condition(columns, params)))


def list_plan(scope: Scope, params: Params, condition: Condition) -> Plan:
    """A check of a list of columns, row by row."""
    columns = [scope.column(name) for name in columns_of(params)]
    return _plan(scope, params, _kept(columns, params, _LIST_IGNORED), sa.not_(condition(columns, params)))


def compound_unique(scope: Scope, params: Params) -> Plan:
    """No two rows have the same values in all the columns; a row where one is missing is like no other."""
    columns = [scope.column(name) for name in columns_of(params)]
    domain, kept = scope.domain(params), _kept(columns, params, _LIST_IGNORED)
    name = f"values of {list(columns_of(params))!r} where {params.get('row_condition')!r}"
    source = ByValue(name, tuple(columns), both(domain, kept))
    repeated = sa.func.sum(sa.case((sa.column(COUNT) > 1, sa.column(COUNT)), else_=0))
    measures = _counts(scope, domain, kept) | {FAILING: Measure(repeated, source)}
    return Plan(measures, partial(_judge, share(params)), failing=sa.column(COUNT) > 1, failing_in=source)


def equal(columns: Sequence[Expression], _: Params) -> Expression:
    """Both have a value, and it is the same."""
    first, second = columns
    return sa.and_(first == second, sa.not_(sa.or_(first.is_(None), second.is_(None))))


def greater(columns: Sequence[Expression], params: Params) -> Expression:
    """The first is greater than the second, or equal where that is allowed; two missing values are equal."""
    first, second = columns
    if params.get("or_equal"):
        return sa.or_(first >= second, sa.and_(first.is_(None), second.is_(None)))
    return first > second


def pair_in_set(columns: Sequence[Expression], params: Params) -> Expression:
    """The pair is one of the set."""
    first, second = columns
    pairs = params.get("value_pairs_set")
    if not isinstance(pairs, Sequence) or isinstance(pairs, str):
        raise CheckError(f"value_pairs_set is {pairs!r}; a list of pairs is needed")
    if not pairs or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):  # noqa: PLR2004 - a pair
        raise CheckError("value_pairs_set needs pairs of values")
    return sa.or_(*(sa.and_(first == x, second == y) for x, y in pairs))


def sum_equal(columns: Sequence[Expression], params: Params) -> Expression:
    """The sum of the columns is the total."""
    added: Expression = sa.literal(0) + columns[0]
    for column in columns[1:]:
        added = added + column
    return added == number(params.get("sum_total"), "sum_total")


def all_equal(columns: Sequence[Expression], _: Params) -> Expression:
    """All have the same value, or none has one."""
    first, *others = columns
    same = [
        sa.or_(
            sa.and_(first.is_(None), other.is_(None)), sa.and_(first.is_not(None), other.is_not(None), first == other)
        )
        for other in others
    ]
    return sa.and_(sa.true(), *same)


def all_different(columns: Sequence[Expression], _: Params) -> Expression:
    """No two have the same value; two missing values are the same."""
    pairs = [(first, second) for index, first in enumerate(columns) for second in columns[index + 1 :]]
    same = [sa.or_(first == second, sa.and_(first.is_(None), second.is_(None))) for first, second in pairs]
    return sa.not_(sa.or_(sa.false(), *same))


def _plan(scope: Scope, params: Params, kept: Expression | None, failing: Expression) -> Plan:
    domain = scope.domain(params)
    measures = _counts(scope, domain, kept) | {FAILING: Measure(scope.count(domain, kept, failing))}
    return Plan(measures, partial(_judge, share(params)), failing=both(both(domain, kept), failing))


def _counts(scope: Scope, domain: Expression | None, kept: Expression | None) -> dict[str, Measure]:
    return {ELEMENTS: Measure(scope.count(domain)), VALUES: Measure(scope.count(domain, kept))}


def _judge(mostly: float, measured: Measured) -> Outcome:
    return of_map(MapCounts(measured[ELEMENTS], measured[VALUES], int(measured[FAILING] or 0)), mostly)


def _kept(
    columns: Sequence[Expression], params: Params, words: dict[str, Callable[..., Expression] | None]
) -> Expression | None:
    ignored = params.get("ignore_row_if", next(iter(words)))
    if ignored not in words:
        raise CheckError(f"ignore_row_if is {ignored!r}; {', '.join(words)} are known")
    joined = words[ignored]
    return None if joined is None else sa.not_(joined(*(column.is_(None) for column in columns)))

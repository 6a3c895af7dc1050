"""Which expectations of Great Expectations compile, on which databases, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass import column_aggregates as figures
from afterpilot.check.single_pass import column_maps as maps
from afterpilot.check.single_pass import distributions, several_columns, tables
from afterpilot.check.single_pass.parameters import Params
from afterpilot.check.single_pass.plans import Plan
from afterpilot.check.single_pass.scope import Scope
from afterpilot.domain.errors import CheckError
from afterpilot.domain.workflow import Check

NO_ROWS_ARE_FINE = "no_rows_are_fine"
# What says nothing about the data; Great Expectations ignores it too when it judges.
_NEUTRAL = {"name", "expect", "severity", "meta", "notes", "description", "windows", NO_ROWS_ARE_FINE}
_EVERYWHERE = frozenset({"postgresql", "sqlite"})
_POSTGRESQL = frozenset({"postgresql"})

Builder = Callable[[Scope, Params], Plan]


def _map(condition: maps.Condition) -> Builder:
    return lambda scope, params: maps.map_plan(scope, params, condition)


def _pair(condition: several_columns.Condition) -> Builder:
    return lambda scope, params: several_columns.pair_plan(scope, params, condition)


def _list(condition: several_columns.Condition) -> Builder:
    return lambda scope, params: several_columns.list_plan(scope, params, condition)


def _figure(aggregate: Any, kind: str = "comparable") -> Builder:  # noqa: ANN401 - one of sa.func
    return lambda scope, params: figures.figure_plan(scope, params, aggregate, kind)


_BUILDERS: dict[str, Builder] = {
    "column_distinct_values_to_be_in_set": partial(distributions.distinct_set, only=True, every=False),
    "column_distinct_values_to_contain_set": partial(distributions.distinct_set, only=False, every=True),
    "column_distinct_values_to_equal_set": partial(distributions.distinct_set, only=True, every=True),
    "column_max_to_be_between": _figure(sa.func.max),
    "column_mean_to_be_between": _figure(figures.mean),
    "column_median_to_be_between": figures.median,
    "column_min_to_be_between": _figure(sa.func.min),
    "column_most_common_value_to_be_in_set": distributions.most_common,
    "column_pair_values_a_to_be_greater_than_b": _pair(several_columns.greater),
    "column_pair_values_to_be_equal": _pair(several_columns.equal),
    "column_pair_values_to_be_in_set": _pair(several_columns.pair_in_set),
    "column_proportion_of_non_null_values_to_be_between": figures.non_null_share,
    "column_proportion_of_unique_values_to_be_between": distributions.distinct_share,
    "column_quantile_values_to_be_between": figures.quantiles,
    "column_stdev_to_be_between": _figure(sa.func.stddev_samp, "number"),
    "column_sum_to_be_between": _figure(sa.func.sum),
    "column_to_exist": tables.known(tables.column_exists),
    "column_type_to_be": tables.known(tables.column_type),
    "column_unique_value_count_to_be_between": distributions.distinct_count,
    "column_value_lengths_to_be_between": _map(maps.length_in_range),
    "column_value_lengths_to_equal": _map(maps.length_equals),
    "column_value_z_scores_to_be_less_than": distributions.z_scores,
    "column_values_to_be_between": _map(maps.in_range),
    "column_values_to_be_in_set": _map(maps.in_set),
    "column_values_to_be_in_type_list": tables.known(tables.values_in_type_list),
    "column_values_to_be_null": partial(maps.null_plan, wanted=True),
    "column_values_to_be_of_type": tables.known(tables.values_of_type),
    "column_values_to_be_unique": distributions.unique,
    "column_values_to_match_like_pattern": _map(maps.like),
    "column_values_to_match_like_pattern_list": _map(maps.like_list),
    "column_values_to_match_regex": _map(maps.regex),
    "column_values_to_match_regex_list": _map(maps.regex_list),
    "column_values_to_not_be_in_set": _map(maps.not_in_set),
    "column_values_to_not_be_null": partial(maps.null_plan, wanted=False),
    "column_values_to_not_be_outliers": distributions.outliers,
    "column_values_to_not_match_like_pattern": _map(maps.not_like),
    "column_values_to_not_match_like_pattern_list": _map(maps.not_like_list),
    "column_values_to_not_match_regex": _map(maps.not_regex),
    "column_values_to_not_match_regex_list": _map(maps.not_regex_list),
    "compound_columns_to_be_unique": several_columns.compound_unique,
    "multicolumn_sum_to_equal": _list(several_columns.sum_equal),
    "multicolumn_values_to_be_equal": _list(several_columns.all_equal),
    "select_column_values_to_be_unique_within_record": _list(several_columns.all_different),
    "table_column_count_to_be_between": tables.known(tables.column_count_between),
    "table_column_count_to_equal": tables.known(tables.column_count_equal),
    "table_columns_to_match_ordered_list": tables.known(tables.ordered_list),
    "table_columns_to_match_set": tables.known(tables.column_set),
    "table_row_count_to_be_between": figures.row_count_between,
    "table_row_count_to_equal": figures.row_count_equal,
}
# SQLite has no standard deviation: Great Expectations needs two statements for it there.
_NOT_ON_SQLITE = {
    "column_stdev_to_be_between",
    "column_value_z_scores_to_be_less_than",
    "column_values_to_not_be_outliers",
}

COMPILED: Mapping[str, frozenset[str]] = {
    name: _POSTGRESQL if name in _NOT_ON_SQLITE else _EVERYWHERE for name in _BUILDERS
}


def compiles(check: Check, dialect: str = "postgresql") -> bool:
    """Whether the single pass can judge the check on that SQLAlchemy dialect; the others are for Great Expectations itself.

    What it does not know how to read, such as a parameter that a run is to fill in or a row_condition in the old text form, is
    left to Great Expectations as well, which then says what is wrong with it.
    """
    name = check.expect.removeprefix("expect_")
    if dialect not in COMPILED.get(name, ()):
        return False
    values = [value for key, value in check.params.items() if key not in _NEUTRAL]
    if any(isinstance(value, Mapping) and "$PARAMETER" in value for value in values):
        return False
    return isinstance(check.params.get("row_condition", {}), Mapping | None)


def plan_of(check: Check, scope: Scope) -> Plan:
    """How the check is judged.

    Raises:
        CheckError: there is no such check, or a parameter is wrong.
    """
    name = check.expect.removeprefix("expect_")
    if scope.dialect not in COMPILED.get(name, ()):
        raise CheckError(f"{check.expect} cannot be judged in one pass on {scope.dialect}")
    return _BUILDERS[name](scope, _plain(check.params))


def _plain(params: Params) -> dict[str, Any]:
    from afterpilot.check.expectations import plain

    return {name: plain(value) for name, value in params.items() if name not in _NEUTRAL}

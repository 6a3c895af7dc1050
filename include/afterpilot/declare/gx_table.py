"""The expectations of Great Expectations 1.24 that a declaration may name, with their parameters.

Names are without the leading ``expect_``; a parameter with ``?`` may be left out. Written down here so that a declaration is
checked without importing Great Expectations (seconds and 230 MB); a test compares the table with the installed version.
Six of them exist for data frames only, and run on the rows in memory. ``LEFT_OUT`` has those that cannot be named, and why.
Stricter than Great Expectations: a parameter without which the check would always pass (``regex``, the lists) is required.
"""

from __future__ import annotations

_RANGE = "min_value? max_value? strict_min? strict_max?"
_AGGREGATE = f"column row_condition? {_RANGE}"
_MAP = "column mostly? row_condition?"
_PAIR = "column_A column_B mostly? row_condition? ignore_row_if?"
_MANY = "column_list mostly? row_condition? ignore_row_if?"

GX_EXPECTATIONS: dict[str, str] = {
    "column_distinct_values_to_be_in_set": "column row_condition? value_set",
    "column_distinct_values_to_contain_set": "column row_condition? value_set",
    "column_distinct_values_to_equal_set": "column row_condition? value_set",
    "column_kl_divergence_to_be_less_than": (
        "column row_condition? partition_object threshold internal_weight_holdout? tail_weight_holdout? "
        "bucketize_data? min_value? max_value?"
    ),
    "column_max_to_be_between": _AGGREGATE,
    "column_mean_to_be_between": _AGGREGATE,
    "column_median_to_be_between": _AGGREGATE,
    "column_min_to_be_between": _AGGREGATE,
    "column_most_common_value_to_be_in_set": "column row_condition? value_set ties_okay?",
    "column_pair_values_a_to_be_greater_than_b": f"{_PAIR} or_equal?",
    "column_pair_values_to_be_equal": _PAIR,
    "column_pair_values_to_be_in_set": f"{_PAIR} value_pairs_set",
    "column_proportion_of_non_null_values_to_be_between": _AGGREGATE,
    "column_proportion_of_unique_values_to_be_between": _AGGREGATE,
    "column_quantile_values_to_be_between": "column row_condition? quantile_ranges allow_relative_error?",
    "column_stdev_to_be_between": _AGGREGATE,
    "column_sum_to_be_between": _AGGREGATE,
    "column_to_exist": "column column_index?",
    "column_type_to_be": "column type_",
    "column_unique_value_count_to_be_between": _AGGREGATE,
    "column_value_lengths_to_be_between": f"{_MAP} {_RANGE}",
    "column_value_lengths_to_equal": f"{_MAP} value",
    "column_value_z_scores_to_be_less_than": f"{_MAP} threshold double_sided",
    "column_values_to_be_between": f"{_MAP} {_RANGE}",
    "column_values_to_be_in_set": f"{_MAP} value_set",
    "column_values_to_be_in_type_list": f"{_MAP} type_list",
    "column_values_to_be_null": _MAP,
    "column_values_to_be_of_type": f"{_MAP} type_",
    "column_values_to_be_unique": _MAP,
    "column_values_to_match_like_pattern": f"{_MAP} like_pattern escape?",
    "column_values_to_match_like_pattern_list": f"{_MAP} like_pattern_list match_on? escape?",
    "column_values_to_match_regex": f"{_MAP} regex",
    "column_values_to_match_regex_list": f"{_MAP} regex_list match_on?",
    "column_values_to_not_be_in_set": f"{_MAP} value_set",
    "column_values_to_not_be_null": _MAP,
    "column_values_to_not_be_outliers": f"{_MAP} method? multiplier?",
    "column_values_to_not_match_like_pattern": f"{_MAP} like_pattern escape?",
    "column_values_to_not_match_like_pattern_list": f"{_MAP} like_pattern_list escape?",
    "column_values_to_not_match_regex": f"{_MAP} regex",
    "column_values_to_not_match_regex_list": f"{_MAP} regex_list",
    "compound_columns_to_be_unique": _MANY,
    "multicolumn_sum_to_equal": f"{_MANY} sum_total",
    "multicolumn_values_to_be_equal": _MANY,
    "select_column_values_to_be_unique_within_record": _MANY,
    "table_column_count_to_be_between": "min_value? max_value?",
    "table_column_count_to_equal": "value",
    "table_columns_to_match_ordered_list": "column_list",
    "table_columns_to_match_set": "column_set exact_match?",
    "table_row_count_to_be_between": f"{_RANGE} row_condition?",
    "table_row_count_to_equal": "value row_condition?",
}

# They look at the rows in memory.
DATA_FRAMES: dict[str, str] = {
    "column_values_to_be_dateutil_parseable": _MAP,
    "column_values_to_be_decreasing": f"{_MAP} strictly?",
    "column_values_to_be_increasing": f"{_MAP} strictly?",
    "column_values_to_be_json_parseable": _MAP,
    "column_values_to_match_json_schema": f"{_MAP} json_schema",
    "column_values_to_match_strftime_format": f"{_MAP} strftime_format",
}
GX_EXPECTATIONS |= DATA_FRAMES

LEFT_OUT: dict[str, str] = {
    "multicolumn_values_to_be_unique": (
        "Great Expectations 1.24 cannot build it: select_column_values_to_be_unique_within_record or "
        "compound_columns_to_be_unique may be meant"
    ),
    "query_results_to_match_comparison": "it runs free SQL",
    "table_row_count_to_equal_other_table": "it counts another table, and a window has none beside it",
    "unexpected_rows_expectation": "it runs free SQL",
}

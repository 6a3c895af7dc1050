"""Checks by name: on each output before it is used (``outputs``), and on each window of records (``quality``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from afterpilot.declare.gx_table import DATA_FRAMES_ONLY, GX_EXPECTATIONS
from afterpilot.declare.parameters import flaws_of
from afterpilot.declare.problems import Flaw, Path, choices, describe, nearest
from afterpilot.domain.verdict import Severity

SEVERITIES = tuple(severity.value for severity in Severity if severity is not Severity.UNKNOWN)

# Checked on each output before it is used.
GATE: dict[str, str] = {
    "column_values_to_not_be_null": "column",
    "column_values_to_be_between": "column min_value? max_value?",
    "column_values_to_be_in_set": "column value_set",
    "column_values_to_match_regex": "column regex",
    "json_schema": "column file",
    "in_table": "column connection table key name?",
    "match_reference": "connection table key name subject? status? fields",
    "not_seen_before": "columns",
}

# Ours, besides those of Great Expectations.
OWN_QUALITY: dict[str, str] = {
    "fresh_within": "column max_age",
    "volume_between": "min_value? max_value?",
}
QUALITY: dict[str, str] = {**GX_EXPECTATIONS, **OWN_QUALITY}

MEANINGS: dict[str, str] = {
    "column_values_to_not_be_null": "the output has a value there",
    "column_values_to_be_between": "the value lies between both bounds, which belong to the range",
    "column_values_to_be_in_set": "the value is one of the set",
    "column_values_to_match_regex": "the text matches the regular expression",
    "json_schema": "the raw answer is JSON that follows the schema in the file",
    "in_table": "the value is a key of a table; `name` says in plain words what it holds",
    "match_reference": (
        "the row of another table with the same `key: {our_column: their_column}` exists, has an accepted "
        "`status: {column, accept: [...]}`, and agrees in all `fields: {ours: theirs}` or "
        "`{ours: {column: theirs, tolerance: 0.01}}`; `name` says in plain words what it is, "
        "`subject` what is compared with it"
    ),
    "not_seen_before": "no earlier record has the same values in these columns",
    "fresh_within": "the newest value of a time column is at most `max_age` old when the window ends",
    "volume_between": "the window holds at least and at most so many records",
}

# The kind of each parameter, whichever expectation it belongs to; `parameters` knows the exceptions.
_KINDS: dict[str, str] = {
    "column": "column",
    "column_A": "column",
    "column_B": "column",
    "column_list": "column list",
    "column_set": "column list",
    "columns": "column list",
    "mostly": "share",
    "min_value": "bound",
    "max_value": "bound",
    "strict_min": "boolean",
    "strict_max": "boolean",
    "or_equal": "boolean",
    "ties_okay": "boolean",
    "double_sided": "boolean",
    "bucketize_data": "boolean",
    "exact_match": "boolean",
    "value_set": "scalar list",
    "value_pairs_set": "pair list",
    "value": "count",
    "regex": "regex",
    "regex_list": "regex list",
    "like_pattern": "text",
    "like_pattern_list": "text list",
    "escape": "text",
    "match_on": "any or all",
    "ignore_row_if": "list nulls",
    "method": "method",
    "multiplier": "number above 0",
    "threshold": "number",
    "sum_total": "number",
    "column_index": "count",
    "type_": "text",
    "type_list": "text list",
    "quantile_ranges": "mapping",
    "allow_relative_error": "relative error",
    "partition_object": "mapping",
    "internal_weight_holdout": "weight",
    "tail_weight_holdout": "weight",
    "row_condition": "mapping",
    "file": "file",
    "connection": "connection",
    "table": "table",
    "key": "column",
    "name": "text",
    "subject": "text",
    "max_age": "duration",
    "status": "status",
    "fields": "field pairs",
}
_COUNTED = {
    "column_unique_value_count_to_be_between",
    "column_value_lengths_to_be_between",
    "table_column_count_to_be_between",
    "table_row_count_to_be_between",
    "volume_between",
}
_COMMON = ("expect", "severity")


def parameters(expect: str, table: Mapping[str, str]) -> dict[str, str]:
    """The parameters of an expectation (``name?`` may be left out) with their kinds."""
    found: dict[str, str] = {}
    for word in table[expect].split():
        name = word.removesuffix("?")
        kind = _KINDS.get(name, "")
        if expect == "match_reference" and name == "key":
            kind = "key pair"
        elif name == "ignore_row_if" and "column_A" in table[expect]:
            kind = "pair nulls"
        elif expect in _COUNTED and name in {"min_value", "max_value"}:
            kind = "count"
        found[word] = kind
    return found


def check_flaws(check: Any, path: Path, table: Mapping[str, str]) -> Iterator[Flaw]:  # noqa: ANN401 - YAML holds anything
    """Everything that is wrong with one check."""
    if not isinstance(check, dict):
        yield Flaw(
            path, f"must be a mapping with `expect`, but is {describe(check)}", "such as {expect: ..., column: ...}"
        )
        return
    severity = check.get("severity", "critical")
    if severity not in SEVERITIES:
        hint = choices(str(severity), SEVERITIES)
        yield Flaw((*path, "severity"), f"must be one of the accepted words, but is {describe(severity)}", hint)
    expect = check.get("expect")
    if not isinstance(expect, str) or expect not in table:
        if "expect" not in check and (meant := nearest("expect", check)):
            yield Flaw((*path, meant), "is not a known key", "did you mean 'expect'?")
        yield _unknown(expect, path, table)
        return
    yield from _parameter_flaws(check, expect, path, table)


def _unknown(expect: Any, path: Path, table: Mapping[str, str]) -> Flaw:  # noqa: ANN401 - YAML holds anything
    if expect is None:
        return Flaw((*path, "expect"), "is missing", choices("", sorted(table)))
    name = expect.removeprefix("expect_") if isinstance(expect, str) else str(expect)
    if name in table:
        return Flaw((*path, "expect"), f"{describe(expect)} is not known", f"write {name}, without expect_")
    other = QUALITY if table is GATE else GATE
    if name in other:
        place = "quality" if table is GATE else "outputs"
        return Flaw((*path, "expect"), f"{describe(expect)} cannot be checked here, but in {place}")
    if name in DATA_FRAMES_ONLY:
        return Flaw(
            (*path, "expect"), f"{describe(expect)} exists for data frames only, records are checked in a database"
        )
    return Flaw((*path, "expect"), f"{describe(expect)} is not a known expectation", choices(name, sorted(table)))


def _parameter_flaws(check: dict[str, Any], expect: str, path: Path, table: Mapping[str, str]) -> Iterator[Flaw]:
    wanted = parameters(expect, table)
    kinds = {name.removesuffix("?"): kind for name, kind in wanted.items()}
    for name in wanted:
        if not name.endswith("?") and name not in check:
            yield Flaw((*path, name), f"is missing: {expect} needs it")
    for name, value in check.items():
        if name in _COMMON:
            continue
        if name not in kinds:
            yield Flaw((*path, name), f"is not a parameter of {expect}", choices(name, list(kinds)))
        else:
            yield from flaws_of(value, (*path, name), kinds[name])
    if "min_value?" in wanted and "threshold" not in wanted:
        yield from _range_flaws(check, expect, path)


def _range_flaws(check: dict[str, Any], expect: str, path: Path) -> Iterator[Flaw]:
    low, high = check.get("min_value"), check.get("max_value")
    if low is None and high is None:
        yield Flaw(path, f"{expect} needs min_value, max_value or both")
    elif isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        yield Flaw((*path, "min_value"), f"is above max_value: {describe(low)} and {describe(high)}")
    elif low is not None and high is not None and isinstance(low, str) is not isinstance(high, str):
        yield Flaw((*path, "max_value"), "must be of the same kind as min_value")

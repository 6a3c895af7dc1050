"""Checks by name: on each output before it is used (``outputs``), and on each window of records (``quality``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from afterpilot.declare.gx_table import GX_EXPECTATIONS, LEFT_OUT
from afterpilot.declare.parameters import flaws_of
from afterpilot.declare.parameters_together import together_flaws
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
    "columns_match_json": "column fields",
    "in_table": "column connection table key name?",
    "match_reference": "connection table key name subject? status? fields",
    "not_seen_before": "columns",
}

# Ours, besides those of Great Expectations.
OWN_QUALITY: dict[str, str] = {
    "distribution_like": "column reference max_psi? max_js?",
    "fresh_within": "column max_age",
    "in_table": "column connection table key name? mostly?",
    "json_path": "column path type? min_value? max_value? value_set? regex? required? mostly?",
    "json_schema": "column file mostly?",
    "labels_agree": "column against min_agreement? min_kappa?",
    "language_is": "column languages mostly?",
    "length_between": "column unit? min_value? max_value? mostly?",
    "percentile_between": "column? of? percentile min_value? max_value?",
    "rows_not_repeated": "columns near? threshold? near_rows? mostly?",
    "sources_fresh": "column connection table key updated? max_age? status? mostly?",
    "volume_between": "min_value? max_value? like_weekdays?",
}
# The same in a suite of Great Expectations, which knows of no workflow: its time column and window, and whole schemas, are said.
OWN_IN_SUITES: dict[str, str] = {
    name: f"{said.replace(' file', ' json_schema').replace(' connection', ' connection?')} time? window?"
    for name, said in OWN_QUALITY.items()
}
QUALITY: dict[str, str] = {**GX_EXPECTATIONS, **OWN_QUALITY}

MEANINGS: dict[str, str] = {
    "column_values_to_not_be_null": "the output has a value there",
    "column_values_to_be_between": "the value lies between both bounds, which belong to the range",
    "column_values_to_be_in_set": "the value is one of the set",
    "column_values_to_match_regex": "the text matches the regular expression",
    "json_schema": "the raw answer is JSON that follows the schema in the file",
    "columns_match_json": (
        "the columns made from the raw answer say what it says: `fields: {our_column: $.path.in.the.answer}`; a number may have "
        "its unit behind it in the answer"
    ),
    "in_table": "the value is a key of a table; `name` says in plain words what it holds",
    "match_reference": (
        "the row of another table with the same `key: {our_column: their_column}` exists, has an accepted "
        "`status: {column, accept: [...]}`, and agrees in all `fields: {ours: theirs}` or "
        "`{ours: {column: theirs, tolerance: 0.01}}`; `name` says in plain words what it is, "
        "`subject` what is compared with it"
    ),
    "not_seen_before": "no earlier record has the same values in these columns",
    "distribution_like": (
        "the column's values are spread as in the `reference`, a time before the window (`28d`) or `{from: …, to: …}`: population "
        "stability index at most `max_psi`, Jensen-Shannon distance at most `max_js`, beyond chance"
    ),
    "fresh_within": "the newest value of a time column is at most `max_age` old when the window ends",
    "json_path": (
        "what stands at a JSONPath of the column is there (`required`), of the `type`, between the bounds, in the set, of the form"
    ),
    "labels_agree": (
        "the column agrees with another one, or with what people decided (`against: decisions`): share of agreement at least "
        "`min_agreement`, Cohen's kappa at least `min_kappa`"
    ),
    "language_is": "the text is in one of the `languages`, such as [en, de]; under 20 letters it is not judged",
    "length_between": "the text is so many `unit`s long: characters (unless said), words, or tokens by estimate",
    "percentile_between": (
        "the `percentile` of a number lies between the bounds; `of: cost` or `of: tokens` instead of `column`: of what each "
        "record's call cost or used"
    ),
    "rows_not_repeated": (
        "the texts of these columns stand in one record only: neither exactly nor, unless `near: false`, with a share of "
        "`threshold` (0.9) of their five-word runs in common, among `near_rows` (5000) records"
    ),
    "sources_fresh": (
        "the sources that the column lists are keys of the index table, `updated` at most `max_age` before the window ends, "
        "with an accepted `status: {column, accept: [...]}`"
    ),
    "volume_between": (
        "the window holds at least and at most so many records; `like_weekdays: {weeks: 8, at_least: 50%, at_most: 200%}`: so "
        "many per cent of what the same span of the same weekday usually holds"
    ),
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
    "strictly": "boolean",
    "strftime_format": "text",
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
    "against": "column",
    "path": "JSONPath",
    "type": "JSON type",
    "required": "boolean",
    "languages": "language list",
    "unit": "unit",
    "percentile": "percentile",
    "of": "cost or tokens",
    "near": "boolean",
    "near_rows": "near rows",
    "reference": "reference",
    "max_psi": "not negative",
    "max_js": "weight",
    "min_agreement": "share",
    "min_kappa": "kappa",
    "updated": "column",
    "like_weekdays": "weekdays",
    "json_schema": "mapping",
    "time": "column",
    "window": "span",
}
# Where a parameter is of another kind than elsewhere.
_KINDS_OF: dict[tuple[str, str], str] = {
    ("columns_match_json", "fields"): "path pairs",
    ("match_reference", "key"): "key pair",
    ("json_path", "min_value"): "number",
    ("json_path", "max_value"): "number",
    ("percentile_between", "min_value"): "number",
    ("percentile_between", "max_value"): "number",
    ("rows_not_repeated", "threshold"): "share",
}
_COUNTED = {
    "column_unique_value_count_to_be_between",
    "column_value_lengths_to_be_between",
    "length_between",
    "table_column_count_to_be_between",
    "table_row_count_to_be_between",
    "volume_between",
}
_COMMON = ("expect", "severity")
_NO_ROWS_ARE_FINE = "no_rows_are_fine"  # of every check of a window


def parameters(expect: str, table: Mapping[str, str]) -> dict[str, str]:
    """The parameters of an expectation (``name?`` may be left out) with their kinds."""
    found: dict[str, str] = {}
    for word in table[expect].split():
        name = word.removesuffix("?")
        kind = _KINDS_OF.get((expect, name), _KINDS.get(name, ""))
        if name == "ignore_row_if" and "column_A" in table[expect]:
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
    if name in LEFT_OUT:
        return Flaw((*path, "expect"), f"{describe(expect)} cannot be asked here: {LEFT_OUT[name]}")
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
        if name == _NO_ROWS_ARE_FINE and table is not GATE:
            yield from flaws_of(value, (*path, name), "boolean")
        elif name not in kinds:
            yield Flaw((*path, name), f"is not a parameter of {expect}", choices(name, list(kinds)))
        else:
            yield from flaws_of(value, (*path, name), kinds[name])
    yield from together_flaws(check, expect, path, ranged="min_value?" in wanted and "threshold" not in wanted)

"""Failed expectations in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

_SHOWN = 80
_LISTED = 6
_NOT_SHOWN = {"column", "column_A", "column_B", "column_list", "columns", "severity", "name", "schema"}

# What is wrong with each of the failing values, as it goes on from the column's name.
_EACH = {
    "column_values_to_not_be_null": "is missing",
    "column_values_to_be_null": "has a value",
    "column_values_to_be_between": "is outside {range}",
    "column_values_to_be_in_set": "is none of {value_set}",
    "column_values_to_not_be_in_set": "is one of {value_set}",
    "column_values_to_match_regex": "does not have the form {regex}",
    "column_values_to_not_match_regex": "has the form {regex}",
    "column_values_to_be_unique": "occurs more than once",
    "column_value_lengths_to_be_between": "has a length outside {range}",
    "column_value_lengths_to_equal": "has another length than {value}",
    "column_values_to_be_of_declared_type": "is no {type}",
    "compound_columns_to_be_unique": "occur together more than once",
    "column_pair_values_to_be_equal": "differ",
    "in_table": "is not in {table}",
    "json_path": "is not as asked at {path}",
    "json_schema": "does not follow {file}",
    "language_is": "is not in {languages}",
    "length_between": "is not {range} {unit} long",
    "rows_not_repeated": "is that of another record again",
    "sources_fresh": "names no source, or one that is missing, stale or not in use",
}
# What a figure of ours is about, as it comes before what was observed.
_FIGURES = {
    "distribution_like": "the values are spread otherwise than in the reference",
    "labels_agree": "too little agreement with {against}",
    "percentile_between": "percentile {percentile} is not {range}",
}
# What an aggregate measures, as it comes before the observed value.
_MEASURES = {
    "column_max_to_be_between": "greatest value",
    "column_min_to_be_between": "least value",
    "column_mean_to_be_between": "mean",
    "column_median_to_be_between": "median",
    "column_sum_to_be_between": "sum",
    "column_stdev_to_be_between": "standard deviation",
    "column_unique_value_count_to_be_between": "number of different values",
    "column_proportion_of_unique_values_to_be_between": "share of different values",
    "column_proportion_of_non_null_values_to_be_between": "share of records with a value",
    "column_most_common_value_to_be_in_set": "most common value",
}
_VOLUMES = {"volume_between", "table_row_count_to_be_between", "table_row_count_to_equal"}


def in_words(one: Judged) -> str:
    """The failure as one sentence with its figures."""
    check = one.check
    if check.expect == "fresh_within":
        return f"{check.column}: the newest value is {one.observed}; at most {check.params.get('max_age')} is allowed"
    if check.expect in _VOLUMES:
        count, _, usual = one.observed.partition(" ")
        bounds = [_range(check)] if {"min_value", "max_value", "value"} & check.params.keys() else []
        bounds += ["about as many as usual"] if "like_weekdays" in check.params else []
        return f"The window holds {count} records{f' {usual}' if usual else ''}; {' and '.join(bounds)} expected"
    if one.failing_total or "element_count" in one.result:
        return f"{_columns(check)} {_each(check)} in {_share(one)}"
    if check.expect in _MEASURES:
        limits = _range(check) if "value_set" not in check.params else f"one of {_list(check.params['value_set'])}"
        return f"{check.column}: the {_MEASURES[check.expect]} is {one.observed or 'unknown'}; {limits} expected"
    if check.expect in _FIGURES:
        said = _FIGURES[check.expect].format(**_words(check))
        return f"{_columns(check) or check.params.get('of')}: {said}: {one.observed}"
    found = f" (found: {one.observed})" if one.observed else ""
    return f"{_columns(check)}: {_spaced(check)} does not hold{found}".removeprefix(": ")


def affected(one: Judged) -> str:
    """How many records of the window the failure touches; no sum, for what a wrong record costs is not measured."""
    if one.failing_total:
        looked_at = one.elements - int(one.result.get("missing_count") or 0)
        verb = "is" if one.failing_total == 1 else "are"
        return f"{one.failing_total:,} of {looked_at:,} {'record' if looked_at == 1 else 'records'} {verb} affected"
    if one.elements:
        return f"the figure is over {one.elements:,} records together; how many of them are wrong is not known"
    return "how many records are wrong is not known"


def parameters(check: Check) -> str:
    """A check's parameters on one line, such as ``min_value 0, max_value 250000``."""
    shown = [f"{name} {_list(value)}" for name, value in check.params.items() if name not in _NOT_SHOWN]
    return ", ".join(shown)


def percent(part: Decimal) -> str:
    """A share as people read it: 1.7 %, never 0 % or 100 % where it is not quite."""
    value = 100 * part
    for digits in (1, 2, 3):
        text = f"{value:.{digits}f}"
        if Decimal(text) not in (0, 100) or value in (0, 100):
            return f"{text.rstrip('0').rstrip('.')} %"
    return "almost 0 %" if value < 1 else "almost 100 %"


def _each(check: Check) -> str:
    template = _EACH.get(check.expect)
    if template is None:
        return f"({_spaced(check)}) fails"
    return template.format(**_words(check))


def _words(check: Check) -> dict[str, Any]:
    """The parameters as they stand in a sentence."""
    words: dict[str, Any] = {name: _list(value) for name, value in check.params.items()}
    for name, value in (
        ("range", _range(check)),
        ("value_set", "the set"),
        ("regex", "asked for"),
        ("value", "asked for"),
        ("unit", "characters"),
        ("file", "its schema"),
    ):
        words.setdefault(name, value)
    return words


def _share(one: Judged) -> str:
    """``14 of 812 records (1.7 %, at most 1 % allowed)``; missing values are not counted, except where they are the matter."""
    looked_at = one.elements - int(one.result.get("missing_count") or 0)
    text = f"{one.failing_total:,} of {looked_at:,} {'record' if looked_at == 1 else 'records'}"
    if not looked_at:
        return text
    mostly = one.check.params.get("mostly")
    allowed = Decimal(1) - Decimal(str(mostly)) if mostly is not None else Decimal(0)
    limit = f"at most {percent(allowed)} allowed" if allowed else "none allowed"
    return f"{text} ({percent(Decimal(one.failing_total) / looked_at)}, {limit})"


def _range(check: Check) -> str:
    if "value" in check.params:
        return f"{check.params['value']}"
    low, high = check.params.get("min_value"), check.params.get("max_value")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}"


def _columns(check: Check) -> str:
    pair = [str(check.params[name]) for name in ("column_A", "column_B") if name in check.params]
    names = pair or [str(name) for name in check.params.get("column_list") or check.params.get("columns", ())]
    return check.column or " and ".join(names)


def _spaced(check: Check) -> str:
    return check.expect.replace("_", " ")


def _list(value: object) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {item}" for name, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        text = ", ".join(str(item) for item in value[:_LISTED]) + more
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

"""Parameters of expectations: each has a kind, each kind says what is wrong with a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from afterpilot.declare.eval_values import json_path
from afterpilot.declare.problems import Flaw, Path, choices, describe
from afterpilot.declare.values import (
    Wrong,
    column_name,
    connection_name,
    duration,
    share_of,
    table_name,
    text_of,
)
from afterpilot.domain.languages import LANGUAGES

Value = Any
Reader = Callable[[Value], object]

_PATTERN_CHARACTERS = 1_000


def flaws_of(value: Value, path: Path, kind: str) -> Iterator[Flaw]:
    """What is wrong with a parameter of the given kind."""
    if kind in _NESTED:
        yield from _NESTED[kind](value, path)
        return
    if kind.endswith(" list"):
        yield from _list(value, path, kind.removesuffix(" list"))
        return
    try:
        _KINDS[kind](value)
    except Wrong as error:
        yield Flaw(path, str(error), error.hint)


def _list(value: Value, path: Path, kind: str) -> Iterator[Flaw]:
    if not isinstance(value, list):
        yield Flaw(path, f"must be a list, but is {describe(value)}", "such as [a, b]")
        return
    if not value:
        yield Flaw(path, "needs at least one item")
    seen: list[Value] = []
    for index, item in enumerate(value):
        yield from flaws_of(item, (*path, index), kind)
        if any(item == other and type(item) is type(other) for other in seen[:1_000]):
            yield Flaw((*path, index), f"stands twice: {describe(item)}")
        seen.append(item)


def _must(value: Value, wanted: str, *, hint: str = "", when: bool) -> None:
    if not when:
        raise Wrong(f"must be {wanted}, but is {describe(value)}", hint)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Value) -> None:
    _must(value, "a number", when=_is_number(value))


def _positive(value: Value) -> None:
    _must(value, "a number above 0", when=_is_number(value) and value > 0)


def _not_negative(value: Value) -> None:
    _must(value, "a number, 0 or more", when=_is_number(value) and value >= 0)


def _count(value: Value) -> None:
    _must(value, "a whole number, 0 or more", when=_is_number(value) and isinstance(value, int) and value >= 0)


def _share(value: Value) -> None:
    _must(value, "a share from 0 to 1", hint="such as 0.98", when=_is_number(value) and 0 < value <= 1)


def _weight(value: Value) -> None:
    _must(value, "a number from 0 to 1", when=_is_number(value) and 0 <= value <= 1)


def _between(low: float, high: float, hint: str, *, whole: bool = False) -> Reader:
    def read(value: Value) -> None:
        fits = _is_number(value) and low <= value <= high and (isinstance(value, int) or not whole)
        what = "a whole number" if whole else "a number"
        _must(value, f"{what} from {low:g} to {high:g}", hint=hint, when=fits)

    return read


def _percentile(value: Value) -> None:
    _must(value, "a number above 0 up to 100", hint="such as 95", when=_is_number(value) and 0 < value <= 100)  # noqa: PLR2004


def _language(value: Value) -> None:
    text = text_of(value)
    if text not in LANGUAGES:
        raise Wrong(f"{describe(text)} is not a language that is known", "a code of ISO 639, such as en or de")


def _usual_share(value: Value) -> None:
    """A share of what is usual, above 100 % too."""
    found = re.fullmatch(r"\d{1,4}(\.\d{1,2})? ?%", value) if isinstance(value, str) else None
    _must(value, "a share in per cent", hint="such as 200%", when=found is not None)
    if float(value.rstrip(" %")) < 100:  # noqa: PLR2004 - per cent
        raise Wrong(f"{describe(value)} is less than what is usual", "100% or more, such as 200%")


def _boolean(value: Value) -> None:
    _must(value, "true or false", when=isinstance(value, bool))


def _scalar(value: Value) -> None:
    _must(value, "a text, a number, true or false", when=isinstance(value, (str, int, float)))


def _mapping(value: Value) -> None:
    _must(value, "a mapping (key: value)", when=isinstance(value, dict) and bool(value))


def _bound(value: Value) -> None:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise Wrong(f"must be a number or a time, but is {describe(value)}", "such as 250000") from error
    else:
        _must(value, "a number or a time", when=_is_number(value))


def _regex(value: Value) -> None:
    text = text_of(value, most=_PATTERN_CHARACTERS)
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Wrong(f"is not a regular expression: {error}") from error


def _pair(value: Value) -> None:
    _must(value, "a pair, such as [a, b]", when=isinstance(value, list) and len(value) == 2)  # noqa: PLR2004 - a pair


def _either(*options: str) -> Reader:
    def read(value: Value) -> None:
        if not (isinstance(value, str) and value in options):
            raise Wrong(f"must be one of the accepted words, but is {describe(value)}", choices(str(value), options))

    return read


def _relative_error(value: Value) -> None:
    if not isinstance(value, bool):
        _either("lower", "higher", "nearest", "midpoint", "linear")(value)


def _accept(value: Value, path: Path) -> Iterator[Flaw]:
    """``status`` of match_reference: a column and the values that are accepted."""
    yield from mapping_flaws(value, path, {"column": "column", "accept": "scalar list"})


def _key_pair(value: Value, path: Path) -> Iterator[Flaw]:
    """``key`` of match_reference: our column and theirs."""
    if not isinstance(value, dict) or len(value) != 1:
        yield Flaw(path, "must name one column of ours and one of theirs", "such as {po_number: po_number}")
        return
    for ours, theirs in value.items():
        yield from flaws_of(ours, (*path, ours), "column")
        yield from flaws_of(theirs, (*path, ours), "column")


def _field_pairs(value: Value, path: Path) -> Iterator[Flaw]:
    """``fields`` of match_reference: our column to theirs, or to a mapping with column and tolerance."""
    if not isinstance(value, dict) or not value:
        yield Flaw(path, f"must name columns, but is {describe(value)}", "such as {total: amount}")
        return
    for ours, theirs in value.items():
        yield from flaws_of(ours, (*path, ours), "column")
        if isinstance(theirs, dict):
            yield from mapping_flaws(theirs, (*path, ours), {"column": "column", "tolerance?": "not negative"})
        else:
            yield from flaws_of(theirs, (*path, ours), "column")


def _path_pairs(value: Value, path: Path) -> Iterator[Flaw]:
    """``fields`` of columns_match_json: our column to a JSONPath in the answer."""
    if not isinstance(value, dict) or not value:
        yield Flaw(path, f"must name columns, but is {describe(value)}", "such as {total: $.total}")
        return
    for ours, place in value.items():
        yield from flaws_of(ours, (*path, ours), "column")
        yield from flaws_of(place, (*path, ours), "JSONPath")


def _reference(value: Value, path: Path) -> Iterator[Flaw]:
    """``reference`` of distribution_like: so long before the window, or a fixed span."""
    if not isinstance(value, dict):
        yield from flaws_of(value, path, "some time")
        return
    yield from _span(value, path)


def _span(value: Value, path: Path) -> Iterator[Flaw]:
    yield from mapping_flaws(value, path, {"from": "time", "to": "time"})
    if not isinstance(value, dict):
        return
    start, end = value.get("from"), value.get("to")
    if isinstance(start, str) and isinstance(end, str) and not _is_later(start, end):
        yield Flaw((*path, "to"), "must be later than from")


def _is_later(start: str, end: str) -> bool:
    try:
        moments = [datetime.fromisoformat(text) for text in (start, end)]
        first, last = (one if one.tzinfo else one.replace(tzinfo=UTC) for one in moments)
    except ValueError:
        return True  # said already
    return first < last


def _time(value: Value) -> None:
    try:
        datetime.fromisoformat(text_of(value))
    except ValueError as error:
        raise Wrong(f"must be a time, but is {describe(value)}", "such as 2026-01-31") from error


def _some_time(value: Value) -> None:
    if not duration(value):
        raise Wrong("must be longer than nothing", "such as 28d, or {from: ..., to: ...}")


def _weekdays(value: Value, path: Path) -> Iterator[Flaw]:
    """``like_weekdays`` of volume_between."""
    if not isinstance(value, dict) or not value:
        hint = "such as {weeks: 8, at_least: 50%, at_most: 200%}"
        yield Flaw(path, f"must be a mapping (key: value), but is {describe(value)}", hint)
        return
    yield from mapping_flaws(
        value, path, {"weeks?": "weeks", "at_least?": "share in per cent", "at_most?": "usual share"}
    )


def mapping_flaws(value: Value, path: Path, parameters: Mapping[str, str]) -> Iterator[Flaw]:
    """What is wrong with a mapping of known parameters (``name?`` may be left out) to their kinds."""
    if not isinstance(value, dict):
        yield Flaw(path, f"must be a mapping (key: value), but is {describe(value)}")
        return
    kinds = {name.removesuffix("?"): kind for name, kind in parameters.items()}
    for name in parameters:
        if not name.endswith("?") and name not in value:
            yield Flaw((*path, name), "is missing")
    for name, part in value.items():
        if name not in kinds:
            yield Flaw((*path, name), "is not a known parameter", choices(name, list(kinds)))
        else:
            yield from flaws_of(part, (*path, name), kinds[name])


_KINDS: dict[str, Reader] = {
    "column": column_name,
    "table": table_name,
    "connection": connection_name,
    "text": text_of,
    "file": text_of,
    "duration": duration,
    "number": _number,
    "number above 0": _positive,
    "not negative": _not_negative,
    "count": _count,
    "share": _share,
    "weight": _weight,
    "boolean": _boolean,
    "scalar": _scalar,
    "mapping": _mapping,
    "bound": _bound,
    "regex": _regex,
    "pair": _pair,
    "relative error": _relative_error,
    "any or all": _either("any", "all"),
    "method": _either("iqr", "std"),
    "pair nulls": _either("both_values_are_missing", "either_value_is_missing", "neither"),
    "list nulls": _either("all_values_are_missing", "any_value_is_missing", "never"),
    "JSONPath": json_path,
    "JSON type": _either("string", "number", "integer", "boolean", "array", "object", "null"),
    "language": _language,
    "unit": _either("characters", "words", "tokens"),
    "percentile": _percentile,
    "cost or tokens": _either("cost", "tokens"),
    "near rows": _between(1, 50_000, "such as 5000", whole=True),
    "kappa": _between(-1, 1, "such as 0.6"),
    "weeks": _between(3, 52, "such as 8", whole=True),
    "share in per cent": share_of,
    "usual share": _usual_share,
    "time": _time,
    "some time": _some_time,
}
_NESTED: dict[str, Callable[[Value, Path], Iterator[Flaw]]] = {
    "status": _accept,
    "key pair": _key_pair,
    "field pairs": _field_pairs,
    "path pairs": _path_pairs,
    "reference": _reference,
    "span": _span,
    "weekdays": _weekdays,
}

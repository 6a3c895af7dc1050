"""Calls of models, under the names of :mod:`afterpilot.domain.calls`: which of them are the workflow's own, and what they used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from afterpilot.domain.prices import COUNTS, WORDS
from afterpilot.domain.record import Usage
from afterpilot.domain.source import Source
from afterpilot.pull.details import details_of
from afterpilot.pull.paths import first_key
from afterpilot.pull.rows import Own, Row, time_of, usage_of
from afterpilot.pull.values import decimal, tokens

Call = Mapping[str, Any]
LONGEST_CALL = timedelta(
    days=1
)  # what began earlier has ended: how far back to ask where only beginnings can be asked for
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST_SECONDS = 10**9


class OwnCalls:
    """The workflow's own calls among those of a gateway."""

    def __init__(self, source: Source) -> None:
        self._own = Own(source.where)

    def row(self, call: Call, whole: Any, *, usage: Usage | None = None) -> Row | None:  # noqa: ANN401 - any JSON value
        """The call as a row, or None where it is another workflow's."""
        row = Row(call, whole, usage or used(call))
        return row if self._own.holds(row) else None


def used(call: Call) -> Usage:
    """What the call used; a count that was not reported is None."""
    hour = call.get("cache_write_1h_tokens") or 0
    written = call.get("cache_write_tokens")
    details = {
        **{name: call.get(name) for name in (*COUNTS, *WORDS)},
        "cache_write_tokens": written - hour if isinstance(written, int) else None,
    }
    counts = (call.get("input_tokens"), call.get("output_tokens"), call.get("cached_tokens"))
    return usage_of(call.get("model"), *counts, details_of(details))


def looks_into(source: Source, names: Sequence[str]) -> bool:
    """Whether the declaration keeps or asks for one of these, by name or by a JSONPath that may lead there."""
    places = [source.paths.get(name, name) for name in (*source.fields, source.key)] + list(source.where)
    return any((first_key(place) if place.startswith("$") else place) in {*names, ""} for place in places)


def milliseconds(start: object, end: object) -> int | None:
    """From one moment to another; None where one is not known or they go backwards."""
    began, ended = (value if isinstance(value, datetime) else time_of(value) for value in (start, end))
    if began is None or ended is None or ended < began:
        return None
    return (ended - began) // _MILLISECOND


def in_milliseconds(seconds: object) -> int | None:
    """Seconds as whole milliseconds; None where they are no number, or none that a call takes."""
    number = None if isinstance(seconds, (Mapping, list)) else decimal(seconds)
    return int(number * 1000) if number is not None and 0 <= number <= _LONGEST_SECONDS else None


def first(*values: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The first value that says something."""
    return next((value for value in values if value is not None and value not in ("", {}, [])), None)


def within(value: Any, *keys: str) -> Any:  # noqa: ANN401 - any JSON value
    """What lies below these keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def first_count(*values: Any) -> int | None:  # noqa: ANN401 - any JSON value
    """The first value that is a count of tokens."""
    told = (value for value in values if not isinstance(value, (Mapping, list)))
    return next((count for value in told if (count := tokens(value)) is not None), None)


def answer_of(response: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The text of a model's reply in the shapes of OpenAI and Anthropic; a reply without one as it is."""
    choice = first(*(within(response, "choices") or [None])) if isinstance(within(response, "choices"), list) else None
    text = first(within(choice, "message", "content"), within(choice, "text"))
    if text is None and isinstance(parts := within(response, "content"), list):
        text = "".join(str(within(part, "text") or "") for part in parts)
    return first(text, response)

"""What must not be kept is taken out before a record is written.

A field that is declared as personal is replaced as a whole. In every other text, what looks personal by itself is replaced by a
word in brackets (:mod:`afterpilot.pull.patterns`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from afterpilot.domain.record import Record
from afterpilot.domain.source import Source
from afterpilot.pull.patterns import masked
from afterpilot.pull.values import decimal, moment

REDACTED = "[redacted]"


def redact(record: Record, source: Source) -> Record:
    """The record as it may be kept. A missing personal value stays missing, so that a check can still find that."""
    data = {name: redacted(name, value, source) for name, value in record.data.items()}
    return replace(record, data=data)


def redacted(name: str, value: Any, source: Source, mask: Callable[[str], str] = masked) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a field as it may be kept; see :func:`redact`. ``mask`` takes out of a text what looks personal."""
    if name in source.personal:
        return value if value is None or value == "" else REDACTED
    if not isinstance(value, str):
        return value
    found = mask(value)
    if found != value and source.fields.get(name) != "text" and _fits(value):
        return value
    return found


def _fits(value: str) -> bool:
    """Whether it is a number or a time, as fields of these types are kept; all else there is free text in the wrong place."""
    return decimal(value) is not None or moment(value) is not None

"""Canonical JSON (RFC 8785): the same document is the same bytes, whoever writes it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import rfc8785

from afterpilot.record.plain import plain

_EXACT = 2**53 - 1  # JSON's numbers are doubles: a larger whole number would lose digits
_SMALL = 1e-4  # below it, Python writes numbers as RFC 8785 does not
_REORDERED = re.compile("[\ue000-\U0010ffff]")  # keys with these are not in the order of their code points
# Many times as fast as rfc8785, and the same bytes for what _counted has let pass.
_FAST = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


class _Unusual(Exception):
    """A number that only rfc8785 writes right; no error: another way is taken."""


def canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The value's canonical form, UTF-8. Decimals, times and whole numbers beyond 2**53 are written as text."""
    try:
        return _written(value)
    except (TypeError, ValueError):  # no plain JSON yet: other types, or text that cannot be encoded
        return _written(plain(value))


def digest(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value)).digest()


def stamp(moment: datetime) -> str:
    """A moment as entries and documents write it: ``2026-11-22T03:51:12.123456Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _written(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    try:
        text = _FAST.encode(_counted(value, _SMALL))
    except _Unusual:
        text = ""
    usual = text and (text.isascii() or not _REORDERED.search(text))
    return text.encode() if usual else rfc8785.dumps(_counted(value, 0.0))


def _counted(value: Any, least: float) -> Any:  # noqa: ANN401 - any JSON value
    """The value with its whole numbers as such, those beyond 2**53 as text: a database writes 1e22 and 10**22 alike.

    Raises:
        TypeError: there is something in it that is no plain JSON.
        _Unusual: there is a number that is nearer to 0 than ``least``.
    """
    kind = type(value)
    if kind is dict:  # loops, not comprehensions: those would double the stack of what is nested deep
        made = {}
        for key, one in value.items():
            if type(key) is not str:
                raise TypeError("a key is no text")
            made[key] = one if type(one) is str else _counted(one, least)
        return made
    if kind is list or kind is tuple:
        row = []
        for one in value:
            row.append(_counted(one, least))  # noqa: PERF401 - see above
        return row
    if kind is float:
        return _number(value, least)
    if kind is int:
        return value if -_EXACT <= value <= _EXACT else str(value)
    if kind is str or kind is bool or value is None:
        return value
    raise TypeError(f"{kind.__name__} is no plain JSON")


def _number(value: float, least: float) -> float | int | str:
    if value.is_integer():
        return int(value) if abs(value) <= _EXACT else str(int(Decimal(repr(value))))
    if -least < value < least:
        raise _Unusual
    return value

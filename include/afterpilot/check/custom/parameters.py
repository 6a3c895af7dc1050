"""Parameters of expectations: durations, windows, and what must be given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from afterpilot.check.words import moment
from afterpilot.domain.errors import CheckError
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

_LENGTH = re.compile(r"^(\d{1,6}(?:\.\d{1,6})?) ?(m|h|d|w)$", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOST_DAYS = 3_660


def length(value: object, name: str) -> timedelta:
    """A duration, as a timedelta or as text such as ``6h``.

    Raises:
        CheckError: it is neither, or longer than ten years.
    """
    if isinstance(value, timedelta):
        found = value
    else:
        match = _LENGTH.match(str(value).strip())
        if not match:
            raise CheckError(f"{name} is {str(value)[:50]!r}; a duration such as 6h is needed")
        found = timedelta(**{_UNITS[match[2]]: float(match[1])})
    if not timedelta(0) <= found <= timedelta(days=_MOST_DAYS):
        raise CheckError(f"{name} is {found}; from nothing to {_MOST_DAYS:,} days can be")
    return found


def window_of(value: object, name: str) -> Window:
    """A fixed span, ``{from: 2026-01-01, to: 2026-02-01}``.

    Raises:
        CheckError: it is none.
    """
    given = value if isinstance(value, Mapping) else {}
    start, end = moment(given.get("from")), moment(given.get("to"))
    if start is None or end is None or start >= end:
        raise CheckError(f"{name} needs a time `from` and a later one `to`")
    return Window(start, end)


def needs(check: Check, name: str) -> object:
    """A parameter that must be given.

    Raises:
        CheckError: it is not.
    """
    value = check.params.get(name)
    if value is None:
        raise CheckError(f"{check.expect} needs {name}")
    return value

"""A source's values as the ops database keeps them: JSON that loses nothing.

Numbers that are not whole become decimal text (``"453.60"``), so that cents survive and PostgreSQL can still cast them
(``CAST(data->>'total' AS numeric)``). Times become ISO 8601 in UTC; a time without a zone is taken as UTC.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.source import FieldType


class NotFinite(ValueError):
    """A number or time that is NaN or infinite: no value that anything can be done with."""


def kept(value: object, kind: FieldType) -> Any:  # noqa: ANN401 - any JSON value
    """The value as it is kept for a field of that type; what does not fit the type is kept as it is, for the check to find.

    Raises:
        NotFinite: a number is NaN or infinite, or a time is.
    """
    if value is None:
        return None
    if kind == "time":
        return _time(value)
    if kind == "boolean":
        return _boolean(value)
    if kind == "number":
        return _number(value)
    return _text(value)


def moment(value: object) -> datetime | None:
    """The value as an aware UTC time, or None where it is none. A time without a zone is taken as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 in a zone that reaches beyond it
        return None


def decimal(value: object) -> Decimal | None:
    """The value as a finite decimal, or None where it is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


LONGEST_KEY = 500  # characters: an index entry has its bounds
LONGEST_MODEL = 200


def unfit(key: object, name: str) -> str:
    """Why no record can have that key, as it is counted; empty where one can. ``name`` is the key's column."""
    if key is None or not str(key).strip():
        return f"row without {name}"
    if len(str(key)) > LONGEST_KEY or "\x00" in str(key):
        return f"row whose {name} is longer than {LONGEST_KEY} characters or holds a NUL"
    return ""


def model_name(value: object) -> str:
    """The name of a model as it is kept; empty where none was reported."""
    return str(value or "").replace("\x00", "").strip()[:LONGEST_MODEL]


MOST_TOKENS = 10**12  # of one call; more is no count


def tokens(value: object) -> int | None:
    """A count of tokens, or None where none was reported or the report is no count."""
    number = decimal(value)
    # The bound comes first: ten million digits take minutes to make an int of.
    if number is None or not 0 <= number <= MOST_TOKENS or number != number.to_integral_value():
        return None
    return int(number)


def _number(value: object) -> object:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotFinite
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise NotFinite
        return format(value, "f")
    if isinstance(value, str) and value.strip().lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise NotFinite
    return _text(value)


def _time(value: object) -> str:
    found = moment(value)
    if found is not None:
        return found.isoformat()
    if isinstance(value, str) and value.strip().lower().lstrip("+-") == "infinity":
        raise NotFinite
    return _text(value)


def _boolean(value: object) -> object:
    if isinstance(value, int) and value in (0, 1):  # some databases know no booleans
        return bool(value)
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, default=str, ensure_ascii=False)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else str(value)

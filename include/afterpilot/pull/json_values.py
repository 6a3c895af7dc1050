"""JSON that others wrote: read without losing digits, and without a number or depth that a process chokes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_MOST_DIGITS = 1_000  # Python itself refuses to read whole numbers of more than 4,300
_LARGEST_EXPONENT = 400


class NotJson(ValueError):
    """A text is no JSON that can be used."""


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The value; numbers that are not whole are decimals.

    Raises:
        NotJson: it is no JSON, no UTF-8, or nested too deeply.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotJson("it is no JSON" if isinstance(error, ValueError) else "it is nested too deeply") from None


def dumps(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A value as JSON text; decimals become numbers again.

    Raises:
        NotJson: it is nested too deeply, or no JSON otherwise.
    """
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)
    except (RecursionError, ValueError, TypeError):
        raise NotJson("it is nested too deeply") from None


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return dict(value) if isinstance(value, Mapping) else str(value)


def _fraction(text: str) -> object:
    number = Decimal(text) if len(text) <= _MOST_DIGITS else None
    # 1e999999999 is eleven characters, and a gigabyte once it is written out.
    return number if number is not None and abs(number.adjusted()) <= _LARGEST_EXPONENT else float(text)


def _whole(text: str) -> object:
    return int(text) if len(text) <= _MOST_DIGITS else text


_DECODER = json.JSONDecoder(parse_float=_fraction, parse_int=_whole)

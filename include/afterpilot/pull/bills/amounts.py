"""Amounts, counts and names as bills tell them: exact, or an error that says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from afterpilot.domain.bills import NO_CURRENCY
from afterpilot.domain.errors import SourceError
from afterpilot.domain.storable import storable

_CURRENCY = re.compile(r"[A-Z]{3}")
_LARGEST = 18  # digits before the point of an amount
_FINEST = 1_000  # digits behind it, far more than floats that were added up have, and fewer than PostgreSQL takes
_LONGEST = 300  # characters of a name


def amount(value: object, where: str) -> Decimal | None:
    """An amount of money, never by way of a float; None where the bill has none.

    Raises:
        SourceError: it is there and is no amount.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise SourceError(f"{where}: an amount is no number")
    try:
        found = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise SourceError(f"{where}: an amount is no number") from None
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or found.adjusted() >= _LARGEST or exponent < -_FINEST:
        raise SourceError(f"{where}: an amount is no sum of money")
    return found


def currency(value: object) -> str:
    """A currency in capital letters; ISO 4217's XXX where the bill names none that could be one."""
    found = value.strip().upper() if isinstance(value, str) else ""
    return found if _CURRENCY.fullmatch(found) else NO_CURRENCY


def count(value: object, where: str) -> Decimal | None:
    """Tokens or requests; None where the bill does not tell them.

    Raises:
        SourceError: it is there and is no count.
    """
    found = amount(value, where)
    if found is not None and found < 0:
        raise SourceError(f"{where}: a count is below zero")
    return found


def name(value: object, *, none: str = "") -> str:
    """A project, model or item, fit to be kept; ``none`` where the bill names none."""
    return storable(value.strip())[:_LONGEST] if isinstance(value, str) and value.strip() else none


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """A JSON object. Raises SourceError where it is none."""
    if not isinstance(value, Mapping):
        raise SourceError(f"{where}: something is no JSON object")
    return value


def total(*parts: Decimal | None) -> Decimal | None:
    """The sum of those that are told; None where none is."""
    told = [part for part in parts if part is not None]
    return sum(told, Decimal(0)) if told else None

"""Discrepancies in words that a clerk understands. What an output said is data: it is shown, shortened, never interpreted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.record import Discrepancy, Record
from afterpilot.domain.storable import storable
from afterpilot.domain.workflow import Check

SHOWN = 120
MOST_DIGITS = 30  # before or after the point
_LONGEST_NUMBER = 100
_CAPITALS = {
    "po": "PO",
    "id": "ID",
    "vat": "VAT",
    "iban": "IBAN",
    "bic": "BIC",
    "sku": "SKU",
    "url": "URL",
    "json": "JSON",
}


def label(field: str) -> str:
    """A field's name as a sentence begins with it: ``total_due`` is "Total due"."""
    text = phrase(field)
    return text[:1].upper() + text[1:]


def phrase(field: str) -> str:
    """A field's name as it stands in a sentence: ``po_number`` is "PO number"."""
    return " ".join(_CAPITALS.get(word.lower(), word) for word in field.split("_") if word) or field


def shown(value: object) -> str:
    """A value as it is shown, at most 120 characters."""
    text = storable(" ".join((as_text(value) or "").split()))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def as_text(value: object) -> str | None:
    """A kept value as text, as PostgreSQL's ``data->>'field'`` gives it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float | Decimal) else json.dumps(value, default=str)


def moment(value: object) -> datetime | None:
    """A kept value as a time, in UTC where it names no zone; None where it is none."""
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def number(value: object) -> Decimal | None:
    """A kept value as a finite number, None where it is none.

    More than 30 digits, or an exponent beyond 30, is no number: ``1e9000000000`` cannot be subtracted, and written out it
    would fill the memory.
    """
    found = None if len(str(value)) > _LONGEST_NUMBER else any_number(value)
    if found is None:
        return None
    _, digits, exponent = found.as_tuple()
    places = (len(digits), abs(int(exponent)), abs(found.adjusted()))
    return found if max(places) <= MOST_DIGITS else None


def any_number(value: object) -> Decimal | None:
    """A finite number of any size, None where it is none: what a declaration may say as a bound, fit to be compared only."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value).strip())
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def plain_number(value: Decimal) -> str:
    """Digits as people read them: ``1E+3`` is 1000."""
    return format(value, "f")


def is_missing(value: object) -> bool:
    """Whether there is nothing to check: no value, or blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


def either(items: Sequence[Any], word: str = "or") -> str:
    """``a, b or c``."""
    texts = [shown(item) for item in items]
    return " ".join([", ".join(texts[:-1]), word, texts[-1]]) if len(texts) > 1 else "".join(texts)


def missing(check: Check, field: str, *, expected: str = "", source: str = "") -> Discrepancy:
    """A value that is needed and not there."""
    other = f"; {source} says {expected}" if expected and source else ""
    return Discrepancy(check.expect, field, "", expected, source, f"{label(field)} is missing{other}")


def wrong(check: Check, record: Record, field: str, *, expected: str, text: str, source: str = "") -> Discrepancy:
    """A value that is not what it should be; ``text`` goes on from the field's name."""
    return Discrepancy(check.expect, field, shown(record.data.get(field)), expected, source, f"{label(field)}: {text}")

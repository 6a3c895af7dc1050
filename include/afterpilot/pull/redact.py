"""What must not be kept is taken out before a record is written.

A field that is declared as personal is replaced as a whole. In every other text, e-mail addresses, phone numbers, bank
account numbers (IBAN) and payment card numbers are replaced by a word in brackets. Numbers of invoices and orders, amounts
and dates stay as they are: a phone number needs a country code, an area code in brackets or a word that says so, account and
card numbers need their check digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from afterpilot.domain.record import Record
from afterpilot.domain.source import Source

REDACTED = "[redacted]"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)")
_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)
_INTERNATIONAL = re.compile(
    r"(?<![\w+])\+(?!\d{4}-\d\d-\d\d)(?!\d+[.,]\d{1,2}(?!\d))[1-9](?:[ ()./-]{0,2}\d){7,14}(?!\d)"
)
_AREA_CODE = re.compile(r"(?<![\w)])\(0?\d{2,4}\) ?\d{3,4}[ .-]?\d{3,5}(?![\w])")
_LABELLED = re.compile(
    r"(?i)\b((?:tele)?phone|tel|mobile|cell|fax|telefon|mobil)\b(\.?(?: ?(?:no|nr|number)\b\.?)? ?[:#]? ?)"
    r"(?=[+(\d])((?:[ ()./-]{0,2}\+?\d){6,15})(?!\d)"
)

_IBAN_SHORTEST = 15
_IBAN_LONGEST = 34


def redact(record: Record, source: Source) -> Record:
    """The record as it may be kept. A missing personal value stays missing, so that a check can still find that."""
    data = {name: redacted(name, value, source) for name, value in record.data.items()}
    return replace(record, data=data)


def masked(text: str) -> str:
    """The text with e-mail addresses, bank accounts, card and phone numbers replaced by what they were."""
    text = _EMAIL.sub("[e-mail]", text)
    text = _IBAN.sub(_without(_iban_length, "[account]"), text)
    text = _CARD.sub(lambda match: "[card]" if _is_card(match[0]) else match[0], text)
    text = _LABELLED.sub(r"\1\2[phone]", text)
    text = _INTERNATIONAL.sub("[phone]", text)
    return _AREA_CODE.sub("[phone]", text)


def redacted(name: str, value: Any, source: Source) -> Any:  # noqa: ANN401 - any JSON value
    """The value of a field as it may be kept; see :func:`redact`."""
    if name in source.personal:
        return value if value is None or value == "" else REDACTED
    return masked(value) if isinstance(value, str) and source.fields.get(name) == "text" else value


def _without(length: Callable[[str], int], word: str) -> Callable[[re.Match[str]], str]:
    """Replace the first ``length`` characters of a match, as far as they are what they look like."""

    def put(match: re.Match[str]) -> str:
        size = length(match[0])
        return word + match[0][size:] if size else match[0]

    return put


def _iban_length(text: str) -> int:
    """How many characters of the text are a valid IBAN (ISO 13616, remainder 1 of 97); 0 for none.

    Words in capitals may follow it, so shorter ends at a blank are tried too.
    """
    ends = [len(text), *(place for place in range(len(text) - 1, 0, -1) if text[place] == " ")]
    for end in ends:
        plain = text[:end].replace(" ", "")
        if _IBAN_SHORTEST <= len(plain) <= _IBAN_LONGEST:
            digits = "".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])
            if int(digits) % 97 == 1:
                return end
    return 0


def _is_card(text: str) -> bool:
    """Whether the digits are those of a known card brand with a valid check digit (Luhn, ISO/IEC 7812)."""
    digits = [int(sign) for sign in text if sign.isdigit()]
    if not _BRAND.fullmatch("".join(map(str, digits))):
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0

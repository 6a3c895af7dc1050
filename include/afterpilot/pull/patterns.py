"""Finds what must not be kept in free text: e-mail addresses, phone, account and card numbers, national ids.

A text is searched once for ``@`` and once for runs of digits; everything else is looked at around those only, so that a text
without personal data costs microseconds. Numbers of invoices and orders, amounts and dates stay as they are: a phone number
needs a country code, an area code in brackets or a word that names it, account and card numbers need their check digits, and a
national id a shape of its own or a word that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from afterpilot.pull import national_ids

_RUN = re.compile(r"\d(?:[ ().\-/]{0,2}\d){5,}")  # six digits at least: nothing personal has fewer
_MIXED = re.compile(r"\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]")  # the Italian codice fiscale: its digits stand apart
_DATE = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d")
_BETWEEN = re.compile(r"\D")
_OPENING = ("+", "(")

_LOCAL = re.compile(r"(?<![\w.+'-])[\w.+'-]{1,64}$")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}(?![A-Za-z0-9])")
_ACCOUNT_BEGINS = re.compile(r"[A-Z]{2}\d{2}")
_IBAN_BEGINS = 14  # characters before the first long run of digits
_IBAN_SHORTEST, _IBAN_LONGEST = 15, 34
_CARD = re.compile(r"(?<![\w.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)")
_CARD_DIGITS = 13
_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
)
_INTERNATIONAL = re.compile(
    r"(?<![\w+])\+(?!\d{4}-\d\d-\d\d)(?!\d+[.,]\d{1,2}(?!\d))[1-9](?:[ ()./-]{0,2}\d){6,14}(?!\d)"
)
_AREA_CODE = re.compile(r"(?<![\w)])\(0?\d{2,4}\) ?\d{3,4}[ .-]?\d{3,5}(?![\w])")
_PHONE_LABEL = re.compile(
    r"(?i)\b(?:(?:tele)?phone|tel|mobile|cell|fax|telefon|mobil)\b\.?(?: ?(?:no|nr|number)\b\.?)? ?[:#]? ?[+(]?$"
)
_PHONE_WORDS = ("phone", "tel", "mobile", "cell", "fax", "telefon", "mobil")
_NUMBER_WORDS = frozenset({"no", "nr", "number", "no.", "nr."})
_LABELLED_PHONE = re.compile(r"[+(]?(?:[ ()./-]{0,2}\+?\d){6,15}(?!\d)")


class Found(NamedTuple):
    """A stretch of the text, and the word that takes its place."""

    start: int
    end: int
    word: str


def may_hold(text: str) -> bool:
    """Whether there can be anything at all; cheap, and never False where something would be found."""
    return "@" in text or _RUN.search(text) is not None or _MIXED.search(text) is not None


def masked(text: str) -> str:
    """The text with each find replaced by a word in brackets; masking again changes nothing."""
    while found := _apart(_all(text)):
        parts, last = [], 0
        for start, end, word in found:
            parts += [text[last:start], word]
            last = end
        text = "".join([*parts, text[last:]])
    return text


def _all(text: str) -> Iterator[Found]:
    if "@" in text:
        yield from _addresses(text)
    for run in _RUN.finditer(text):
        yield from _around(text, run)
    for mixed in _MIXED.finditer(text):
        yield from _shaped(text, mixed)


def _apart(found: Iterator[Found]) -> list[Found]:
    """In their order; of two that overlap the one that begins first, the longer of equally early ones."""
    kept: list[Found] = []
    for one in sorted(set(found), key=lambda one: (one.start, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept


def _addresses(text: str) -> Iterator[Found]:
    at = text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(0, at - 65), at)
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            yield Found(local.start(), domain.end(), "[e-mail]")
        at = text.find("@", at + 1)


def _around(text: str, run: re.Match[str]) -> Iterator[Found]:
    """What the run of digits, with what stands around it, may be."""
    start, end = run.span()
    before = text[max(0, start - national_ids.LONGEST_LABEL) : start]
    digits = len(run[0]) - len(_BETWEEN.findall(run[0]))
    if _ACCOUNT_BEGINS.search(text, max(0, start - _IBAN_BEGINS), end):
        for match in _IBAN.finditer(text, max(0, start - _IBAN_BEGINS), end + _IBAN_LONGEST):
            if length := _iban_length(match[0]):
                yield Found(match.start(), match.start() + length, "[account]")
    if digits >= _CARD_DIGITS:
        for match in _CARD.finditer(text, start, end + 2):
            if _is_card(match[0]):
                yield Found(match.start(), match.end(), "[card]")
    word = _last_word(before)
    yield from _phones(text, run, before, word)
    if not _is_plain(text, run):
        yield from _shaped(text, run)
    fits = national_ids.FEWEST_DIGITS <= digits <= national_ids.MOST_DIGITS
    if fits and word in national_ids.LAST_WORDS and national_ids.is_named(before):
        yield Found(start, end, national_ids.WORD)


def _is_plain(text: str, run: re.Match[str]) -> bool:
    """Digits in one piece, or a date, without a letter beside them: no number with a shape of its own."""
    beside = f"{text[run.start() - 1 : run.start()]}{text[run.end() : run.end() + 2].strip(' -')[:1]}"
    return (run[0].isdigit() or _DATE.fullmatch(run[0]) is not None) and not any(sign.isalpha() for sign in beside)


def _last_word(before: str) -> str:
    """The word that may name what follows, in small letters; a ``number`` or ``no.`` after it is left out."""
    words = before.rstrip(" .:#(+").lower().replace(":", " ").split()
    if len(words) > 1 and words[-1] in _NUMBER_WORDS:
        del words[-1]
    return words[-1].rstrip(".") if words else ""


def _phones(text: str, run: re.Match[str], before: str, word: str) -> Iterator[Found]:
    start, end = run.span()
    for match in _INTERNATIONAL.finditer(text, max(0, start - 1), end + 1) if "+" in before[-1:] else ():
        if _is_phone(match[0]):
            yield Found(match.start(), match.end(), "[phone]")
    for match in _AREA_CODE.finditer(text, max(0, start - 1), end + 1) if "(" in before[-1:] else ():
        yield Found(match.start(), match.end(), "[phone]")
    if word.endswith(_PHONE_WORDS) and (label := _PHONE_LABEL.search(before)):
        begin = start - (before[label.end() - 1 :] in _OPENING)
        if number := _LABELLED_PHONE.match(text, begin):
            yield Found(number.start(), number.end(), "[phone]")


def _shaped(text: str, run: re.Match[str]) -> Iterator[Found]:
    start, end = max(0, run.start() - national_ids.BEFORE), run.end() + national_ids.AFTER
    for place in national_ids.shaped(text, start, end):
        yield Found(*place, national_ids.WORD)


def _iban_length(text: str) -> int:
    """How many characters of the text are a valid IBAN (ISO 13616, remainder 1 of 97); 0 for none.

    Words in capitals may follow it, so shorter ends at a blank are tried too.
    """
    ends = [len(text), *(place for place in range(len(text) - 1, 0, -1) if text[place] == " ")]
    for end in ends:
        plain = text[:end].replace(" ", "")
        if _IBAN_SHORTEST <= len(plain) <= _IBAN_LONGEST and _checks("mod_97_10")(plain[4:] + plain[:4]):
            return end
    return 0


def _is_card(text: str) -> bool:
    """Whether the digits are those of a known card brand with a valid check digit (Luhn, ISO/IEC 7812)."""
    digits = "".join(str(int(sign)) for sign in text if sign.isdigit())
    return _BRAND.fullmatch(digits) is not None and _checks("luhn")(digits)


def _is_phone(text: str) -> bool:
    """Whether some country's numbering plan has numbers of this length."""
    import phonenumbers  # a tenth of a second

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text, None)))
    except phonenumbers.NumberParseException:
        return False


def _checks(module: str) -> Callable[[str], bool]:
    if module == "luhn":
        from stdnum import luhn

        return luhn.is_valid  # type: ignore[no-any-return]
    from stdnum.iso7064 import mod_97_10

    return mod_97_10.is_valid  # type: ignore[no-any-return]

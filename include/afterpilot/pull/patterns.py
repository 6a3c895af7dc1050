"""Finds what must not be kept in free text: e-mail addresses, phone, account and card numbers, national ids.

A text is searched once for ``@`` and once for runs of digits; everything else is looked at around those only, so that a text
without personal data costs microseconds. Numbers of invoices and orders, amounts and dates stay as they are: a phone number
needs a country code, an area code in brackets or a word that names it, account and card numbers need their check digits, and a
national id a shape of its own or a word that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from afterpilot.pull import national_ids, phones
from afterpilot.pull.digits import DATE, DATED, blanks, last_word

_RUN = re.compile(r"\d(?:[ ().\-/]{0,3}\d){5,}")  # six digits at least: nothing personal has fewer
_MIXED = re.compile(r"\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]")  # the Italian codice fiscale: its digits stand apart
_BETWEEN = re.compile(r"\D")
# What word processors and web pages write for a blank, a hyphen, ``@`` and ``+``; each is one character, so places stay.
_LIKE = {" ": "\u00a0\u2000-\u200a\u202f\u205f\u3000", "-": "\u2010-\u2013\u2212\uff0d", "@": "\uff20", "+": "\uff0b"}
ALIKE = "".join(_LIKE.values())
_ALIKE = re.compile(f"[{ALIKE}]")
_PLAIN = tuple((re.compile(f"[{signs}]"), plain) for plain, signs in _LIKE.items())
_LITERAL = re.compile(r'"((?:[^"\\]++|\\.)*+)("?)', re.DOTALL)  # a text within JSON, which may be cut off
_OPENING = ("+", "(")

_MARKS = "\u0300-\u036f\u0900-\u0eff"  # accents that stand apart, and scripts whose vowels are signs of their own
_LOCAL = re.compile(rf"(?<![\w.+'{_MARKS}-])[\w.+'{_MARKS}-]{{1,64}}$")
# A top-level domain in Latin letters, as such are written for other scripts (RFC 5890), or in one of these.
_TOP = rf"(?:[A-Za-z]{{2,24}}(?![A-Za-z0-9_-])|xn--[A-Za-z0-9-]{{2,59}}|(?:[^\W\d_A-Za-z]|[{_MARKS}]){{2,24}})"
_DOMAIN = re.compile(rf"(?:[\w{_MARKS}-]{{1,63}}\.){{1,8}}{_TOP}")

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2} ?\d{2}(?:[ -]?[A-Z0-9]{1,4}){3,8}(?![A-Za-z0-9])")
# Small letters are words as a rule: only as banks write it, in one piece or in fours.
_SMALL_IBAN = re.compile(r"(?i)(?<![a-z0-9])[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?(?![a-z0-9])")
_NO_SIGN = re.compile(r"[ -]")
_ACCOUNT_BEGINS = re.compile(r"[A-Z]{2} ?\d{2}|[A-Za-z]{2}\d{2}")
_IBAN_BEGINS = 14  # characters before the first long run of digits
_IBAN_SHORTEST, _IBAN_LONGEST = 15, 34
_CARD = re.compile(
    r"(?<![\w.-])(?:\d{13,19}|\d{4}([ .-])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}|\d{6} \d{13})(?![\w-]|\.\d)"
)
_CARD_DIGITS = 13
_BRAND = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12})"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|3(?:0[0-5]\d|095|[689]\d\d)\d{10}|62\d{14,17}"  # Diners Club, UnionPay
)


class Found(NamedTuple):
    """A stretch of the text, and the word that takes its place."""

    start: int
    end: int
    word: str


def may_hold(text: str) -> bool:
    """Whether there can be anything at all; cheap, and never False where something would be found."""
    text = _plain(text)
    return "@" in text or _RUN.search(text) is not None or _MIXED.search(text) is not None


def masked(text: str) -> str:
    """The text with each find replaced by a word in brackets; masking again changes nothing. JSON stays JSON."""
    if "\\" in text and may_hold(text):
        text = _LITERAL.sub(_within, text)
    while found := _apart(_all(_plain(text))):
        text = _replaced(text, found)
    return text


def _replaced(text: str, found: Sequence[Found]) -> str:
    parts, last = [], 0
    for start, end, word in found:
        parts += [text[last:start], word]
        last = end
    return "".join([*parts, text[last:]])


def without_addresses(text: str) -> str:
    """The text with each e-mail address replaced, for one that can hold nothing else; see :mod:`afterpilot.pull.screen`."""
    if "\\" in text:  # JSON, perhaps
        return masked(text)
    while found := _apart(_addresses(text)):
        text = _replaced(text, found)
    return text


def _within(literal: re.Match[str]) -> str:
    """A text within JSON, masked as what it says: the ``n`` of a newline's escape is no part of the address after it."""
    written, ended = literal.groups()
    if "\\" not in written:
        return literal[0]
    try:
        said = json.loads(f'"{written}"', strict=False)
    except ValueError:
        return literal[0]
    if (kept := masked(said)) == said:
        return literal[0]
    # What only an escape can say, half a pair of surrogates, stays one.
    again = json.dumps(kept, ensure_ascii=written.isascii() or "\\ud" in written.lower())
    return again if ended else again[:-1]


def _plain(text: str) -> str:
    """The text with blanks, hyphens and the like of other kinds as those of a keyboard; everything stays in its place."""
    if not text.isascii() and _ALIKE.search(text):
        for signs, plain in _PLAIN:
            text = signs.sub(plain, text)
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
        for pattern in (_IBAN, _SMALL_IBAN):
            for match in pattern.finditer(text, max(0, start - _IBAN_BEGINS), end + _IBAN_LONGEST):
                if length := _iban_length(match[0]):
                    yield Found(match.start(), match.start() + length, "[account]")
    if digits >= _CARD_DIGITS:
        for match in _CARD.finditer(text, start, end + 2):
            if _is_card(match[0]):
                yield Found(match.start(), match.end(), "[card]")
    word = last_word(before)
    yield from (Found(*place, "[phone]") for place in phones.numbers(text, run, before, word))
    if not _is_plain(text, run):
        yield from _shaped(text, run)
    named = word in national_ids.LAST_WORDS and national_ids.is_named(before) and not DATED.match(run[0])
    if named and (length := national_ids.length(run[0])):
        yield Found(start, start + length, national_ids.WORD)


def _is_plain(text: str, run: re.Match[str]) -> bool:
    """Digits in one piece, or a date, without a letter beside them: no number with a shape of its own."""
    beside = f"{text[run.start() - 1 : run.start()]}{text[run.end() : run.end() + 2].strip(' -')[:1]}"
    return (run[0].isdigit() or DATE.fullmatch(run[0]) is not None) and not any(sign.isalpha() for sign in beside)


def _shaped(text: str, run: re.Match[str]) -> Iterator[Found]:
    start, end = max(0, run.start() - national_ids.BEFORE), run.end() + national_ids.AFTER
    for place in national_ids.shaped(text, start, end):
        yield Found(*place, national_ids.WORD)


def _iban_length(text: str) -> int:
    """How many characters of the text are an IBAN (ISO 13616: a country's, of its length, remainder 1 of 97); 0 for none.

    Words in capitals may follow it, so shorter ends at a blank are tried too.
    """
    for end in [len(text), *blanks(text)]:
        plain = _NO_SIGN.sub("", text[:end]).upper()
        if _IBAN_SHORTEST <= len(plain) <= _IBAN_LONGEST and _is_iban(plain):
            return end
    return 0


def _is_card(text: str) -> bool:
    """Whether the digits are those of a known card brand with a valid check digit (Luhn, ISO/IEC 7812)."""
    digits = "".join(str(int(sign)) for sign in text if sign.isdigit())
    return _BRAND.fullmatch(digits) is not None and _is_luhn(digits)


def _is_iban(plain: str) -> bool:
    from stdnum import iban

    return bool(iban.is_valid(plain, check_country=False))


def _is_luhn(digits: str) -> bool:
    from stdnum import luhn

    return bool(luhn.is_valid(digits))

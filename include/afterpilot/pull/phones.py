"""Phone numbers in a text: with a country's code, with an area's code in brackets, or after a word that names them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from afterpilot.pull import national_ids
from afterpilot.pull.digits import DATED, blanks

LABEL = (
    r"(?:(?:tele|smart)?phone|tel|t[eé]l|telefon|handy|mobil)(?:[ _]?(?:no|nr|number|nummer))?|mobile|mob|cell|fax|whatsapp"
    r"|t[eé]l[eé]phone|tel[eé]fono|telefone|telefono"
)
_LABEL = re.compile(rf"(?i)(?<![^\W_])(?:{LABEL})\.?(?:[ _]?(?:no|nr|number)(?![^\W_])\.?)?{national_ids.SAYS}[+(]?\Z")
_WORDS = (
    "phone", "tel", "tél", "mobile", "mob", "cell", "fax", "telefon", "mobil", "handy", "whatsapp", "téléphone", "teléfono",
    "telefone", "telefono", "telefonnummer", "handynummer", "mobilnummer", "phonenumber", "phoneno",
)  # fmt: skip
_INTERNATIONAL = re.compile(
    r"(?<![\w+])\+(?!\d{4}-\d\d-\d\d)(?!\d+[.,]\d{1,2}(?!\d))[1-9](?:[ ()./-]{0,3}\d){6,14}(?!\d)"
)
# A number of something else may begin with zeros: what is dialled has a sign behind the country's code, and is one in use.
_DIALLED = re.compile(r"(?<![\w+.,-])00[1-9]\d{0,2}[ ()./-]{1,3}\d(?:[ ()./-]{0,3}\d){4,13}(?!\d)")
_ROUND = re.compile(r"\+\d{1,3}(?:([ .])\d{3})(?:\1\d{3})*(?<=000)")  # an amount in thousands, as +12 500 000
_AREA_CODE = re.compile(r"(?<![\w)])\((?!(?:19|20)\d\d\))0?\d{2,4}\) ?\d{3,4}[ .-]?\d{3,5}(?![\w])")
_LABELLED = re.compile(r"[+(]?(?:[ ()./-]{0,3}\+?\d){6,15}(?!\d)")
_NEXT = re.compile(r"(?i) ?(?:[,;/|&]| (?:or|and|oder|und|ou|et|o|y|e)(?= )) ?(?=[+(\d])")
_PRICED = re.compile(r"\d+[.,]\d{1,2}(?!\d)")
_OPENING = ("+", "(")
_FEWEST = 8  # digits of a number that is followed by others, as in a table
_CELL = re.compile(r"(?i)\bcell[. ]*\Z")  # of a table, too
_IN_A_TABLE = re.compile(r"[1-9]\d{5,8}(?!\d)")


def numbers(text: str, run: re.Match[str], before: str, word: str) -> Iterator[tuple[int, int]]:
    """Where the run of digits, ``before`` which this stands and whose last word is that, is a phone number, or several."""
    start, end = run.span()
    for match in _INTERNATIONAL.finditer(text, max(0, start - 1), end + 1) if "+" in before[-1:] else ():
        if length := _length(match[0]):
            yield match.start(), match.start() + length
    for match in _DIALLED.finditer(text, start, end + 1) if "00" in run[0] else ():
        if length := _length(f"+{match[0][2:]}", in_use=True):
            yield match.start(), match.start() + length + 1
    for match in _AREA_CODE.finditer(text, max(0, start - 1), end + 1) if "(" in f"{before[-1:]}{run[0]}" else ():
        yield match.span()
    if word.endswith(_WORDS) and not DATED.match(run[0]) and (label := _LABEL.search(before)):
        if _CELL.search(before) and _IN_A_TABLE.fullmatch(run[0]):
            return
        yield from _labelled(text, start - (before[label.end() - 1 :] in _OPENING))


def _labelled(text: str, begin: int) -> Iterator[tuple[int, int]]:
    """The numbers from here on, as a label names several: by a comma, a slash or an ``or`` apart."""
    while number := _LABELLED.match(text, begin):
        end = begin + _first_of(number[0])
        yield begin, end
        following = _NEXT.match(text, end)
        if following is None:
            return
        begin = following.end()
        if DATED.match(text, begin) or _PRICED.match(text, begin):
            return


def _first_of(number: str) -> int:
    """How many characters belong to the first number, where a slash with blanks stands between it and another."""
    slash = number.find(" / ")
    return slash if slash > 0 and sum(map(str.isdigit, number[:slash])) >= _FEWEST else len(number)


def _length(text: str, *, in_use: bool = False) -> int:
    """How many characters of the text are a number of a length that some country's numbering plan has; 0 for none.

    Other numbers may follow it, so shorter ends at a blank are tried too. ``in_use`` asks for a number out of a range that
    its country has given out.
    """
    import phonenumbers  # a tenth of a second

    for end in [len(text), *blanks(text)]:
        if end < len(text) and sum(map(str.isdigit, text[:end])) < _FEWEST:
            break
        try:
            number = phonenumbers.parse(text[:end], None)
        except phonenumbers.NumberParseException:
            continue
        if in_use or _ROUND.fullmatch(text, 0, end):
            fits = phonenumbers.is_valid_number(number)
        else:
            fits = phonenumbers.is_possible_number(number)
        if fits:
            return end
    return 0

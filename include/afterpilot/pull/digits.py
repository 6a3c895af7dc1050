"""What stands in and before a run of digits: dates, blanks, and the word that may name it."""

from __future__ import annotations

import re
from collections.abc import Iterator

DATE = re.compile(r"(?:19|20)\d\d-[01]\d-[0-3]\d")
DATED = re.compile(rf"{DATE.pattern}(?!\d)")
_NUMBER_WORDS = frozenset({"no", "nr", "number", "no.", "nr.", "is"})
_SPACES = str.maketrans(dict.fromkeys(":\"'=_{[,", " "))


def last_word(before: str) -> str:
    """The word that may name what follows, in small letters; a ``number`` or ``no.`` after it is left out."""
    words = before.lower().translate(_SPACES).rstrip(" .#(+\t\r\n").split()
    while len(words) > 1 and words[-1] in _NUMBER_WORDS:
        del words[-1]
    return words[-1].rstrip(".") if words else ""


def blanks(text: str) -> Iterator[int]:
    """Where the blanks of the text are, the last one first."""
    return (place for place in range(len(text) - 1, 0, -1) if text[place] == " ")

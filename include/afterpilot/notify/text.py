"""Text that came as data, made fit to be shown: nothing invisible, nothing that is read as markup, no longer than allowed."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_LONGEST = 20_000  # characters of one text that are looked at; no limit of Slack is near it
_JOINERS = {"\u200c", "\u200d"}  # Persian words and composed emoji need them; they can hide nothing
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPES = str.maketrans(_ENTITIES)


def clean(text: str) -> str:
    """The text without control characters, marks that turn the direction of writing, and other invisible ones.

    Line breaks stay; lone halves of surrogate pairs become U+FFFD. At most the first 20,000 characters. A text in which
    nothing can be seen becomes empty.
    """
    given = text[:_LONGEST]
    if not given.isprintable():  # printable is what is no control, format, surrogate or separator but the blank
        given = "".join(map(_shown, given.replace("\r\n", "\n")))
    shown = given.strip()
    return shown if any(unicodedata.category(sign)[0] not in "CMZ" for sign in shown) else ""


def one_line(text: str) -> str:
    """The clean text with every run of white space as one blank."""
    return " ".join(clean(text).split())


def escaped(text: str) -> str:
    """The text with the three characters that open Slack's markup (mentions, links, entities) as entities."""
    return text.translate(_ESCAPES)


def size(text: str) -> int:
    """Length in UTF-16 units, the larger way to count."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def fitted(text: str, limit: int, *, tail: str = ELLIPSIS) -> str:
    """The text escaped, and cut so that it is at most ``limit`` units long after that; a cut one ends in ``tail``."""
    safe = escaped(text)
    if size(safe) <= limit:
        return safe
    room = limit - size(tail)
    kept: list[str] = []
    for sign in text:
        piece = _ENTITIES.get(sign, sign)
        room -= size(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + tail


def _shown(sign: str) -> str:
    if sign == "\n" or sign in _JOINERS:
        return sign
    if sign in "\t\v\f\r":
        return " "
    category = unicodedata.category(sign)
    if category in {"Zl", "Zp"}:
        return "\n"
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    return "" if category in {"Cc", "Cf"} else sign

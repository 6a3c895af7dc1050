"""Two answers side by side: JSON by its fields, anything else by its lines, and in both the very words that differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from afterpilot.web.text import visible

MOST_LINES = 400
LONGEST_LINE = 6_000  # characters; what is longer is cut, and said to be
_MOST_WORDS = 1_200  # in one line: beyond it the whole line is marked, since matching takes the square of it
_ISLAND = 5  # characters
_WORD = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line, and whether the other side has another one in its place."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A line of each side; None where that side has no such line."""

    left: tuple[Piece, ...] | None
    right: tuple[Piece, ...] | None
    same: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """Lines in pairs. ``json`` says that both were JSON; ``more`` lines are not shown."""

    pairs: tuple[Pair, ...]
    json: bool
    same: bool
    more: int = 0


def diff(before: str, after: str) -> Diff:
    """What differs between two texts."""
    old, new = _pretty(before), _pretty(after)
    both = old is not None and new is not None
    left = _lines(old if both and old is not None else before)
    right = _lines(new if both and new is not None else after)
    shown_left, shown_right = left[:MOST_LINES], right[:MOST_LINES]
    pairs = tuple(_pairs(shown_left, shown_right))
    more = max(len(left), len(right)) - MOST_LINES
    return Diff(pairs, json=both, same=left == right, more=max(0, more))


def _pretty(text: str) -> str | None:
    """A JSON object or list with a line for each field, its keys in order; None for anything else."""
    try:
        value = json.loads(text)
        return (
            json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else None
        )
    except (ValueError, RecursionError):
        return None


def _lines(text: str) -> list[str]:
    lines = visible(text).split("\n")
    return [line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in lines]


def _pairs(left: Sequence[str], right: Sequence[str]) -> Iterator[Pair]:
    for word, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if word == "equal":
            for line in left[a:b]:
                yield Pair((Piece(line),), (Piece(line),), same=True)
            continue
        paired = min(b - a, d - c)
        for old, new in zip(left[a : a + paired], right[c : c + paired], strict=True):
            yield Pair(*_words(old, new), same=False)
        for old in left[a + paired : b]:
            yield Pair((Piece(old, changed=True),), None, same=False)
        for new in right[c + paired : d]:
            yield Pair(None, (Piece(new, changed=True),), same=False)


def _words(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lines, with the words that differ marked."""
    left, right = _WORD.findall(old), _WORD.findall(new)
    if max(len(left), len(right)) > _MOST_WORDS:
        return (Piece(old, changed=True),), (Piece(new, changed=True),)
    one: list[Piece] = []
    other: list[Piece] = []
    codes = SequenceMatcher(None, left, right).get_opcodes()
    for place, (word, a, b, c, d) in enumerate(codes):
        # A lone short word that both happen to have, between two changes, makes them harder to read.
        island = 0 < place < len(codes) - 1 and len("".join(left[a:b]).strip()) < _ISLAND
        changed = word != "equal" or island
        _add(one, "".join(left[a:b]), changed=changed)
        _add(other, "".join(right[c:d]), changed=changed)
    return tuple(one), tuple(other)


def _add(pieces: list[Piece], text: str, *, changed: bool) -> None:
    if not text:
        return
    if pieces and pieces[-1].changed == changed:
        text = pieces.pop().text + text
    pieces.append(Piece(text, changed))

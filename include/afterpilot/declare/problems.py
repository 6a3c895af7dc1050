"""Flaws: what is wrong with a part of a file, before file and line are known; and the words for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from afterpilot.declare.secrecy import HIDDEN, looks_secret

Path = tuple[str | int, ...]

EMPTY = "is empty"
SHOWN_CHARACTERS = 60
LISTED_OPTIONS = 12


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong at a place in a document. ``line`` is set where the path does not tell it."""

    path: Path
    text: str
    hint: str = ""
    line: int = 0


def dotted(path: Path) -> str:
    """A path as people write it: ``outputs[2].column``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return show_text(text)


def show_text(text: str) -> str:
    """A text from a declaration as it may stand in a message: on one line, short, never a secret."""
    if looks_secret(text):
        return HIDDEN
    flat = " ".join(text.split())
    printable = "".join(character if character.isprintable() else "?" for character in flat)
    return printable if len(printable) <= SHOWN_CHARACTERS else printable[: SHOWN_CHARACTERS - 1] + "…"


def describe(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    """A value in words: ``'abc'``, ``the number 5``, ``a list``."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"'{show_text(value)}'" if value else "an empty text"
    return "a mapping" if isinstance(value, dict) else "a list"


def nearest(word: str, options: Iterable[str]) -> str:
    """The option that the word was probably meant to be, or empty."""
    by_folded = {option.casefold(): option for option in options}
    found = difflib.get_close_matches(word.casefold()[:100], by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def choices(word: str, options: Sequence[str]) -> str:
    """A hint with the nearest option and, where they are not too many, all of them."""
    meant = nearest(word, options)
    parts = [f"did you mean '{show_text(meant)}'?"] if meant else []
    if not options:
        parts.append("there is none")
    elif len(options) <= LISTED_OPTIONS:
        parts.append("accepted: " + ", ".join(show_text(option) for option in options))
    else:
        parts.append("docs/reference/declaration.md lists them")
    return " ".join(parts)

"""Cron expressions of five fields, as Airflow reads them."""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"^(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,3}))?$")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


def cron_error(expression: str) -> str:
    """What is wrong with a cron expression, as a clause; empty where nothing is."""
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} fields instead of 5"
    for text, (name, low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in text.lower().split(","):
            if not _is_part(part, low, high, words):
                return f"has {text!r} as its {name}, which takes {low} to {high}"
    return ""


def _is_part(part: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    match = _PART.match(part)
    if not match:
        return False
    star, first, last, step = match.groups()
    if step is not None and int(step) == 0:
        return False
    if star:
        return True
    start = _number(first, low, words)
    end = start if last is None else _number(last, low, words)
    return start is not None and end is not None and low <= start <= end <= high


def _number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    if text in words:
        return words.index(text) + low
    return int(text) if text.isascii() and text.isdigit() else None

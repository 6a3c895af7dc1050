"""Cron expressions of five fields, as Airflow reads them."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MOST_DAYS = 31
_FIRST, _CYCLE = date(2025, 1, 1), 28 * 365 + 7  # days
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


@functools.lru_cache(maxsize=256)
def days_a_year(expression: str) -> float:
    """On how many days of a year a cron expression falls due, 0 to 365.25: the mean over 28 years, after which weekdays repeat.

    As Airflow reads it, the day of the month or of the week suffices where both are given: a field that leaves out no day is not
    given where the other one has a star.

    Raises:
        ValueError: it is no cron expression.
    """
    if error := cron_error(expression):
        raise ValueError(f"{expression!r} {error}")
    return len(_due_days(expression)) * 365.25 / _CYCLE


@functools.lru_cache(maxsize=256)
def most_days_between(expression: str) -> int | None:
    """The longest wait of a cron expression, in days from one day on which it falls due to the next, within 28 years; None where
    it falls due on less than two.

    Raises:
        ValueError: it is no cron expression.
    """
    if error := cron_error(expression):
        raise ValueError(f"{expression!r} {error}")
    due = _due_days(expression)
    return max((later - day for day, later in itertools.pairwise(due)), default=None)


def due_before(expression: str, moment: datetime) -> Iterator[datetime]:
    """When a cron expression fell due, in UTC, newest first: from the moment itself back over 28 years.

    Raises:
        ValueError: it is no cron expression.
    """
    if error := cron_error(expression):
        raise ValueError(f"{expression!r} {error}")
    days, hours, minutes = _Days(expression), *_times(expression)
    last = moment.astimezone(UTC)
    for back in range(_CYCLE):
        day = last.date() - timedelta(back)
        if day not in days:
            continue
        for hour, minute in itertools.product(hours, minutes):
            due = datetime.combine(day, time(hour, minute), UTC)
            if due <= last:
                yield due


def due_after(expression: str, moment: datetime) -> Iterator[datetime]:
    """When a cron expression falls due, in UTC, soonest first: after the moment, within 28 years.

    Raises:
        ValueError: it is no cron expression.
    """
    if error := cron_error(expression):
        raise ValueError(f"{expression!r} {error}")
    days, (hours, minutes) = _Days(expression), _times(expression)
    first = moment.astimezone(UTC)
    for ahead in range(_CYCLE):
        day = first.date() + timedelta(ahead)
        if day not in days:
            continue
        for hour, minute in itertools.product(reversed(hours), reversed(minutes)):
            due = datetime.combine(day, time(hour, minute), UTC)
            if due > first:
                yield due


def _times(expression: str) -> tuple[list[int], list[int]]:
    """The hours and the minutes of an expression without a flaw, latest first."""
    minute, hour = expression.lower().split()[:2]
    return sorted(_values(hour, _FIELDS[1]), reverse=True), sorted(_values(minute, _FIELDS[0]), reverse=True)


def _due_days(expression: str) -> list[int]:
    """The days of 28 years, from 0, on which an expression without a flaw falls due."""
    days = _Days(expression)
    return [number for number in range(_CYCLE) if _FIRST + timedelta(number) in days]


class _Days:
    """The days on which an expression without a flaw falls due."""

    def __init__(self, expression: str) -> None:
        texts = expression.lower().split()[2:]
        self._days, self._months, weekdays = (
            _values(text, field) for text, field in zip(texts, _FIELDS[2:], strict=True)
        )
        self._weekdays = {day % 7 for day in weekdays}
        free = (
            (len(self._days) == _MOST_DAYS and "*" in texts[2]),
            (len(self._weekdays) == len(_DAYS) and "*" in texts[0]),
        )
        self._either = "*" not in {texts[0], texts[2]} and not any(free)

    def __contains__(self, day: date) -> bool:
        if day.month not in self._months:
            return False
        found = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        return any(found) if self._either else all(found)


def _values(text: str, field: tuple[str, int, int, tuple[str, ...]]) -> set[int]:
    """The numbers that a field of an expression without a flaw stands for; Sunday may be 0 or 7."""
    _, low, high, words = field
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.match(part)
        if match is None:  # pragma: no cover - the expression has no flaw
            continue
        star, first, last, step = match.groups()
        start = low if star else _number(first, low, words) or 0
        end = _number(last, low, words) if last is not None else None
        if end is None:
            end = high if star or step else start
        if words is _DAYS and (star or (step and last is None)):
            end = min(end, len(_DAYS) - 1)  # 7 is Sunday once more
        found |= set(range(start, end + 1, int(step or 1)))
    return found


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

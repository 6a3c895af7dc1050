"""Which month a page of spend is about, and which ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from afterpilot.web.filters import Asked
from afterpilot.web.spend.days import Month

_MOST = 36  # in the list; older ones can be asked for by their address


@dataclass(frozen=True, slots=True)
class Picked:
    """The month of a page: ``chosen`` as 2026-11, the ``choices``, and its neighbours, empty where there is none."""

    first: date
    choices: Sequence[str]
    earlier: str
    later: str

    @property
    def chosen(self) -> str:
        """As in addresses."""
        return f"{self.first:%Y-%m}"

    @property
    def last(self) -> date:
        """Its last day."""
        return following(self.first) - timedelta(days=1)

    @property
    def axis(self) -> Month:
        """For charts."""
        return Month(self.first, self.last)

    def holds(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.first <= day <= self.last


def picked(asked: Asked, known: tuple[date, date] | None, today: date) -> Picked:
    """The month asked for, else that of today. ``known`` are the first and the last day with calls."""
    first = _asked(asked) or today.replace(day=1)
    start, end = known or (today, today)
    oldest, newest = start.replace(day=1), max(end, today).replace(day=1)
    choices: list[str] = []
    month = newest
    while month >= oldest and len(choices) < _MOST:
        choices.append(f"{month:%Y-%m}")
        month = preceding(month)
    if f"{first:%Y-%m}" not in choices:
        choices.append(f"{first:%Y-%m}")
    return Picked(
        first,
        choices,
        earlier=f"{preceding(first):%Y-%m}" if first > oldest else "",
        later=f"{following(first):%Y-%m}" if first < newest else "",
    )


def following(month: date) -> date:
    """The first day of the month after."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def preceding(month: date) -> date:
    """The first day of the month before."""
    return (month.replace(day=1) - timedelta(days=1)).replace(day=1)


def _asked(asked: Asked) -> date | None:
    text = asked.text("month")
    if not text:
        return None
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        found = None
    if found is None or not date(1970, 2, 1) <= found <= date(9000, 1, 1):
        asked.problems.append(f"month: {text[:60]!r} is not a month such as 2026-11")
        return None
    return found

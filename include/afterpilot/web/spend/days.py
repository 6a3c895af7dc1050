"""The shapes of a chart of days, and what is known of each day.

Places from left to right are in percent of the panel, heights in pixels; lines are drawn in a box of 1,000 units that is
stretched to the panel (as in :mod:`afterpilot.web.evals.shapes`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from afterpilot.web.evals.standing import short_day

LEFT, WIDE = 1.0, 98.0  # percent
_NAMED_DAYS = (1, 8, 15, 22, 29)


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a bar. ``kind`` is its look: the number of a series, or ``unknown``."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line, a path or a word of a chart."""

    kind: str
    x: float = 0.0
    y: float = 0.0
    text: str = ""
    d: str = ""
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Legend:
    """A series in the legend, with its sum."""

    kind: str
    name: str
    total: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The figures of a chart: for each day its sums by series, and what is not known."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], str], ...]


@dataclass(frozen=True, slots=True)
class DayChart:
    """A chart over the days of a month, and what it shows in words."""

    title: str
    words: str
    height: int
    rects: tuple[Rect, ...] = ()
    paths: tuple[Mark, ...] = ()
    lines: tuple[Mark, ...] = ()
    dots: tuple[Mark, ...] = ()
    ticks: tuple[Mark, ...] = ()
    days: tuple[Mark, ...] = ()
    legend: tuple[Legend, ...] = ()
    table: Table | None = None


@dataclass(slots=True)
class DaySum:
    """What is known of one day: costs by series, and calls whose cost is not known."""

    costs: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0

    def add(self, series: str, cost: Decimal | None, unpriced: int) -> None:
        """Add calls; a cost of None is that of calls without a price."""
        self.unpriced += unpriced
        if cost is not None:
            self.costs[series] = self.costs.get(series, Decimal(0)) + cost

    @property
    def whole(self) -> Decimal:
        """What is known."""
        return sum(self.costs.values(), Decimal(0))


@dataclass(frozen=True, slots=True)
class Month:
    """The axis of days."""

    first: date
    last: date

    @property
    def count(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    def left(self, on: date) -> float:
        """Where a day's place begins, in percent."""
        return LEFT + WIDE * (on - self.first).days / self.count

    def end(self, on: date) -> float:
        """Where it ends."""
        return LEFT + WIDE * ((on - self.first).days + 1) / self.count

    @property
    def names(self) -> tuple[Mark, ...]:
        """A few days to read the axis by."""
        days = [self.first.replace(day=number) for number in _NAMED_DAYS if number <= self.last.day]
        return tuple(
            Mark("day", round((self.left(on) + self.end(on)) / 2, 2), text=short_day(on), anchor="middle")
            for on in days
        )

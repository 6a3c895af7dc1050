"""The shapes of a chart, its axis of time, and its scales.

Places from left to right are in percent, heights in pixels. Lines are drawn in a box of 1,000 units that is stretched to the
width of the page; words and points are not, so that they stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from afterpilot.record.history.paging import Row
from afterpilot.web.evals.standing import short_day

POINTS = 120  # runs of which each can be pointed at; with more, only those of the pass rate can
_LEFT, _WIDE = 1.5, 97.0  # percent
_DAYS = 5
_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Shape:
    """Something drawn: its ``kind`` is its look; ``x`` and ``width`` in percent, ``y`` and ``y2`` in pixels, ``d`` a path."""

    kind: str
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    y2: float = 0.0
    d: str = ""
    text: str = ""
    title: str = ""
    run: Any = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and what it shows in words."""

    title: str
    words: str
    height: int
    paths: tuple[Shape, ...] = ()
    spans: tuple[Shape, ...] = ()
    lines: tuple[Shape, ...] = ()
    marks: tuple[Shape, ...] = ()
    dots: tuple[Shape, ...] = ()
    ticks: tuple[Shape, ...] = ()
    days: tuple[Shape, ...] = ()
    notes: tuple[Shape, ...] = ()  # words at the curve; their kind is the end at which they are held
    dense: bool = False


@dataclass(frozen=True, slots=True)
class Time:
    """The axis of time that all charts of a page share."""

    first: datetime
    last: datetime

    def x(self, at: datetime) -> float:
        """The place of a moment, in percent."""
        whole = (self.last - self.first).total_seconds()
        return round(_LEFT + _WIDE * ((at - self.first).total_seconds() / whole if whole > 0 else 0.5), 2)

    @property
    def days(self) -> tuple[Shape, ...]:
        """A few days to read the axis by."""
        if self.last == self.first:
            return (Shape("middle", 50, text=short_day(self.first)),)
        step = (self.last - self.first) / (_DAYS - 1)
        days = max(1, round(step / timedelta(days=1)))
        found: list[datetime] = []
        at = self.last
        while at >= self.first and len(found) < _DAYS:
            found.append(at)
            at -= timedelta(days=days)
        return tuple(Shape("end" if at == self.last else "middle", self.x(at), text=short_day(at)) for at in found)


def steps(floor: float) -> list[float]:
    """The lines to read a share by, from 1 down to the floor."""
    step = 0.1 if floor >= 0.5 else 0.25  # noqa: PLR2004 - half
    count = math.floor((1 - floor) / step + 1e-9)
    return [1 - step * n for n in range(count + 1)]


def linear(top: float) -> Callable[[float], float]:
    """The scale from 0 to ``top``."""
    return lambda value: value / top if top else 0.0


def logarithmic(low: float, top: float) -> Callable[[float], float]:
    """The scale of powers of ten from ``low`` to ``top``; what lies beyond stands at the end."""
    return lambda value: (math.log10(min(max(value, low), top)) - math.log10(low)) / (math.log10(top) - math.log10(low))


def ceiling(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999)


def short(value: float) -> str:
    """A figure with as many digits as say something."""
    if abs(value) >= _MILLION:
        return "over 1 million"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"  # noqa: PLR2004 - digits that say something


def stretches(values: Sequence[tuple[Row, Any]]) -> Iterator[list[tuple[Row, Any]]]:
    """Runs of neighbours that are known; what is unknown is a gap."""
    part: list[tuple[Row, Any]] = []
    for row, value in values:
        if value is None:
            if part:
                yield part
            part = []
        else:
            part.append((row, value))
    if part:
        yield part

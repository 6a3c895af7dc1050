"""When people are at work, in the time zone where they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Days (0 is Monday) and times of day in a time zone. Where ``end`` is not after ``start`` a span goes past midnight, into a
    day that need not be one of the days; where both are the same it lasts a whole day.
    """

    zone: str = "UTC"
    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    start: time = time(8)
    end: time = time(18)

    def hold(self, at: datetime) -> bool:
        """Whether the moment is within them."""
        return any(start <= at < end for start, end in self._spans(at.astimezone(ZoneInfo(self.zone)).date(), days=2))

    def after(self, at: datetime, length: timedelta) -> datetime:
        """The moment (UTC) at which people have been at work for that long since ``at``. There must be at least one day."""
        left, begun = length, at
        first = at.astimezone(ZoneInfo(self.zone)).date()
        while True:
            for start, end in self._spans(first, days=8):
                begun = max(begun, start)
                if begun >= end:
                    continue
                if left <= end - begun:
                    return begun.astimezone(UTC) + left
                left -= end - begun
                begun = end
            first += 7 * _DAY

    def next(self, at: datetime, moment: time) -> datetime:
        """The next time after ``at`` (UTC) when it is that time of day there, whichever day it is."""
        day = at.astimezone(ZoneInfo(self.zone)).date()
        found = (self._moment(day + more * _DAY, moment) for more in range(3))
        return next(one for one in found if one > at)

    def _spans(self, first: date, *, days: int) -> Iterator[tuple[datetime, datetime]]:
        """The spans (UTC) that begin on the day before the first one, or later, up to so many of them."""
        for day in (first + more * _DAY for more in range(-1, days - 1)):
            if day.weekday() in self.days:
                last = day if self.start < self.end else day + _DAY
                yield self._moment(day, self.start), self._moment(last, self.end, fold=1)

    def _moment(self, day: date, moment: time, *, fold: int = 0) -> datetime:
        """A time of a day in UTC. Of an hour that comes twice it is the first one; with ``fold`` the second."""
        return datetime.combine(day, moment.replace(fold=fold), ZoneInfo(self.zone)).astimezone(UTC)

"""The periods of caps: days, weeks and months of a place's calendar, and stretches of time that end now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from afterpilot.domain.money import Cap, Period
from afterpilot.domain.window import Window

QUARTER = timedelta(minutes=15)  # what calls are summed by
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Days:
    """Days of a calendar, half-open: from ``first`` to before ``until``."""

    first: date
    until: date

    @property
    def count(self) -> int:
        """How many."""
        return (self.until - self.first).days


def period_window(period: Period, moment: datetime, zone: str = "UTC") -> Window:
    """The day, ISO week (from Monday) or month of the zone's calendar that the moment lies in: half-open, in UTC.

    A day lasts 23 or 25 hours where the clocks change.

    Raises:
        ValueError: the period is a rolling one, which has no calendar.
    """
    days = period_days(period, moment, zone)
    return Window(midnight(days.first, zone), midnight(days.until, zone))


def period_before(period: Period, window: Window, zone: str = "UTC") -> Window:
    """The period that ends where this one begins."""
    return period_window(period, window.start - timedelta(microseconds=1), zone)


def period_days(period: Period, moment: datetime, zone: str = "UTC") -> Days:
    """The days of the period that the moment lies in, by their dates there. Raises ValueError as above."""
    day = local_day(moment, zone)
    if period == "day":
        return Days(day, day + _DAY)
    if period == "week":
        monday = day - timedelta(days=day.weekday())
        return Days(monday, monday + timedelta(days=7))
    if period == "month":
        first = day.replace(day=1)
        return Days(first, (first + timedelta(days=32)).replace(day=1))
    raise ValueError("a rolling cap has no calendar")


def cap_window(cap: Cap, moment: datetime, zone: str = "UTC") -> Window:
    """The period of a cap that the moment lies in; of a rolling one the stretch that ends with the moment's quarter of an hour."""
    if cap.length is None:
        return period_window(cap.period, moment, zone)
    end = quarter_after(moment)
    return Window(end - cap.length, end)


def local_day(moment: datetime, zone: str = "UTC") -> date:
    """The date there."""
    return moment.astimezone(ZoneInfo(zone)).date()


def midnight(day: date, zone: str = "UTC") -> datetime:
    """When a day begins there, in UTC: the first moment with that date, also where the clocks jump over midnight."""
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def quarter_after(moment: datetime) -> datetime:
    """The end of the moment's quarter of an hour, in UTC; a quarter's first moment belongs to it."""
    return moment.astimezone(UTC) - (moment - _EPOCH) % QUARTER + QUARTER

"""When things happen in the example's office: five days a week, by day, in UTC. Seeded, so that it can be repeated."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

OPENS = time(7, 30)
OPEN_HOURS = 10.0
SATURDAY = 5
_SMALLEST_WEEK, _LARGEST_WEEK = 190, 210
_MONDAY_TO_FRIDAY = (1.3, 1.1, 1.0, 0.9, 0.7)  # shares of a week's post: the weekend's pile comes on Monday


def monday(moment: datetime) -> date:
    """The Monday of the ISO week that holds the moment (UTC)."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


@lru_cache(maxsize=512)
def arrivals(seed: int, week: int) -> tuple[timedelta, ...]:
    """When the invoices of a week arrive, from its Monday 00:00 UTC, in order: 190 to 210 of them, at opening hours only."""
    rng = random.Random(f"{seed}/week/{week}")  # noqa: S311 - an example, not a secret
    days = rng.choices(range(SATURDAY), _MONDAY_TO_FRIDAY, k=rng.randint(_SMALLEST_WEEK, _LARGEST_WEEK))
    opening = timedelta(hours=OPENS.hour, minutes=OPENS.minute)
    # The mean of two draws has its peak at noon; whole seconds are precise enough.
    hours = (OPEN_HOURS * (rng.random() + rng.random()) / 2 for _ in days)
    return tuple(
        sorted(timedelta(days=day, seconds=round(h * 3600)) + opening for day, h in zip(days, hours, strict=True))
    )


@lru_cache(maxsize=512)
def first_ordinal(seed: int, week: int) -> int:
    """The ordinal of the first invoice of a week; weeks count from 0."""
    return 0 if week == 0 else first_ordinal(seed, week - 1) + len(arrivals(seed, week - 1))


def arrival(seed: int, ordinal: int) -> timedelta:
    """When the invoice of that ordinal arrives, counted from Monday 00:00 UTC of week 0."""
    week = ordinal // _LARGEST_WEEK
    while first_ordinal(seed, week + 1) <= ordinal:
        week += 1
    return timedelta(weeks=week) + arrivals(seed, week)[ordinal - first_ordinal(seed, week)]


def after_working(moment: datetime, hours: float) -> datetime:
    """The moment at which so many opening hours have passed since ``moment``; the clock stands still at night and weekends."""
    left = timedelta(hours=hours)
    while True:
        opening = datetime.combine(moment.date(), OPENS, tzinfo=UTC)
        closing = opening + timedelta(hours=OPEN_HOURS)
        begin = max(moment, opening)
        if moment.weekday() < SATURDAY and begin + left <= closing:
            return begin + left
        if moment.weekday() < SATURDAY and begin < closing:
            left -= closing - begin
        moment = datetime.combine(moment.date() + timedelta(days=1), time(0), tzinfo=UTC)

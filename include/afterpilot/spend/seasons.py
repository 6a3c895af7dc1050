"""The season of a week: how much dearer one weekday is than another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

LEAST_DAYS = 14  # before weekdays can be told apart
MOST_WEEKS = 8
_SHRINK = 0.25  # weeks' worth of "all weekdays are alike", so that one odd day is no season


def season(days: Mapping[date, float], *, until: date) -> tuple[float, ...]:
    """The weight of each weekday, Monday first; their mean is 1.

    From the spend of up to eight whole weeks before ``until``, each week by its own level, so that growth is no season. All are 1
    where fewer than two weeks are known, or nothing was spent.
    """
    if not days:
        return (1.0,) * 7
    known = (until - min(days)).days
    weeks = min(known // 7, MOST_WEEKS)
    sums, counted = [0.0] * 7, 0
    for week in range(weeks if known >= LEAST_DAYS else 0):
        dates = [until - timedelta(days=7 * week + at + 1) for at in range(7)]
        level = sum(days.get(day, 0.0) for day in dates) / 7
        if level > 0:
            counted += 1
            for day in dates:
                sums[day.weekday()] += days.get(day, 0.0) / level
    return tuple((one + _SHRINK) / (counted + _SHRINK) for one in sums) if counted else (1.0,) * 7

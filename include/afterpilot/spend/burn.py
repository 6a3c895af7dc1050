"""Burn rates: whether a cap is used up faster than it lasts, in several windows at once.

After the Google SRE Workbook, chapter 5 ("Alerting on SLOs", multiwindow, multi-burn-rate alerts), with money for errors. A burn
rate of 1 uses up a budget exactly in its period. For 30 days the workbook alerts at 14.4 over an hour (2 % of the budget), 6 over
six hours (5 %) and 1 over three days (10 %); each only while the last twelfth of the window burns as fast, so that an alert is
over soon after its reason. Windows of other periods are scaled, with the same shares of the budget.

Errors come by chance, money by the calendar: a nightly batch burns at many times its month's pace every night. So a window counts
only where it is dearer than such windows usually are, by the workflow's own last two weeks; and days are weighed by weekday.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median, pstdev

from afterpilot.spend.seasons import LEAST_DAYS, season

QUARTERS_A_DAY = 96
USUAL_DAYS = 14  # of history that say what is usual
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_MONTH = timedelta(days=30)
_FAST, _MEDIUM, _SLOW = (14.4, _HOUR), (6.0, timedelta(hours=6)), (1.0, timedelta(days=3))
_SHORT = 12  # part of a window that must burn too
_DEARER = 1.5  # than usual, of a window within a day: an ordinary busy hour is not that
_DEARER_DAYS = 0.25  # more than usual, of whole days
_CHANCE = 4.0  # standard deviations of such a sum
_RARE = 0.3  # weight of a weekday on which so little happens that it tells nothing of the others
_LEAST_LEAK = timedelta(days=14)
_ENOUGH_DAYS = 8  # with spend, before the dearest one of the two weeks may be an exception
_WEEKS = 4
_WEEK = 7
_MOST = 0.5  # of the cap


@dataclass(frozen=True, slots=True)
class Alert:
    """A window, its last part, and how many times the cap's pace is too fast in both."""

    window: timedelta
    short: timedelta
    factor: float


@dataclass(frozen=True, slots=True)
class Hot:
    """A window in which a cap burns too fast. ``usual`` is None where nobody knows what is usual."""

    window: timedelta
    factor: float
    rate: float
    spent: float
    usual: float | None = None


def alerts(length: timedelta) -> tuple[Alert, ...]:
    """The windows within a day for a cap over a period of this length, fastest first.

    A window is scaled with the period, from an hour up to the workbook's own. Where it reaches its bound the factor keeps the
    share of the budget (longer periods) or stays (shorter ones). A window that would use up half of the cap tells nothing that
    the cap's own levels do not, and is left out.
    """
    found: dict[timedelta, Alert] = {}
    for factor, window in (_FAST, _MEDIUM):
        scaled = _quarters(min(max(window * (length / _MONTH), _HOUR), window))
        wanted = factor * max(length / _MONTH, 1.0)
        if wanted * (scaled / length) <= _MOST:
            found[scaled] = Alert(scaled, max(_quarters(scaled / _SHORT), _QUARTER), wanted)
    return tuple(found.values())


def hot(
    quarters: Mapping[int, float], *, limit: float, length: timedelta, end: int, told: bool = False
) -> tuple[Hot, ...]:
    """Where a cap of ``limit`` over ``length`` burns too fast, whether that is usual or not.

    ``quarters`` holds the spend by quarter of an hour, counted from the epoch; ``end`` is the one after the newest, which may not
    be complete. The last part of a window is looked at with the newest quarter and without it; where somebody was ``told`` already
    it is the last hour, so that a loop with pauses is one alarm.
    """
    found = []
    for alert in alerts(length):
        part = min(alert.window, _HOUR) if told else alert.short
        count, short = (span // _QUARTER for span in (alert.window, part))
        spent = _sum(quarters, end - count, end)
        allowed = limit * (alert.window / length)
        last = max(_sum(quarters, end - short, end), _sum(quarters, end - 1 - short, end - 1))
        if spent >= alert.factor * allowed and last >= alert.factor * limit * (part / length):
            found.append(Hot(alert.window, alert.factor, spent / allowed, spent))
    return tuple(found)


def usual(quarters: Mapping[int, float], *, window: timedelta, end: int) -> float | None:
    """What the dearest window of this length costs on a day of the two weeks before ``end`` (a quarter): the second dearest
    day's, or the dearest one's of a few. None where there was no spend at all.
    """
    count = window // _QUARTER
    first = end - USUAL_DAYS * QUARTERS_A_DAY
    dearest = sorted(
        (_dearest(quarters, start, start + QUARTERS_A_DAY, count) for start in range(first, end, QUARTERS_A_DAY)),
        reverse=True,
    )
    with_spend = sum(1 for one in dearest if one > 0)
    if not with_spend:
        return None
    return dearest[1] if with_spend >= _ENOUGH_DAYS else dearest[0]


def unusual(found: Hot, before: float | None) -> Hot | None:
    """The window, with what is usual; None where it is not dearer than that."""
    if before is not None and found.spent < _DEARER * before:
        return None
    return Hot(found.window, found.factor, found.rate, found.spent, before)


def leak(days: Mapping[date, float], *, limit: float, length: timedelta, today: date, told: bool = False) -> Hot | None:
    """Whether the last three whole days use up the cap faster than it lasts, the newest among them, and are dearer than the same
    weekdays of four weeks by more than chance.

    The budget of a day is the cap's, weighed by weekday (:func:`afterpilot.spend.seasons.season`). Where less than two weeks are
    known it takes a whole week, which has no weekdays to weigh. None for caps over less than two weeks, of which three days are
    too large a part: their levels and their forecast tell as much. Where somebody was ``told`` already the pace alone counts.
    """
    known = (today - min(days)).days if days else 0
    if length < _LEAST_LEAK or known < _WEEK:
        return None
    weighed = known >= _SLOW[1] // _DAY + LEAST_DAYS
    last = [today - (at + 1) * _DAY for at in range(_SLOW[1] // _DAY if weighed else _WEEK)]
    weights = season(days, until=last[-1]) if weighed else (1.0,) * _WEEK
    wanted = _SLOW[0] * max(length / _MONTH, 1.0)
    spent, newest = sum(days.get(day, 0.0) for day in last), days.get(last[0], 0.0)
    allowed, allowed_newest = (limit * (_DAY / length) * _weight(part, weights) for part in (last, last[:1]))
    before = _usual_days(days, last)
    if not spent or spent < wanted * allowed:
        return None
    if told:
        return Hot(len(last) * _DAY, wanted, spent / allowed, spent, before)
    if newest < wanted * allowed_newest:
        return None
    squares = sum(weights[day.weekday()] ** 2 for day in last)  # of a window with a weekend one day counts, not three
    chance = _CHANCE * _scatter(days, weights, until=last[-1]) * math.sqrt(squares) / _weight(last, weights)
    if before is not None and spent < (1 + max(_DEARER_DAYS, chance)) * before:
        return None
    return Hot(len(last) * _DAY, wanted, spent / allowed, spent, before)


def _usual_days(days: Mapping[date, float], last: Sequence[date]) -> float | None:
    """The median of the same weekdays' sums in each of the four weeks before, as far as they are known; None for fewer than two."""
    first = min(days)
    weeks = [[day - timedelta(weeks=back) for day in last] for back in range(1, _WEEKS + 1)]
    sums = [sum(days.get(day, 0.0) for day in week) for week in weeks if min(week) >= first]
    return median(sums) if len(sums) > 1 else None


def _scatter(days: Mapping[date, float], weights: Sequence[float], *, until: date) -> float:
    """By how much a day differs from what its weekday costs: the standard deviation over the mean, of up to four weeks."""
    first = max(min(days), until - timedelta(weeks=_WEEKS))
    dates = [first + at * _DAY for at in range((until - first).days)]
    plain = [days.get(day, 0.0) / weights[day.weekday()] for day in dates if weights[day.weekday()] > _RARE]
    level = fmean(plain) if plain else 0.0
    return pstdev(plain) / level if level else 0.0


def _weight(days: Sequence[date], weights: Sequence[float]) -> float:
    return sum(weights[day.weekday()] for day in days)


def _sum(quarters: Mapping[int, float], start: int, end: int) -> float:
    return sum(quarters.get(at, 0.0) for at in range(start, end))


def _dearest(quarters: Mapping[int, float], start: int, end: int, count: int) -> float:
    """The dearest stretch of so many quarters that begins within these, all of it before ``end``."""
    running = best = _sum(quarters, start, start + count)
    for at in range(start + count, end):
        running += quarters.get(at, 0.0) - quarters.get(at - count, 0.0)
        best = max(best, running)
    return best


def _quarters(span: timedelta) -> timedelta:
    return max(round(span / _QUARTER), 1) * _QUARTER

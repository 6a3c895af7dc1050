"""Burn rates on made-up spend: runaways within minutes of data, leaks within days, few false alarms."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.spend.burn import Hot, alerts, hot, leak, unusual, usual
from doubles import spending

DAY = timedelta(days=1)
MONTH = 30 * DAY
HOUR = timedelta(hours=1)
CAP = 100.0
SPENT = 70.0  # a month, of a workflow that keeps its cap
PACE = CAP / 30 / spending.QUARTERS  # what uses up the cap in a month, in a quarter of an hour
QUARTER = timedelta(minutes=15)


def firing(quarters: Mapping[int, float], end: int, *, limit: float = CAP, length: timedelta = MONTH) -> list[Hot]:
    """The windows that are told at this time: too fast, and not what is usual."""
    found = []
    for one in hot(quarters, limit=limit, length=length, end=end):
        before = usual(quarters, window=one.window, end=end - one.window // QUARTER)
        if (told := unusual(one, before)) is not None:
            found.append(told)
    return found


@pytest.mark.parametrize(
    ("length", "windows"),
    [
        (MONTH, [(1, 14.4), (6, 6.0)]),
        (7 * DAY, [(1, 14.4), (1.5, 6.0)]),
        (DAY, [(1, 6.0)]),
        (6 * HOUR, []),
        (60 * DAY, [(1, 28.8), (6, 12.0)]),
    ],
)
def test_the_windows_are_the_workbooks_scaled(length: timedelta, windows: list[tuple[float, float]]) -> None:
    """14.4 over an hour and 6 over six hours of 30 days; none that would take half of the cap before it tells."""
    assert [(one.window / HOUR, one.factor) for one in alerts(length)] == windows
    assert all(one.short >= QUARTER for one in alerts(length))


@given(st.integers(6, 366 * 24).map(lambda hours: timedelta(hours=hours)))
def test_every_window_tells_before_half_of_the_cap_is_gone(length: timedelta) -> None:
    """And is longer than the part of it that must burn too."""
    for one in alerts(length):
        assert one.factor * (one.window / length) <= 0.5
        assert QUARTER <= one.short < one.window


def test_what_burns_just_too_fast_is_hot_and_just_below_is_not() -> None:
    """The rate is what was spent over what the cap allows in the window."""
    for pace, told in ((14.5, [HOUR]), (14.3, [])):
        quarters = dict.fromkeys(range(1000 - 4, 1000), pace * PACE)
        found = hot(quarters, limit=CAP, length=MONTH, end=1000)
        assert [one.window for one in found] == told
        assert all(one.rate == pytest.approx(pace) for one in found)


def test_a_burst_that_is_over_is_not_hot() -> None:
    """The hour is dear still, its last quarters are not."""
    quarters = {997: 100 * PACE, 998: 0.0, 999: 0.0}
    assert hot(quarters, limit=CAP, length=MONTH, end=998)
    assert not hot(quarters, limit=CAP, length=MONTH, end=1001)


def test_what_is_usual_leaves_out_one_odd_day() -> None:
    """The second dearest day's dearest hour; of a few days the dearest."""
    end = 14 * spending.QUARTERS
    every_day = {day * spending.QUARTERS + 8: 1.0 for day in range(14)}
    assert usual({**every_day, 500: 9.0}, window=HOUR, end=end) == 1.0
    assert usual({end - 100: 9.0, end - 50: 1.0}, window=HOUR, end=end) == 9.0
    assert usual({}, window=HOUR, end=end) is None


def test_a_new_workflow_is_judged_without_what_is_usual() -> None:
    """Nobody knows it yet, and a runaway on the first day is one all the same."""
    quarters = dict.fromkeys(range(1000 - 4, 1000), 20 * PACE)
    (found,) = firing(quarters, 1000)
    assert (found.window, found.usual) == (HOUR, None)


def _delay(seed: int, times: float) -> int:
    """Minutes from the beginning of a runaway at so many times the cap's pace to the first sum that tells of it."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    quarters = spending.quarters(rng, monthly=SPENT, days=22, shape=spending.office_hours, week=spending.OFFICE)
    start = spending.FIRST + 16 * spending.QUARTERS + rng.randrange(4 * spending.QUARTERS)
    for minute in range(24 * 60):
        end = start + minute // 15 + 1
        seen = {at: cost for at, cost in quarters.items() if at < end}
        for at in range(start, end):
            share = 1.0 if at < end - 1 else (minute % 15 + 1) / 15
            seen[at] = seen[at] * share + times * PACE * share
        if firing(seen, end):
            return minute
    return 24 * 60


@pytest.mark.parametrize(("times", "minutes"), [(100, 10), (50, 20), (20, 45), (10, 240)])
def test_a_runaway_is_found_within_minutes_of_data(times: float, minutes: int) -> None:
    """The faster it is, the sooner; before 3 % of the month's cap is gone where it is fast."""
    assert max(_delay(seed, times) for seed in range(4)) <= minutes


def _leak_days(seed: int, times: float) -> int:
    """Days from the beginning of a leak to the first whole day that tells of it."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    level = SPENT / 30 / (sum(spending.OFFICE) / 7)
    costs = spending.days(rng, level=level, count=84, week=spending.OFFICE, scatter=0.2)
    start = rng.randrange(42, 49)
    for today in range(start + 1, 84):
        days = {
            spending.MONDAY + at * DAY: cost * (times if at >= start else 1) for at, cost in enumerate(costs[:today])
        }
        if leak(days, limit=CAP, length=MONTH, today=spending.MONDAY + today * DAY):
            return today - start
    return 99


@pytest.mark.parametrize(("times", "most"), [(1.6, 5), (2.0, 3), (3.0, 2)])
def test_a_slow_leak_is_found_within_days(times: float, most: int) -> None:
    """Spend that rises from 70 % of the cap to 112 %, 140 % and 210 %: the median delay in days."""
    assert median(_leak_days(seed, times) for seed in range(25)) <= most


@pytest.mark.parametrize(
    ("shape", "week", "most"),
    [
        (spending.office_hours, spending.OFFICE, 0),
        (spending.around_the_clock, spending.EVERY_DAY, 0),
        (spending.nightly, spending.OFFICE, 3),
    ],
    ids=["office hours", "around the clock", "nightly batch"],
)
def test_ordinary_spend_raises_few_alarms(shape: spending.Shape, week: tuple[float, ...], most: int) -> None:
    """At most so many runaways told in 60 days of four workflows (no more than one in 80 workflow-days, with batches whose
    nights differ by a third); the workbook's windows alone would tell of a batch every night.
    """
    alarms = bare = 0
    for seed in range(4):
        quarters = spending.quarters(random.Random(seed), monthly=SPENT, days=75, shape=shape, week=week)  # noqa: S311
        before = was_hot = False
        for end in range(spending.FIRST + 15 * spending.QUARTERS, spending.FIRST + 75 * spending.QUARTERS, 2):
            now_hot = bool(hot(quarters, limit=CAP, length=MONTH, end=end))
            now = now_hot and bool(firing(quarters, end))
            alarms, bare = alarms + (now and not before), bare + (now_hot and not was_hot)
            before, was_hot = now, now_hot
    assert alarms <= most
    assert bare > 100 if shape is spending.nightly else bare == 0


@pytest.mark.parametrize("week", [spending.OFFICE, spending.EVERY_DAY], ids=["office", "every day"])
def test_ordinary_days_are_no_leak(week: tuple[float, ...]) -> None:
    """At 70 % of the cap, weekday season and a fifth of scatter: at most one false alarm in 500 workflow-days."""
    alarms = days_looked_at = 0
    level = SPENT / 30 / (sum(week) / 7)
    for seed in range(20):
        costs = spending.days(random.Random(seed), level=level, count=112, week=week, scatter=0.2)  # noqa: S311
        before = False
        for today in range(28, 112):
            days = {spending.MONDAY + at * DAY: cost for at, cost in enumerate(costs[:today]) if today - at <= 56}
            found = leak(days, limit=CAP, length=MONTH, today=spending.MONDAY + today * DAY) is not None
            alarms, before, days_looked_at = alarms + (found and not before), found, days_looked_at + 1
    assert alarms <= days_looked_at / 500


def test_of_a_young_workflow_a_whole_week_is_looked_at() -> None:
    """Monday to Wednesday alone would look like a leak of whoever rests at weekends."""
    level = SPENT / 30 / (sum(spending.OFFICE) / 7)
    ordinary = {spending.MONDAY + at * DAY: level * spending.OFFICE[at % 7] for at in range(12)}
    twice = {day: 2 * cost for day, cost in ordinary.items()}
    for count in range(1, 13):
        today = spending.MONDAY + count * DAY
        known = {day: cost for day, cost in ordinary.items() if day < today}
        assert leak(known, limit=CAP, length=MONTH, today=today) is None
    found = leak(twice, limit=CAP, length=MONTH, today=spending.MONDAY + 12 * DAY)
    assert found is not None
    assert found.window == 7 * DAY


def test_a_cap_over_less_than_two_weeks_knows_no_leak() -> None:
    """Three days are too large a part of it."""
    days = {spending.MONDAY + at * DAY: 50.0 for at in range(40)}
    today = spending.MONDAY + 40 * DAY
    assert leak(days, limit=CAP, length=7 * DAY, today=today) is None

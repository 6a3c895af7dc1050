"""The periods of caps."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.money import Cap, Period
from afterpilot.spend.periods import (
    QUARTER,
    cap_window,
    local_day,
    period_before,
    period_days,
    period_window,
    quarter_after,
)

FIRST = datetime(2000, 1, 1, tzinfo=timezone(timedelta(hours=9)))
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=36_500)).map(FIRST.__add__)


@pytest.mark.parametrize(
    ("period", "moment", "start", "end"),
    [
        ("day", datetime(2026, 11, 21, 13, 26, tzinfo=UTC), "2026-11-21", "2026-11-22"),
        ("day", datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21", "2026-11-22"),
        ("week", datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), "2026-11-16", "2026-11-23"),
        ("week", datetime(2026, 1, 1, tzinfo=UTC), "2025-12-29", "2026-01-05"),
        ("month", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-12-01", "2027-01-01"),
        ("month", datetime(2028, 2, 29, tzinfo=UTC), "2028-02-01", "2028-03-01"),
        ("month", datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=9))), "2026-11-01", "2026-12-01"),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(period: Period, moment: datetime, start: str, end: str) -> None:
    """Days from midnight, weeks from Monday, months from the first; half-open, whatever the clock's zone."""
    window = period_window(period, moment)
    assert (f"{window.start:%Y-%m-%d %H:%M:%S%z}", f"{window.end:%Y-%m-%d %H:%M:%S%z}") == (
        f"{start} 00:00:00+0000",
        f"{end} 00:00:00+0000",
    )


ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})
PERIODS: list[Period] = ["day", "week", "month"]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/London", datetime(2026, 3, 29, 12, tzinfo=UTC), 23),
        ("Europe/London", datetime(2026, 10, 25, 12, tzinfo=UTC), 25),
        ("Europe/London", datetime(2026, 11, 21, 12, tzinfo=UTC), 24),
        ("America/New_York", datetime(2026, 3, 8, 12, tzinfo=UTC), 23),
        ("Asia/Kolkata", datetime(2026, 3, 29, 12, tzinfo=UTC), 24),
        ("Africa/Cairo", datetime(2026, 4, 24, 12, tzinfo=UTC), 23),  # the clocks jump over midnight itself
    ],
)
def test_a_day_has_as_many_hours_as_there(zone: str, day: datetime, hours: int) -> None:
    """23 where the clocks go forward, 25 where they go back."""
    assert period_window("day", day, zone).length == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("moment", "zone", "start"),
    [
        (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "Europe/Paris", "2026-11-30 23:00"),
        (datetime(2026, 11, 30, 22, 30, tzinfo=UTC), "Europe/Paris", "2026-10-31 23:00"),
        (datetime(2026, 12, 1, 4, 59, tzinfo=UTC), "America/New_York", "2026-11-01 04:00"),
        (datetime(2026, 11, 30, 18, 30, tzinfo=UTC), "Asia/Kolkata", "2026-11-30 18:30"),
    ],
)
def test_a_month_begins_when_it_does_there(moment: datetime, zone: str, start: str) -> None:
    """Not when it begins in UTC."""
    assert f"{period_window('month', moment, zone).start:%Y-%m-%d %H:%M}" == start


@given(st.sampled_from(PERIODS), st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001 - moments in UTC
def test_every_zones_periods_follow_each_other(period: Period, naive: datetime, zone: str) -> None:
    """Without gap or overlap, each moment in its own, and made of the days whose dates it has."""
    moment = naive.replace(tzinfo=UTC)
    window, days = period_window(period, moment, zone), period_days(period, moment, zone)
    assert moment in window
    assert period_window(period, window.end, zone).start == window.end
    assert period_before(period, window, zone).end == window.start
    assert days.first <= local_day(moment, zone) < days.until
    assert (local_day(window.start, zone), local_day(window.end, zone)) == (days.first, days.until)
    assert local_day(window.end - timedelta(microseconds=1), zone) == days.until - timedelta(days=1)


@given(st.sampled_from(ZONES), st.integers(2000, 2036))
def test_a_years_months_have_all_its_hours(zone: str, year: int) -> None:
    """Whatever the clocks do, no hour is in no month or in two."""
    windows = [period_window("month", datetime(year, month, 15, tzinfo=UTC), zone) for month in range(1, 13)]
    assert [one.end for one in windows[:-1]] == [one.start for one in windows[1:]]
    assert windows[-1].end - windows[0].start == sum((one.length for one in windows), timedelta(0))


@pytest.mark.parametrize(("minute", "end"), [(0, 15), (14.99, 15), (15, 30), (44, 45), (59, 60)])
def test_a_rolling_cap_looks_back_from_the_quarter_that_is_under_way(minute: float, end: int) -> None:
    """So that the newest calls are in it, and whole quarters are summed."""
    hour = datetime(2026, 11, 21, 13, tzinfo=UTC)
    window = cap_window(Cap.parse("60 USD/7 days"), hour + timedelta(minutes=minute))
    assert (window.end, window.length) == (hour + timedelta(minutes=end), timedelta(days=7))


@given(MOMENTS)
def test_a_quarter_holds_its_moment(moment: datetime) -> None:
    """Its end is after the moment, by a quarter of an hour at most."""
    end = quarter_after(moment)
    assert end - QUARTER <= moment < end
    assert (end.minute % 15, end.second, end.microsecond) == (0, 0, 0)


def test_a_rolling_cap_has_no_calendar() -> None:
    """Asked for its day, week or month it is an error, not a guess."""
    with pytest.raises(ValueError, match="no calendar"):
        period_days("rolling", datetime(2026, 11, 21, tzinfo=UTC))


@given(st.sampled_from(["day", "week", "month"]), MOMENTS)
def test_periods_follow_each_other_without_gap(period: Period, moment: datetime) -> None:
    """Each moment lies in its own period, and the end of one is the start of the next."""
    window = period_window(period, moment)
    assert moment in window
    assert period_window(period, window.start) == window
    assert period_window(period, window.end).start == window.end

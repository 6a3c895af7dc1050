"""When people are at work: days, nights, time zones, and clocks that change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.working_hours import WorkingHours

OFFICE = WorkingHours("Europe/Berlin")
NIGHT_SHIFT = WorkingHours("Europe/Berlin", days=(4,), start=time(22), end=time(6))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-25 07:00", True),  # 8:00 in winter
        ("2026-11-25 06:59", False),
        ("2026-11-25 17:00", False),  # 18:00
        ("2026-07-01 06:00", True),  # 8:00 in summer
        ("2026-07-01 16:00", False),
        ("2026-11-28 10:00", False),  # a Saturday
    ],
)
def test_an_office_by_its_own_clock(at: str, *, holds: bool) -> None:
    """From its first minute to before its last, on its days, in summer as in winter."""
    assert OFFICE.hold(_utc(at)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-27 21:00", True),  # Friday, 22:00
        ("2026-11-28 04:59", True),  # Saturday, 5:59: the same shift
        ("2026-11-28 05:00", False),
        ("2026-11-27 03:00", False),  # Friday, 4:00: Thursday's shift is none
    ],
)
def test_a_shift_past_midnight_belongs_to_the_day_that_it_begins_on(at: str, *, holds: bool) -> None:
    """It ends on a day that is none of its days."""
    assert NIGHT_SHIFT.hold(_utc(at)) is holds


def test_time_counts_only_while_people_work() -> None:
    """Over a night, a weekend, and the days when clocks change."""
    assert OFFICE.after(_utc("2026-11-25 10:00"), timedelta(hours=4)) == _utc("2026-11-25 14:00")
    assert OFFICE.after(_utc("2026-11-25 16:00"), timedelta(hours=4)) == _utc("2026-11-26 10:00")
    assert OFFICE.after(_utc("2026-11-27 16:00"), timedelta(hours=4)) == _utc("2026-11-30 10:00")
    assert OFFICE.after(_utc("2026-03-27 16:00"), timedelta(hours=2)) == _utc(
        "2026-03-30 07:00"
    )  # an hour was left out
    # The night on which 2:00 to 3:00 comes twice lasts an hour longer.
    shift = WorkingHours("Europe/Berlin", days=(5,), start=time(22), end=time(6))
    assert shift.after(_utc("2026-10-24 20:00"), timedelta(hours=9)) == _utc("2026-10-25 05:00")


def test_a_whole_day() -> None:
    """The same beginning and end: the day as the calendar there has it."""
    whole = WorkingHours("America/New_York", days=(0,), start=time(0), end=time(0))
    assert whole.hold(_utc("2026-11-23 05:00"))
    assert whole.hold(_utc("2026-11-24 04:59"))
    assert not whole.hold(_utc("2026-11-24 05:00"))


_ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
_CLOCK = st.integers(0, 47).map(lambda half: time(half // 2, half % 2 * 30))
_HOURS = st.builds(
    WorkingHours,
    zone=st.sampled_from(_ZONES),
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    start=_CLOCK,
    end=_CLOCK,
)
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds


@given(hours=_HOURS, at=_MOMENTS, length=st.integers(1, 2_000).map(lambda minutes: timedelta(minutes=minutes)))
def test_the_moment_after_some_work_lies_at_its_end(hours: WorkingHours, at: datetime, length: timedelta) -> None:
    """Never before that time has passed; just before it people are at work; more work never ends earlier."""
    due = hours.after(at, length)
    assert due >= at + length
    assert hours.hold(due - timedelta(microseconds=1))
    assert hours.after(at, length + timedelta(minutes=1)) > due


@given(hours=_HOURS, at=_MOMENTS, moment=_CLOCK)
def test_the_next_time_of_day_is_that_time_there(hours: WorkingHours, at: datetime, moment: time) -> None:
    """Except for one that a change of clocks leaves out: then it is as much later."""
    due = hours.next(at, moment)
    assert due > at
    local = due.astimezone(ZoneInfo(hours.zone))
    late = datetime.combine(local.date(), local.time()) - datetime.combine(local.date(), moment)
    assert late in {timedelta(0), timedelta(minutes=30), timedelta(hours=1)}

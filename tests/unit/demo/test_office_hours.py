"""When invoices arrive and clerks work."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.demo.office_hours import after_working, arrival, arrivals, first_ordinal, monday

moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware by Hypothesis


@given(st.integers(0, 40), st.integers(0, 30))
def test_a_week_brings_about_200_invoices_on_weekdays(seed: int, week: int) -> None:
    """190 to 210, Monday to Friday, at opening hours, in order."""
    times = arrivals(seed, week)
    assert 190 <= len(times) <= 210
    assert list(times) == sorted(times)
    for each in times:
        assert each.days < 5
        assert timedelta(hours=7, minutes=30) <= timedelta(seconds=each.seconds) <= timedelta(hours=17, minutes=30)


@given(st.integers(0, 4_000))
def test_later_ordinals_arrive_later(ordinal: int) -> None:
    """The stream is in order across the weeks, and each ordinal lies in the week that counts it."""
    week = arrival(20, ordinal) // timedelta(weeks=1)
    assert first_ordinal(20, week) <= ordinal < first_ordinal(20, week + 1)
    assert arrival(20, ordinal) <= arrival(20, ordinal + 1)


def test_the_week_begins_on_monday_in_utc() -> None:
    """A Sunday evening belongs to the Monday before it."""
    assert monday(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) == date(2026, 11, 16)
    assert monday(datetime(2026, 11, 23, 0, 0, tzinfo=UTC)) == date(2026, 11, 23)


@given(moments, st.floats(0, 60))
def test_work_ends_at_opening_hours_and_never_before_it_began(moment: datetime, hours: float) -> None:
    """Nobody decides at night or at the weekend."""
    done = after_working(moment, hours)
    assert done - moment >= timedelta(hours=hours)
    assert done.weekday() < 5
    assert time(7, 30) <= done.time() <= time(17, 30)


def test_work_that_begins_on_friday_goes_on_on_monday() -> None:
    """Two hours from Friday 17:00 are Monday 09:00."""
    assert after_working(datetime(2026, 11, 20, 17, 0, tzinfo=UTC), 2) == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

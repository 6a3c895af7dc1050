"""The periods of caps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.money import Period
from afterpilot.spend.caps import period_window

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


@given(st.sampled_from(["day", "week", "month"]), MOMENTS)
def test_periods_follow_each_other_without_gap(period: Period, moment: datetime) -> None:
    """Each moment lies in its own period, and the end of one is the start of the next."""
    window = period_window(period, moment)
    assert moment in window
    assert period_window(period, window.start) == window
    assert period_window(period, window.end).start == window.end

"""Until when, as people type it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.domain.until import until

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [("30m", timedelta(minutes=30)), ("2h", timedelta(hours=2)), (" 3D ", timedelta(days=3)), ("1 w", timedelta(7))],
)
def test_a_duration_begins_now(text: str, length: timedelta) -> None:
    """Whatever the case of its unit, with or without a blank."""
    assert until(text, now=NOW) == NOW + length


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("2026-12-01", "UTC", datetime(2026, 12, 1, 9, tzinfo=UTC)),
        ("2026-12-01", "America/New_York", datetime(2026, 12, 1, 14, tzinfo=UTC)),
        ("tomorrow", "UTC", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("tomorrow", "Asia/Tokyo", datetime(2026, 11, 22, 0, tzinfo=UTC)),
        ("2026-12-01 14:30", "Asia/Tokyo", datetime(2026, 12, 1, 5, 30, tzinfo=UTC)),
        ("2026-12-01T14:30", "UTC", datetime(2026, 12, 1, 14, 30, tzinfo=UTC)),
        ("2026-12-01 14:30 UTC", "Asia/Tokyo", datetime(2026, 12, 1, 14, 30, tzinfo=UTC)),
        ("2026-12-01T14:30+02:00", "Asia/Tokyo", datetime(2026, 12, 1, 12, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_nine_in_the_morning_and_a_time_is_of_the_zone(text: str, zone: str, moment: datetime) -> None:
    """Unless the time bears its own offset; tomorrow is the next day where the people are."""
    assert until(text, now=NOW, zone=zone) == moment


@pytest.mark.parametrize("text", ["", "soon", "2 fortnights", "-1h", "2026-13-01", "999999w", "9999-12-31T23:59-12:00"])
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    """The error says what would be one."""
    with pytest.raises(ValueError, match="say a duration such as 30m, 2h, 3d or 1w"):
        until(text, now=NOW)

"""The longest silences of a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.pull.row_times import longest_silences, rows_by_day

FRIDAY = datetime(2026, 11, 13, 8, tzinfo=UTC)


def test_a_night_before_the_newest_times_is_seen_by_its_hours() -> None:
    """A busy table's newest times reach back a morning only, and say nothing of nights and weekends."""
    hours = {FRIDAY + timedelta(hours=hour): 4000 for hour in (*range(9), *range(72, 76))}
    moments = [FRIDAY + timedelta(hours=75, seconds=number) for number in range(0, 3600, 600)]
    weekend, *rest = longest_silences(moments, hours)
    assert (weekend.since, weekend.length) == (FRIDAY + timedelta(hours=8), timedelta(hours=64))
    assert {one.length for one in rest} == {timedelta(minutes=10)}


def test_of_a_quiet_table_the_times_themselves_count() -> None:
    """To the second, the longest first, three at most."""
    moments = [FRIDAY + timedelta(minutes=at) for at in (0, 10, 70, 75, 195, 200, 230)]
    found = longest_silences(moments, {FRIDAY: 7})
    assert [one.length for one in found] == [timedelta(minutes=at) for at in (120, 60, 30)]
    assert found[0].since == FRIDAY + timedelta(minutes=75)
    assert longest_silences([FRIDAY], {FRIDAY: 1}) == ()


def test_hours_add_up_to_days() -> None:
    """Oldest first."""
    hours = {FRIDAY + timedelta(days=1): 2, FRIDAY: 3, FRIDAY + timedelta(hours=1): 4}
    assert list(rows_by_day(hours).items()) == [(FRIDAY.date(), 7), (FRIDAY.date() + timedelta(days=1), 2)]

"""How fresh a table is proposed to be, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from afterpilot.declare.proposed_rhythm import rhythm_checks
from afterpilot.domain.profile import Silence, TableProfile

FRIDAY = datetime(2026, 11, 13, 17, tzinfo=UTC)


def freshness(*silences: Silence, days: int, first: date = date(2026, 10, 26)) -> tuple[object, str]:
    """The age that is proposed for a table seen for so many days from a Monday, with the reason."""
    seen = {first + timedelta(days=number): 40 for number in range(days)}
    profile = TableProfile("calls", 400, (), key="id", time="at", days=seen, silences=silences)
    check, reason = next(rhythm_checks(profile))
    assert check["expect"] == "fresh_within"
    return check["max_age"], reason


def test_a_pause_over_a_weekend_that_was_seen_has_room() -> None:
    """Half as much again, and the longest silences stand in the comment with their days."""
    age, reason = freshness(
        Silence(FRIDAY, timedelta(hours=63)), Silence(FRIDAY - timedelta(days=1), timedelta(hours=15)), days=20
    )
    assert age == "4d"
    assert reason == "the longest silences so far: 63h from Fri 13 November, 15h from Thu 12 November"


def test_where_no_weekend_was_seen_there_is_room_for_one() -> None:
    """A table of four days says nothing of Saturdays."""
    age, reason = freshness(Silence(FRIDAY, timedelta(minutes=20)), days=4)
    assert age == "3d"
    assert reason == "the longest silences so far: 20m from Fri 13 November; no weekend was seen: 3 days allow for one"


def test_where_rows_come_at_weekends_it_is_said_that_a_pause_would_be_told() -> None:
    """The proposal stays as tight as the table is, and says so."""
    age, reason = freshness(Silence(FRIDAY, timedelta(hours=2)), days=20)
    assert age == "4h"
    assert reason.endswith("; rows came at weekends too: a pause over one would be told")

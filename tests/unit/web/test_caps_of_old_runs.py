"""Caps as a page shows them: as good as the run that they are of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from afterpilot.domain.allowance import STALE_AFTER
from afterpilot.web.spend.caps import KEPT, REACHED, UNKNOWN, caps_at

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(spent: str, age: timedelta) -> dict[str, Any]:
    """A run with one cap of 10 USD."""
    cap = {"cap": "month", "every": "month", "limit": "10", "currency": "USD", "spent": spent}
    return {"evidence": {"caps": [cap]}, "finished_at": NOW - age}


@pytest.mark.parametrize(
    ("spent", "age", "tone"),
    [
        ("2", STALE_AFTER, KEPT),
        ("2", STALE_AFTER + MINUTE, UNKNOWN),
        ("11", STALE_AFTER + MINUTE, REACHED),
    ],
)
def test_a_cap_is_kept_only_as_long_as_its_run_is_fresh(spent: str, age: timedelta, tone: str) -> None:
    """What was spent since an old one is not known; what had reached the cap stays spent."""
    (cap,) = caps_at(run(spent, age), NOW)
    assert cap.tone == tone
    assert cap.words.startswith("at least ") is (age > STALE_AFTER)


def test_without_a_run_there_is_no_cap_to_show() -> None:
    """Never one of zero."""
    assert caps_at(None, NOW) == ()

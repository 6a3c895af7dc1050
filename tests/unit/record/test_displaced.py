"""What a pull remembers of keys that occur twice is bounded, and tells where records stood that really moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.record.production import displaced
from afterpilot.record.production.displaced import Displaced, Stood

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_what_comes_again_as_it_stood_has_not_moved() -> None:
    """The same time and the same data; anything else has."""
    here = Displaced()
    for key in ("a", "b"):
        here.remember(key, Stood(NOON, "md5", None))
    assert here.again("a", NOON, "other") is None
    assert here.again("a", NOON, "md5") == Stood(NOON, "md5", None)
    assert here.again("a", NOON, "md5") is None
    assert list(here.left()) == [NOON]


def test_what_is_too_much_to_remember_is_told_by_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The earliest moment of each minute, remembered or not; a million keys of one minute are one moment."""
    monkeypatch.setattr(displaced, "MOST", 2)
    here = Displaced()
    for number in range(120, 0, -1):
        here.remember(f"key {number}", Stood(NOON + number * SECOND, "md5", None))
    assert list(here.left()) == [NOON + SECOND, NOON + 60 * SECOND, NOON + 120 * SECOND]
    assert len(here._lost) == 2


def test_no_more_rows_are_remembered_than_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them; of more it is not known whether they were read."""
    monkeypatch.setattr(displaced, "MOST", 3)
    here = Displaced()
    here.see((f"key {number}", NOON) for number in range(2))
    assert not here.full
    here.see((f"key {number}", NOON) for number in range(2, 5))
    assert here.full
    assert [here.seen(f"key {number}", NOON) for number in range(5)] == [True, True, True, False, False]
    assert not here.seen("key 0", NOON + SECOND)

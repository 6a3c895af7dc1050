"""What ``afterpilot preview`` says of the signs in its table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.cli.preview import legend
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check
from afterpilot.pipeline.previewing import Previewed

WINDOW = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=1))


def previewed(*successes: bool | None) -> Previewed:
    """A window in which one expectation after the other says so; without any it could not be judged."""
    check = Check("volume_between", Severity.WARNING, {})
    judged = [Judged(check, one, "", elements=3, failing_total=0, failing_keys=(), result={}) for one in successes]
    return Previewed(WINDOW, 3, judged, "" if judged else "the statement timed out")


def test_a_sign_that_does_not_stand_in_the_table_is_not_explained() -> None:
    """Two words are enough where every window could be judged."""
    assert legend([previewed(True, False)]) == "✓ held  ✗ would have fired"


def test_a_dot_is_an_expectation_that_a_window_without_records_was_not_asked() -> None:
    """Types are looked at in records alone."""
    assert legend([previewed(True, True), previewed(True)]).endswith("  · not asked: the window holds no records")


def test_missing_history_and_windows_without_a_judgement_are_explained() -> None:
    """Nobody has to guess what a question mark or a dot is."""
    said = legend([previewed(True, None), previewed()])
    assert "? could not say: no records, nothing to look at, or too little history before the window" in said
    assert "· not asked: the window holds no records, or could not be judged" in said

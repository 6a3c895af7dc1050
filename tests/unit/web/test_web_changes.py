"""What differs between two versions of a declaration."""

from __future__ import annotations

from afterpilot.web.changes import Change, changes


def test_changed_added_and_removed_keys_are_named() -> None:
    """Each differing key stands there with its values before and after, by its path."""
    before = {"spend": {"cap": "300 USD/month", "at_cap": "tell"}, "stage": "shadow", "channel": "#a"}
    after = {"spend": {"cap": "400 USD/month", "at_cap": "tell"}, "stage": "live", "kpi": {"target": 1.2}}
    assert changes(before, after) == (
        Change("spend.cap", "300 USD/month", "400 USD/month"),
        Change("stage", "shadow", "live"),
        Change("kpi.target", None, "1.2"),
        Change("channel", "#a", None),
    )


def test_equal_documents_have_no_change() -> None:
    """Nothing is said where nothing differs, lists included."""
    assert changes({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) == ()

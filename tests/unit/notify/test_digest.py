"""The message about all that could wait: counted, by workflow, gravest first, what is over last."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Severity
from afterpilot.notify.digest import Notice, digest_message

AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _notice(
    workflow: str,
    title: str,
    severity: Severity = Severity.WARNING,
    state: IncidentState = IncidentState.OPEN,
    *,
    by: str = "",
) -> Notice:
    incident = Incident(
        id=uuid.UUID(int=1), fingerprint="f", workflow=workflow, stage="check", kind="k", severity=severity, state=state,
        title=title, detail="", opened_at=AT - 5 * HOUR, last_seen_at=AT - HOUR, occurrences=3, acknowledged_by=by,
        resolved_at=AT - 2 * HOUR if state is IncidentState.RESOLVED else None,
    )  # fmt: skip
    return Notice(workflow, title, f"https://x.example/{title}", incident)


def test_by_workflow_the_gravest_first() -> None:
    """A workflow with a graver notice comes first with all of its own; each leads to its page."""
    notices = [
        _notice("a", "one"),
        _notice("b", "two", Severity.UNKNOWN),
        _notice("b", "three", state=IncidentState.RESOLVED),
        _notice("a", "four", state=IncidentState.ACKNOWLEDGED, by="Dana Ruiz"),
        Notice("a", "no incident at all"),
    ]
    message = digest_message(notices, since=AT - 5 * HOUR, at=AT)
    assert message.title == "5 notices since yesterday"
    assert message.notification == "5 notices since yesterday: b 2, 1 of them over, a 3"
    assert message.points == (
        "b: two (unknown, for 5 h)",
        "b: three (over, it lasted 3 h)",
        "a: four (warning, for 5 h, Dana Ruiz has it)",
        "a: one (warning, for 5 h)",
        "a: no incident at all (no incident)",
    )
    assert message.point_urls == (*(f"https://x.example/{name}" for name in ("two", "three", "four", "one")), "")
    assert message.mention == ""


def test_an_older_one_says_since_when() -> None:
    """After a longer outage it is no more since yesterday."""
    message = digest_message([_notice("a", "one")], since=AT - 50 * HOUR, at=AT)
    assert message.title == "1 notice since 2026-11-18"

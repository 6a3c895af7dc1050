"""What becomes of incidents after a run."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from afterpilot.decide.incidents import changes
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity, StageResult

AT = datetime(2026, 11, 1, tzinfo=UTC)


def finding(kind: str = "quality.not_null", about: str = "total", severity: Severity = Severity.CRITICAL) -> Finding:
    return Finding("w", "check", kind, severity, "total is missing", about=about)


def result(*findings: Finding, covered: tuple[str, ...] = ("quality.*",)) -> StageResult:
    return StageResult("w", "check", "", findings=findings, checked=1, covered=covered)


def incident(of: Finding) -> Incident:
    return Incident(
        id=uuid.uuid4(),
        fingerprint=of.fingerprint,
        workflow=of.workflow,
        stage=of.stage,
        kind=of.kind,
        severity=of.severity,
        state=IncidentState.OPEN,
        title=of.title,
        detail="",
        opened_at=AT,
        last_seen_at=AT,
        occurrences=1,
    )


def test_a_new_finding_opens_an_incident() -> None:
    """Without an incident of its fingerprint a finding opens one."""
    assert changes(result(finding()), [], at=AT).opened == (finding(),)


def test_a_known_finding_renews_its_incident() -> None:
    """The same trouble again is the same incident, also in other words and gravity."""
    known = incident(finding())
    again = finding(severity=Severity.WARNING)
    found = changes(result(again), [known], at=AT)
    assert (found.opened, found.again, found.resolved) == ((), ((known, again),), ())


def test_an_incident_not_found_again_is_over() -> None:
    """A run that covered its kind and did not find it resolves it."""
    known = incident(finding())
    assert changes(result(), [known], at=AT).resolved == (known,)


def test_a_run_that_could_not_look_resolves_nothing() -> None:
    """A kind that the run did not cover stays open."""
    known = incident(finding())
    assert changes(result(covered=()), [known], at=AT).resolved == ()
    assert changes(result(covered=("quality",)), [known], at=AT).resolved == ()


def test_an_incident_of_another_stage_is_left_alone() -> None:
    """A check does not resolve what an eval run found."""
    other = incident(Finding("w", "evaluate", "quality.not_null", Severity.CRITICAL, ""))
    assert changes(result(), [other], at=AT).resolved == ()


def test_information_opens_nothing() -> None:
    """A finding of mere information is no incident, and resolves the one that stood."""
    known = incident(finding())
    found = changes(result(finding(severity=Severity.INFO)), [known], at=AT)
    assert (found.opened, found.resolved) == ((), (known,))


def test_an_incident_with_failing_records_outlives_good_ones() -> None:
    """A run that covered its kind and did not find it leaves it open while the windows of its records still fail."""
    known = incident(finding())
    assert changes(result(), [known], at=AT, failing={known.id}).resolved == ()
    assert changes(result(), [known], at=AT, failing={uuid.uuid4()}).resolved == (known,)

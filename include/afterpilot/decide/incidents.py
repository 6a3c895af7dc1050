"""What becomes of a workflow's incidents after a run: opened, seen again, resolved."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from afterpilot.domain.incident import Incident
from afterpilot.domain.verdict import Finding, Severity, StageResult


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run means for the incidents of its workflow."""

    opened: tuple[Finding, ...]
    again: tuple[tuple[Incident, Finding], ...]
    resolved: tuple[Incident, ...]


def changes(result: StageResult, unresolved: Sequence[Incident], *, failing: Collection[uuid.UUID] = ()) -> Changes:
    """Match a run's findings with the incidents that are not over.

    A finding of mere information opens nothing. An incident is over only when a run that could have found its kind again
    (``covered``) did not; a run that could not look leaves it as it is. One with ``failing`` records stays open until the
    windows of these were judged again and are good: newer records say nothing about them.
    """
    standing = {incident.fingerprint: incident for incident in unresolved if incident.stage == result.stage}
    found = {finding.fingerprint: finding for finding in result.findings if finding.severity is not Severity.INFO}
    return Changes(
        opened=tuple(finding for mark, finding in found.items() if mark not in standing),
        again=tuple((standing[mark], finding) for mark, finding in found.items() if mark in standing),
        resolved=tuple(
            incident
            for mark, incident in standing.items()
            if mark not in found and incident.id not in failing and _covers(result.covered, incident.kind)
        ),
    )


def _covers(covered: Sequence[str], kind: str) -> bool:
    """Whether a kind is named in ``covered``, in full or by its family (``quality.*``)."""
    return any(kind == name or (name.endswith(".*") and kind.startswith(name[:-1])) for name in covered)

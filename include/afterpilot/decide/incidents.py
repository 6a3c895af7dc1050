"""What becomes of a workflow's incidents after a run: opened, re-opened, seen again, resolved; and when one that comes and goes is
damped.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity, StageResult

RETURNS_WITHIN = timedelta(hours=24)  # of its end: later it is a new incident
FLAPS_AFTER = 3  # re-openings within that time
CALM_AFTER = 3  # good runs in a row
CALM_FOR = timedelta(hours=1)  # since it was found last: three runs of a minute each are no calm


@dataclass(frozen=True, slots=True)
class Ended:
    """An incident that ended within the last day, and how often it was re-opened within that day."""

    incident: Incident
    reopenings: int


@dataclass(frozen=True, slots=True)
class Reopening:
    """An incident that is back, in the state that it takes now; ``flaps`` says that it has come and gone too often."""

    incident: Incident
    finding: Finding
    state: IncidentState
    flaps: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run means for the incidents of its workflow. ``calmer`` are flapping ones that it did not find, and that are not over yet."""

    opened: tuple[Finding, ...]
    again: tuple[tuple[Incident, Finding], ...]
    resolved: tuple[Incident, ...]
    reopened: tuple[Reopening, ...] = ()
    calmer: tuple[Incident, ...] = ()


def found_anew(result: StageResult, unresolved: Sequence[Incident]) -> dict[str, Finding]:
    """The findings without an incident that is not over, by fingerprint."""
    standing = {incident.fingerprint for incident in unresolved if incident.stage == result.stage}
    return {mark: finding for mark, finding in _found(result).items() if mark not in standing}


def changes(
    result: StageResult,
    unresolved: Sequence[Incident],
    *,
    at: datetime,
    failing: Collection[uuid.UUID] = (),
    ended: Sequence[Ended] = (),
) -> Changes:
    """Match a run's findings with the incidents that are not over, and with those that ended within the last day.

    A finding of mere information opens nothing. An incident is over only when a run that could have found its kind again
    (``covered``) did not; a run that could not look leaves it as it is. One with ``failing`` records stays open until the
    windows of these were judged again and are good: newer records say nothing about them. A flapping one is over only after
    three such runs in a row, the last of them an hour after it was found.
    """
    standing = {incident.fingerprint: incident for incident in unresolved if incident.stage == result.stage}
    found, anew = _found(result), found_anew(result, unresolved)
    back = {one.incident.fingerprint: one for one in ended if at - _end(one.incident) <= RETURNS_WITHIN}
    gone = [
        incident
        for mark, incident in standing.items()
        if mark not in found and incident.id not in failing and _covers(result.covered, incident.kind)
    ]
    return Changes(
        opened=tuple(finding for mark, finding in anew.items() if mark not in back),
        again=tuple((standing[mark], finding) for mark, finding in found.items() if mark in standing),
        resolved=tuple(incident for incident in gone if _over(incident, at)),
        reopened=tuple(reopening(back[mark], finding, at) for mark, finding in anew.items() if mark in back),
        calmer=tuple(incident for incident in gone if not _over(incident, at)),
    )


def reopening(ended: Ended, finding: Finding, at: datetime) -> Reopening:
    """It is open again even if somebody had it, as nobody has taken this up; a waiver that still holds goes on, unless it is
    graver than what was waived.
    """
    until, graver = ended.incident.waived_until, finding.severity.graver_than(ended.incident.severity)
    state = IncidentState.WAIVED if until is not None and until > at and not graver else IncidentState.OPEN
    return Reopening(ended.incident, finding, state, flaps=ended.reopenings + 1 >= FLAPS_AFTER)


def _found(result: StageResult) -> dict[str, Finding]:
    """What was found beside mere information, by fingerprint; of several with the same one, the gravest."""
    found: dict[str, Finding] = {}
    for finding in result.findings:
        known = found.get(finding.fingerprint)
        if finding.severity is not Severity.INFO and (known is None or finding.severity.graver_than(known.severity)):
            found[finding.fingerprint] = finding
    return found


def _end(incident: Incident) -> datetime:
    return incident.resolved_at or incident.last_seen_at


def _over(incident: Incident, at: datetime) -> bool:
    """Whether it is over with this good run."""
    calm = incident.good_runs + 1 >= CALM_AFTER and at - incident.last_seen_at >= CALM_FOR
    return calm or not incident.flapping


def _covers(covered: Sequence[str], kind: str) -> bool:
    """Whether a kind is named in ``covered``, in full or by its family (``quality.*``)."""
    return any(kind == name or (name.endswith(".*") and kind.startswith(name[:-1])) for name in covered)

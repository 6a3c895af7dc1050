"""One incident explains others: they are tied to it, what is not sent yet is kept, and what stands says what it is part of."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.decide.consequences import Cause, causes
from afterpilot.domain.incident import Incident
from afterpilot.domain.message import Fact
from afterpilot.domain.run import FLEET
from afterpilot.notify.amended import EXPLAINED, because_of_it, explained_message
from afterpilot.record.alerts.linked_incidents import LinkedIncidents, Standing
from afterpilot.record.ops import Unit

UNSEEN = timedelta(days=8)  # whatever looks at all, looks once a week


@dataclass(frozen=True, slots=True)
class Sighting:
    """The moment at which incidents are looked at, and the run that does; None: a sweep, or a person."""

    at: datetime
    run_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Ties:
    """What has changed: incidents that have a cause now, those that lost theirs, and causes that explain more than before."""

    tied: Mapping[uuid.UUID, uuid.UUID]
    freed: tuple[uuid.UUID, ...]
    explaining: tuple[uuid.UUID, ...]


def tie(unit: Unit, standing: Sequence[Incident], found: set[uuid.UUID], seen: Sighting) -> Ties:
    """Tie the incidents of one workflow to those that explain them, and free the ones whose cause is over."""
    wanted = causes(standing, found) if len(standing) > 1 else {}
    tied: dict[uuid.UUID, uuid.UUID] = {}
    freed = []
    for incident in standing:
        cause = wanted.get(incident.id)
        if cause is not None and cause.incident.id != incident.cause_id:
            explain(unit, [incident], cause, seen)
            tied[incident.id] = cause.incident.id
        elif cause is None and _stands_alone(unit, incident, found=incident.id in found, at=seen.at):
            LinkedIncidents(unit.connection).stand_alone(incident.id, at=seen.at, run_id=seen.run_id)
            freed.append(incident.id)
    return Ties(tied, tuple(freed), tuple(dict.fromkeys(tied.values())))


def explain(unit: Unit, incidents: Sequence[Incident], cause: Cause, seen: Sighting) -> None:
    """Tie these to their cause. Letters that nobody has begun to send are not sent; a message that stands is edited, and nobody
    is notified.
    """
    linked, by = LinkedIncidents(unit.connection), {one.id: one for one in incidents}
    text = f"{_named(cause.incident)}: {cause.because}"
    linked.explain(list(by), cause.incident, at=seen.at, run_id=seen.run_id, text=text)
    linked.hold_back(list(by), explained_by(cause.incident.id))
    for place in linked.standing(list(by)):
        _edit(unit, by[place.incident_id], place, cause, seen)


def explained_by(cause: uuid.UUID) -> str:
    """Why a letter is not sent."""
    return f"explained by incident {str(cause)[:8]}"


def facts_of(unit: Unit, incident: Incident) -> tuple[Fact, ...]:
    """What the message of an incident says of its ties: what explains it, or what it explains."""
    linked = LinkedIncidents(unit.connection)
    if incident.cause_id is not None:
        cause = linked.get(incident.cause_id)
        return (Fact(EXPLAINED, _named(cause)),) if cause is not None else ()
    return because_of_it([one.title for one in linked.explained_by(incident.id)])


def _edit(unit: Unit, incident: Incident, place: Standing, cause: Cause, seen: Sighting) -> None:
    told = f"{_named(cause.incident)}: {cause.because}"
    unit.outbox.put(
        explained_message(place.message, told),
        dedupe_key=f"incident/{incident.id}/explained/{cause.incident.id}/{seen.at.isoformat()}/{place.target}/{place.channel}",
        workflow=incident.workflow,
        kind="incident",
        channel=place.channel,
        target=place.target,
        incident_id=incident.id,
        severity=incident.severity,
    )


def _stands_alone(unit: Unit, incident: Incident, *, found: bool, at: datetime) -> bool:
    """Whether it is to be told now, as nothing of its own workflow explains it: it was found again, or nothing has looked for it
    since its cause is over. The fleet's incident about what it hangs on explains it as long as that is not over.
    """
    cause = LinkedIncidents(unit.connection).get(incident.cause_id) if incident.cause_id is not None else None
    if cause is None:
        return False
    if cause.resolved_at is not None:
        return found or at - cause.resolved_at >= UNSEEN
    return found and not (cause.workflow == FLEET != incident.workflow and cause.hangs_on == incident.hangs_on)


def _named(incident: Incident) -> str:
    return f"{incident.title} (incident {str(incident.id)[:8]})"

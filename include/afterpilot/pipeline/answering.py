"""A person's answers to an incident: I have it, it may wait until then, it is settled. No run can know any of them.

Each answer is one transaction: the incident, its time line, and the edit of its message. The same answer twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.people import folded
from afterpilot.domain.run import FLEET
from afterpilot.domain.storable import storable
from afterpilot.domain.verdict import Finding
from afterpilot.domain.workflow import Workflow
from afterpilot.notify.text import clean
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.explaining import Sighting
from afterpilot.pipeline.first_digits import meant
from afterpilot.pipeline.rolling_up import roll_up
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.answers import Answers
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.ops import Unit

LONGEST_WAIVER = timedelta(days=90)
_LONGEST_TEXT = 4000  # characters of a note or a reason


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of an answer: the incident as it stands now, whether anything changed, and one sentence for whoever gave it."""

    incident: Incident
    changed: bool
    said: str


def acknowledge(services: Services, which: str, *, by: str, note: str = "", known: Mapping[str, Workflow]) -> Answered:
    """Take an incident up: nobody else is called about it or about what it explains. A graver turn is told all the same.

    ``which`` is its id or the first digits of it, ``known`` the workflows by slug.

    Raises:
        AnswerRefused: nobody says so, or no incident that is not over can be meant.
    """
    by, note, at = _somebody(by), _text(note), services.now()
    with services.ops.begin() as unit:
        incident = _unresolved(unit, which)
        if incident.state is IncidentState.ACKNOWLEDGED and folded(incident.acknowledged_by) == folded(by):
            since = f" since {_at(incident.acknowledged_at)}" if incident.acknowledged_at else ""
            return Answered(incident, changed=False, said=f"{by} has it{since} already; nothing was changed.")
        answers = Answers(unit.connection)
        taken = answers.acknowledge(incident, by=by, note=note, at=at)
        for other in answers.explained_by(incident.id):
            if other.state is IncidentState.OPEN:
                answers.acknowledge(other, by=by, note=f"with {_short(incident)}, which explains it", at=at)
        text = f"{by} has taken it up{f': {note}' if note else ''}"
        _tell(services, unit, known, News("acknowledged", taken, mark=at.isoformat(), said=text))
    return Answered(taken, changed=True, said=f"{by} has it now. Nobody else is called about it.")


def waive(
    services: Services, which: str, *, by: str, until: datetime, reason: str, known: Mapping[str, Workflow]
) -> Answered:
    """Let an incident wait until a time (aware): it is not told before, and told again then if it is still there.

    Raises:
        AnswerRefused: nobody says so or without a reason, the time is over or more than 90 days away, or no incident that is
            not over can be meant.
    """
    by, reason, at = _somebody(by), _text(reason), services.now()
    if not reason:
        raise AnswerRefused("Say why it may wait: whoever sees it next wants to know.")
    if until <= at:
        raise AnswerRefused(f"{_at(until)} is over; say a time that is to come.")
    if until > at + LONGEST_WAIVER:
        raise AnswerRefused(f"{_at(until)} is too far away: at most {LONGEST_WAIVER.days} days, then look again.")
    with services.ops.begin() as unit:
        incident = _unresolved(unit, which)
        if _waived_so(incident, by, until, reason):
            return Answered(
                incident, changed=False, said=f"It is waived until {_at(until)} already; nothing was changed."
            )
        waived = Answers(unit.connection).waive(incident, by=by, until=until, reason=reason, at=at)
        text = f"{by} has waived it until {_at(until)}: {reason}"
        _tell(services, unit, known, News("waived", waived, mark=at.isoformat(), said=text))
    return Answered(
        waived, changed=True, said=f"Waived until {_at(until)}. If it is still there then, it is told again."
    )


def settle(services: Services, which: str, *, by: str, note: str = "", known: Mapping[str, Workflow]) -> Answered:
    """End an incident, and with one of the fleet its parts: no run can know that deleted rows were meant to go. A run that finds
    it anew tells it anew.

    Raises:
        AnswerRefused: nobody says so, or no incident can be meant.
    """
    by, note, at = _somebody(by), _text(note), services.now()
    with services.ops.begin() as unit:
        incident = _meant(unit, which)
        if incident.state is IncidentState.RESOLVED:
            return Answered(
                incident, changed=False, said=f"It is over since {_at(incident.resolved_at)}; nothing was changed."
            )
        over = Answers(unit.connection).settle(incident, by=by, note=note, at=at)
        why = f"{by} says that it is settled{f': {note}' if note else ''}"
        _tell(services, unit, known, News("resolved", over, _sure(over, why), mark=at.isoformat()))
        if over.workflow == FLEET:
            _settle_parts(services, unit, over, by=by, at=at, known=known)
        elif over.hangs_on:  # the fleet's incident may have been about this one alone
            announce(services, unit, None, roll_up(unit, [over.hangs_on], Sighting(at)))
    return Answered(over, changed=True, said="It is over. A run that finds it anew tells it anew.")


def _settle_parts(
    services: Services, unit: Unit, whole: Incident, *, by: str, at: datetime, known: Mapping[str, Workflow]
) -> None:
    """What is part of a settled incident of the fleet is settled with it: else it would begin anew at once."""
    answers, text = Answers(unit.connection), f"with {_short(whole)}, which explains it"
    for part in answers.explained_by(whole.id):
        over = answers.settle(part, by=by, note=text, at=at)
        _tell(services, unit, known, News("resolved", over, _sure(over, f"{by} says so, {text}"), mark=at.isoformat()))


def _unresolved(unit: Unit, which: str) -> Incident:
    """The incident that is meant, which is not over."""
    incident = _meant(unit, which)
    if incident.state is IncidentState.RESOLVED:
        since = _at(incident.resolved_at)
        raise AnswerRefused(f"Incident {_short(incident)} is over since {since}; nothing was changed.")
    return incident


def _meant(unit: Unit, which: str) -> Incident:
    """The one incident of this id, or of these first digits, as it stands now; nobody else changes it meanwhile.

    One that is over is meant only where none that stands is. Raises AnswerRefused.
    """
    found = meant(
        which,
        Answers(unit.connection).find,
        what="incident",
        standing=lambda one: one.state is not IncidentState.RESOLVED,
    )
    return LinkedIncidents(unit.connection).hold(found) or found


def _tell(services: Services, unit: Unit, known: Mapping[str, Workflow], news: News) -> None:
    """Edit its message, with the evidence of the last run that saw it."""
    incident = news.incident
    cause = news.cause or Answers(unit.connection).last_finding(incident)
    told = replace(news, cause=cause, run_id=incident.run_id)
    announce(services, unit, known.get(incident.workflow), [told])


def _sure(incident: Incident, why: str) -> Finding:
    """How sure the message is that it is over: as sure as the person."""
    return Finding(
        workflow=incident.workflow,
        stage=incident.stage,
        kind=incident.kind,
        severity=incident.severity,
        title=incident.title,
        evidence={"certainty": why},
    )


def _waived_so(incident: Incident, by: str, until: datetime, reason: str) -> bool:
    """Whether the same person has said just that before."""
    same = (incident.waived_until, incident.waived_reason) == (until, reason)
    return same and incident.state is IncidentState.WAIVED and folded(incident.waived_by) == folded(by)


def _somebody(by: str) -> str:
    if not (name := _text(by)):
        raise AnswerRefused("Say who answers: the time line names them.")
    return name


def _text(text: str) -> str:
    return storable(clean(text))[:_LONGEST_TEXT]


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "an unknown time"


def _short(incident: Incident) -> str:
    return str(incident.id)[:8]

"""What is told when its time to be silent is over: waived incidents, and those whose messages a silence has kept."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from afterpilot.decide.routing import routed
from afterpilot.domain.alerting import Alert
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.services import Services
from afterpilot.record.answers import Answers
from afterpilot.record.linked_incidents import LinkedIncidents
from afterpilot.record.ops import Unit

_STILL = "it is still there"


@dataclass(frozen=True, slots=True)
class ToldAgain:
    """How many incidents were told because their waiver or their silence is over."""

    waivers: int = 0
    silences: int = 0


def tell_again(services: Services, known: Mapping[str, Workflow]) -> ToldAgain:
    """One sweep; ``known`` are the workflows by slug. Each incident is a transaction of its own, so that a crash loses none."""
    at = services.now()
    with services.ops.begin() as unit:
        answers = Answers(unit.connection)
        waived = answers.waivers_over(at)
        untold = [(one, message) for one, message in answers.untold(at) if not _kept(services, unit, known, one, at)]
    waivers = sum(_waiver_over(services, known, one) for one in waived)
    silences = sum(_silence_over(services, known, one, message) for one, message in untold)
    return ToldAgain(waivers, silences)


def _waiver_over(services: Services, known: Mapping[str, Workflow], seen: Incident) -> bool:
    """Open it again and tell it, unless somebody was faster."""
    at = services.now()
    with services.ops.begin() as unit:
        answers = Answers(unit.connection)
        incident = _locked(unit, seen)
        if incident is None or incident.state is not IncidentState.WAIVED or (incident.waived_until or at) > at:
            return False
        opened = answers.end_waiver(incident, at=at)
        news = News(
            "waiver_over",
            opened,
            answers.last_finding(opened),
            mark=str(incident.waived_until),
            run_id=opened.run_id,
            said=f"the waiver of {incident.waived_by} is over, {_STILL}",
        )
        announce(services, unit, known.get(opened.workflow), [news])
    return True


def _silence_over(services: Services, known: Mapping[str, Workflow], seen: Incident, message: uuid.UUID) -> bool:
    """Tell what a silence has kept, as it stands now, unless newer news came first; the message that was kept is its mark."""
    with services.ops.begin() as unit:
        answers = Answers(unit.connection)
        incident = _locked(unit, seen)
        if incident is None or all(kept != message for _, kept in answers.untold(services.now(), seen.id)):
            return False
        over = incident.state is IncidentState.RESOLVED
        news = News(
            "resolved" if over else "silence_over",
            incident,
            answers.last_finding(incident),
            mark=str(message),
            run_id=incident.run_id,
            said="" if over else f"the silence is over, {_STILL}",
        )
        announce(services, unit, known.get(incident.workflow), [news])
    return True


def _locked(unit: Unit, seen: Incident) -> Incident | None:
    """The incident as it stands now; nobody else changes it meanwhile. The locks are taken in the order of every stage."""
    unit.incidents.lock(seen.workflow)
    LinkedIncidents(unit.connection).lock([seen.hangs_on])
    return Answers(unit.connection).now(seen.id)


def _kept(services: Services, unit: Unit, known: Mapping[str, Workflow], incident: Incident, at: datetime) -> bool:
    """Whether its message would still not be sent: by a silence, a maintenance window or a route that leads nowhere."""
    workflow = known.get(incident.workflow)
    channel = workflow.channel if workflow else services.fleet.channel
    alert = Alert(incident.workflow, incident.kind, incident.severity, channel)
    own = workflow.alerts if workflow else None
    plan = routed(alert, fleet=services.fleet.alerts, own=own, silences=unit.silences.holding(at), at=at)
    return incident.cause_id is not None or bool(plan.silenced)

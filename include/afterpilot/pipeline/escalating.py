"""The sweep that calls somebody else about what nobody has taken up: the deputy in the incident's thread, then the channel.

Where many are due in one channel each takes its step by itself, on record, and one message calls about all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from afterpilot.decide.escalating import Call, due_at, next_call
from afterpilot.domain.incident import Incident
from afterpilot.domain.workflow import Person, Workflow
from afterpilot.pipeline.announcing import News, announce
from afterpilot.pipeline.keeping import kept_by
from afterpilot.pipeline.one_by_one import Swept, one_by_one
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.answers import Answers
from afterpilot.record.alerts.digests import Digests
from afterpilot.record.alerts.escalations import Escalations
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.ops import Unit

ALONE = 3  # calls of one sweep in one channel that are made one by one
APART = timedelta(minutes=15)  # between two calls about many in one channel


def escalate(services: Services, known: Mapping[str, Workflow]) -> Swept:
    """One sweep; ``known`` are the workflows by slug. Returns how many incidents somebody was called about.

    Each incident is looked at again under its workflow's lock: two sweeps call nobody twice.
    """
    with services.ops.begin() as unit:
        due = Escalations(unit.connection).due(services.now())
        together = _together(services, unit, known, due)
    return one_by_one(
        lambda one: _escalate(services, known.get(one.workflow), one, together),
        due,
        named=lambda one: f"incident {one.id}",
    )


def people_of(services: Services, workflow: Workflow | None) -> tuple[Person | None, Person | None]:
    """Owner and deputy; where there is no declaration that can be used, the operators of the fleet."""
    if workflow is not None:
        return workflow.owner, workflow.deputy
    first, second, *_ = (*services.fleet.operators, None, None)
    return first, second


def _together(
    services: Services, unit: Unit, known: Mapping[str, Workflow], due: Sequence[Incident]
) -> Mapping[str, datetime]:
    """The channels in which one message calls about all that is due, and when: at once, or a while after the last such call there."""
    at, digests = services.now(), Digests(unit.connection)
    counts = Counter(_channel(services, known.get(one.workflow)) for one in due)
    many = [channel for channel, count in counts.items() if count > ALONE]
    last = {channel: digests.called_last(channel, at) for channel in many}
    return {channel: at if (before := last[channel]) is None else max(at, before + APART) for channel in many}


def _channel(services: Services, workflow: Workflow | None) -> str:
    return workflow.channel if workflow else services.fleet.channel


def _escalate(services: Services, workflow: Workflow | None, seen: Incident, together: Mapping[str, datetime]) -> bool:
    at, fleet, own = services.now(), services.fleet.alerts, workflow.alerts if workflow else None
    with services.ops.begin() as unit:
        LinkedIncidents(unit.connection).hold(seen)
        escalations = Escalations(unit.connection)
        incident = next(iter(escalations.due(at, seen.id)), None)
        if incident is None:
            return False
        if kept_by(
            services, unit.silences.holding(at), workflow, incident, at=at
        ):  # it counts anew, so that it goes on when the silence is over
            later = due_at(incident.severity, at, fleet=fleet, own=own)
            escalations.take(incident, incident.escalation, next_at=later)
            return False
        owner, deputy = people_of(services, workflow)
        call = next_call(incident, owner=owner, deputy=deputy, at=at, fleet=fleet, own=own)
        if call is None:
            return False
        _call(services, unit, workflow, incident, call, together.get(_channel(services, workflow)))
    return True


def _call(
    services: Services,
    unit: Unit,
    workflow: Workflow | None,
    incident: Incident,
    call: Call,
    together: datetime | None,
) -> None:
    at = services.now()
    called = Escalations(unit.connection).take(incident, call.step, next_at=call.next_at)
    unit.incidents.note(incident.id, "escalated", at=at, text=call.said, about=call.whom)
    finding = Answers(unit.connection).last_finding(called)
    news = News(
        "escalated", called, finding, mark=at.isoformat(), run_id=called.run_id, said=call.said, together=together
    )
    announce(services, unit, workflow, [news])

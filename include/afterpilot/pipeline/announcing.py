"""How news about an incident becomes messages: composed, routed, and put into the outbox within the transaction of the news.

What is not sent (silenced, explained by another incident) is put there too, and says why.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from afterpilot.decide.routing import routed
from afterpilot.domain.alerting import Alert, Fate
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

# News that is worth a line in the thread: an edit of the message alone notifies nobody.
_IN_THREAD = (
    "resolved",
    "graver",
    "reopened",
    "escalated",
    "acknowledged",
    "waived",
    "waiver_over",
    "silence_over",
    "answered",
)


@dataclass(frozen=True, slots=True)
class News:
    """What happened to an incident. ``what`` is its word on the time line (opened, graver, changed, resolved …), ``mark`` makes
    the news one of its kind where the word alone does not (the run that found it). ``cause`` is the finding, where a run found it.
    ``channel`` replaces the workflow's own. ``said`` is the line in the thread, where the news has words of its own.
    """

    what: str
    incident: Incident
    cause: Finding | None = None
    mark: str = ""
    run_id: uuid.UUID | None = None
    channel: str = ""
    said: str = ""


def announce(services: Services, unit: Unit, workflow: Workflow | None, news: Sequence[News]) -> None:
    """Queue the messages of all news, each for every place that the routes name."""
    for one in news:
        _announce(services, unit, workflow, one)


def _announce(services: Services, unit: Unit, workflow: Workflow | None, news: News) -> None:
    incident, severity = news.incident, (news.cause or news.incident).severity
    channel = news.channel or (workflow.channel if workflow else services.fleet.channel)
    plan = routed(
        Alert(incident.workflow, incident.kind, severity, channel),
        fleet=services.fleet.alerts,
        own=workflow.alerts if workflow else None,
        silences=unit.silences.holding(services.now()),
        at=services.now(),
    )
    fate, why = _held(news, plan.silenced)
    message = services.messages.incident(
        incident, news.cause, workflow=workflow, run_id=news.run_id, news=news.what, said=news.said
    )
    name = f"incident/{incident.id}/{news.what}{f'/{news.mark}' if news.mark else ''}"
    for place, destination in enumerate(plan.to):
        unit.outbox.put(
            message,
            dedupe_key=f"{name}/{destination.target}/{destination.channel}" if place else name,
            workflow=incident.workflow,
            kind=news.what if news.what in _IN_THREAD else "incident",
            channel=destination.channel,
            target=destination.target,
            incident_id=incident.id,
            severity=severity,
            fate=Fate.DIGEST if destination.digest_at and fate is Fate.PENDING else fate,
            not_before=destination.digest_at,
            why=why,
        )


def _held(news: News, silenced: str) -> tuple[Fate, str]:
    """What becomes of the message of this news, and why where it is not sent. That somebody waived it is told, nothing after it."""
    incident = news.incident
    if incident.cause_id is not None:
        return Fate.SUPPRESSED, f"explained by incident {str(incident.cause_id)[:8]}"
    if incident.state is IncidentState.WAIVED and incident.waived_until is not None and news.what != "waived":
        return Fate.SILENCED, f"waived until {incident.waived_until:%Y-%m-%d %H:%M} UTC by {incident.waived_by}"
    return (Fate.SILENCED, silenced) if silenced else (Fate.PENDING, "")

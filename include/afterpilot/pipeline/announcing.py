"""How news about an incident becomes messages: composed, routed, and put into the outbox within the transaction of the news.

What is not sent (silenced, explained by another incident) is put there too, and says why.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from afterpilot.decide.consequences import may_explain
from afterpilot.decide.escalating import due_at
from afterpilot.decide.routing import followed, next_digest, routed
from afterpilot.decide.watching import EVERYWHERE, everywhere
from afterpilot.domain.alerting import SLACK, Alert, Destination, Fate, Routed
from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import About
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.explaining import explained_by, facts_of
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.escalations import Escalations
from afterpilot.record.alerts.linked_incidents import LinkedIncidents
from afterpilot.record.alerts.told_places import told_places
from afterpilot.record.ops import Unit

# How long a letter waits whose incident hangs on what others may hang on: forty of them become one before the first is sent.
TOGETHER = timedelta(seconds=30)

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
_BACK = ("flapping", "unexplained")  # told like one that is back

# News that makes the incident somebody's to take up anew.
_ANEW = ("opened", "graver", "reopened", "waiver_over", "silence_over", *_BACK)


@dataclass(frozen=True, slots=True)
class News:
    """What happened to an incident. ``what`` is its word on the time line (opened, graver, changed, resolved …), ``mark`` makes
    the news one of its kind where the word alone does not (the run that found it). ``cause`` is the finding, where a run found it.
    ``channel`` replaces the workflow's own. ``said`` is the line in the thread, where the news has words of its own. ``together`` is
    when the news is told with others of its kind in one message to people; None: alone, at once.
    """

    what: str
    incident: Incident
    cause: Finding | None = None
    mark: str = ""
    run_id: uuid.UUID | None = None
    channel: str = ""
    said: str = ""
    together: datetime | None = None


def announce(services: Services, unit: Unit, workflow: Workflow | None, news: Sequence[News]) -> None:
    """Queue the messages of all news, each for every place that the routes name."""
    for one in news:
        _announce(services, unit, workflow, one)


def _announce(services: Services, unit: Unit, workflow: Workflow | None, news: News) -> None:
    incident, severity = news.incident, (news.cause or news.incident).severity
    channel = news.channel or (workflow.channel if workflow else services.fleet.channel)
    plan = _plan(
        services, unit, workflow, news, Alert(incident.workflow, incident.kind, severity, channel, _mail(workflow))
    )
    if news.together is not None:
        plan = _together(services, plan, news.together)
    fate, why, kind = _held(unit, news, plan.silenced)
    message = services.messages.incident(
        incident, news.cause, workflow=workflow, run_id=news.run_id, news=news.what, said=news.said
    )
    if incident.cause_id is not None or may_explain(incident.kind):
        message = replace(message, facts=(*message.facts, *facts_of(unit, incident)))
    quiet = kind == "incident" and news.what != "opened"
    message = replace(message, about=_about(services, news, severity, quiet=quiet))
    waits = _waits(news) if fate is Fate.PENDING else None
    name = _name(news)
    for place, destination in enumerate(plan.to):
        unit.outbox.put(
            message,
            dedupe_key=f"{name}/{destination.target}/{destination.channel}" if place else name,
            workflow=incident.workflow,
            kind="incident" if _in_digest(news, destination) else kind,
            channel=destination.channel,
            target=destination.target,
            incident_id=incident.id,
            severity=severity,
            fate=Fate.DIGEST if destination.digest_at and fate is Fate.PENDING else fate,
            not_before=destination.digest_at or waits,
            why=why,
        )
    if fate is Fate.PENDING and any(one.digest_at is None for one in plan.to):
        _expect(services, unit, workflow, news, severity)


def _plan(services: Services, unit: Unit, workflow: Workflow | None, news: News, alert: Alert) -> Routed:
    """Where the news goes: by the routes, and where the incident was told before."""
    at, fleet, own = services.now(), services.fleet.alerts, workflow.alerts if workflow else None
    plan = routed(alert, fleet=fleet, own=own, silences=unit.silences.holding(at), at=at)
    if alert.kind in EVERYWHERE:
        plan = everywhere(plan, fleet)
    if news.what == "escalated":  # whoever is called is called in the channel, too, where it was told elsewhere alone
        plan = replace(plan, to=(Destination(SLACK, alert.channel),))
    if news.what == "opened":
        return plan
    told = [
        Destination(target, channel, next_digest(fleet, own, at) if waits else None)
        for target, channel, waits in told_places(unit.connection, news.incident.id)
    ]
    return followed(plan, told, anew=news.what in (*_ANEW, "escalated"), over=news.what == "resolved")


def _together(services: Services, plan: Routed, at: datetime) -> Routed:
    """The plan with its places for people waiting until then; what is told to a program tells each by itself, and what waits for the
    day's digest goes on waiting.
    """
    apart = {one.name for one in services.fleet.alerts.targets if one.kind in ("pagerduty", "webhook")}
    to = (one if one.target in apart or one.digest_at else replace(one, digest_at=at) for one in plan.to)
    return replace(plan, to=tuple(to))


def _expect(services: Services, unit: Unit, workflow: Workflow | None, news: News, severity: Severity) -> None:
    """Set when somebody else is called, now that this one was told and waits for somebody to take it up."""
    incident = news.incident
    if incident.state is not IncidentState.OPEN or incident.cause_id is not None or news.what == "escalated":
        return
    own = workflow.alerts if workflow else None
    due = due_at(severity, services.now(), fleet=services.fleet.alerts, own=own)
    if due is not None:
        Escalations(unit.connection).expect(incident.id, due, anew=news.what in _ANEW)


def _about(services: Services, news: News, severity: Severity, *, quiet: bool) -> About:
    incident, at = news.incident, services.now().isoformat()
    return About(
        incident=str(incident.id),
        workflow=incident.workflow,
        kind=incident.kind,
        severity=str(severity),
        state=str(incident.state),
        event=news.what,
        at=at,
        quiet=quiet,
    )


def _mail(workflow: Workflow | None) -> str:
    return workflow.owner.email if workflow else ""


def _held(unit: Unit, news: News, silenced: str) -> tuple[Fate, str, str]:
    """What becomes of the message of this news, why where it is not sent, and its kind. That somebody waived it is told, nothing
    after it. What another incident explains is not told; where it was told before, its message is edited, and nobody is notified.
    """
    incident = news.incident
    kind = "reopened" if news.what in _BACK else news.what if news.what in _IN_THREAD else "incident"
    if incident.cause_id is not None:
        if not LinkedIncidents(unit.connection).told(incident.id):
            return Fate.SUPPRESSED, explained_by(incident.cause_id), kind
        kind = "incident"
    if incident.state is IncidentState.WAIVED and incident.waived_until is not None and news.what != "waived":
        return (
            Fate.SILENCED,
            f"waived until {incident.waived_until:%Y-%m-%d %H:%M} UTC by {incident.waived_by}",
            kind,
        )
    return (Fate.SILENCED, silenced, kind) if silenced else (Fate.PENDING, "", kind)


def _in_digest(news: News, place: Destination) -> bool:
    """Whether a place that is told once a day hears there that nobody takes it up: nobody is called in it."""
    return news.what == "escalated" and place.digest_at not in (None, news.together)


def _waits(news: News) -> datetime | None:
    """Until when a first message waits for others of the same cause; by the real clock, as the outbox goes by its own."""
    alone = not news.incident.hangs_on or news.incident.workflow == FLEET
    return None if alone or news.what not in ("opened", "reopened", *_BACK) else datetime.now(UTC) + TOGETHER


def _name(news: News) -> str:
    """The name of this news: the same for every attempt, another one each time that the incident comes back."""
    again = f"again-{news.incident.reopened}" if news.incident.reopened else ""
    return "/".join(part for part in ("incident", str(news.incident.id), news.what, news.mark, again) if part)

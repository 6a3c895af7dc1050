"""Incidents of what is found outside of any run: by a sweep."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from afterpilot.decide import incidents as life_cycle
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit

_AT_CAPS = (
    "spend.over_cap",
    "spend.near_cap",
    "spend.crossing",
    "spend.burning",
    "spend.leaking",
)  # they ask, gravest first
_ANSWER = "Answer"


def tell(services: Services, unit: Unit, workflow: Workflow, result: StageResult) -> None:
    """Open, renew and end the incidents that the result covers, and queue their messages, within the caller's transaction."""
    unit.incidents.lock(workflow.slug)
    at = services.now()
    changes = life_cycle.changes(result, unit.incidents.unresolved(workflow.slug))
    news = [("opened", unit.incidents.open(one, run_id=None, at=at), one) for one in changes.opened]
    for incident, finding in changes.again:
        if (incident.title, incident.detail) != (finding.title, finding.detail):
            again = unit.incidents.see_again(incident, finding, run_id=incident.run_id, at=at)
            news.append((f"changed/{at.isoformat()}", again, finding))
    ended = [unit.incidents.resolve(incident, run_id=None, at=at) for incident in changes.resolved]
    for what, about, cause in [*news, *(("resolved", one, None) for one in ended)]:
        unit.outbox.put(
            services.messages.incident(about, cause, workflow=workflow),
            dedupe_key=f"incident/{about.id}/{what}",
            workflow=workflow.slug,
            kind="resolved" if what == "resolved" else "incident",
            channel=workflow.channel,
            incident_id=about.id,
        )


def tell_answer(unit: Unit, workflow: str, channel: str, text: str, *, reference: str, at: datetime) -> None:
    """What a person has answered at a cap: on the time line of the cap's incident and in its thread; where there is none, in the
    channel. ``reference`` tells this answer from any other.
    """
    open_ones = {one.kind: one for one in unit.incidents.unresolved(workflow) if one.kind in _AT_CAPS}
    incident = next((open_ones[kind] for kind in _AT_CAPS if kind in open_ones), None)
    if incident is not None:
        unit.incidents.note(incident.id, "answered", at=at, text=text)
    last = unit.outbox.last(incident.id) if incident else None
    title = f"{workflow}: an answer about a cap"
    if last is not None:
        stands, channel = last
        facts = tuple(fact for fact in stands.facts if fact.label != _ANSWER)
        message = replace(stands, notification=text, facts=(*facts, Fact(_ANSWER, text)))
    else:
        message = Message(tone="info", title=title, summary=text, notification=text)
    if channel:
        unit.outbox.put(
            message,
            dedupe_key=f"cap_raise/{reference}",
            workflow=workflow,
            kind="answered",
            channel=channel,
            incident_id=incident.id if incident else None,
        )

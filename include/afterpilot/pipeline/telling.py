"""Incidents of what is found outside of any run: by a sweep."""

from __future__ import annotations

from afterpilot.decide import incidents as life_cycle
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit


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

"""Whether messages about an incident are kept at this moment."""

from __future__ import annotations

from afterpilot.decide.routing import routed
from afterpilot.domain.alerting import Alert
from afterpilot.domain.incident import Incident
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit


def kept_by(services: Services, unit: Unit, workflow: Workflow | None, incident: Incident) -> str:
    """Why: the silence, the maintenance window or the route that leads nowhere; empty where none holds."""
    at = services.now()
    channel = workflow.channel if workflow else services.fleet.channel
    return routed(
        Alert(incident.workflow, incident.kind, incident.severity, channel),
        fleet=services.fleet.alerts,
        own=workflow.alerts if workflow else None,
        silences=unit.silences.holding(at),
        at=at,
    ).silenced

"""Whether messages about an incident are kept at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from afterpilot.decide.routing import routed
from afterpilot.domain.alerting import Alert, Silence
from afterpilot.domain.incident import Incident
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.services import Services


def kept_by(
    services: Services, silences: Sequence[Silence], workflow: Workflow | None, incident: Incident, *, at: datetime
) -> str:
    """Why: one of these silences, the maintenance window or the route that leads nowhere; empty where none holds."""
    channel = workflow.channel if workflow else services.fleet.channel
    return routed(
        Alert(incident.workflow, incident.kind, incident.severity, channel),
        fleet=services.fleet.alerts,
        own=workflow.alerts if workflow else None,
        silences=silences,
        at=at,
    ).silenced

"""What looks after alerts every minute: what is told again, who is called next, which digests are due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.digesting import send_digests
from afterpilot.pipeline.escalating import escalate
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.waivers import end_waivers, tell_unsilenced


@dataclass(frozen=True, slots=True)
class SweptAlerts:
    """What a sweep did: incidents told again after a waiver or a silence, those somebody else was called about, digests queued;
    and how many of all of these broke.
    """

    waivers: int = 0
    silences: int = 0
    called: int = 0
    digests: int = 0
    broken: int = 0


def sweep_alerts(services: Services, known: Mapping[str, Workflow]) -> SweptAlerts:
    """One sweep; ``known`` are the workflows by slug."""
    parts = [act(services, known) for act in (end_waivers, tell_unsilenced, escalate, send_digests)]
    waivers, silences, called, digests = (part.done for part in parts)
    return SweptAlerts(waivers, silences, called, digests, sum(part.broken for part in parts))

"""Who is called next about an incident that nobody takes up: the owner is called at once, then the deputy, then the channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from afterpilot.decide.routing import hours_of
from afterpilot.domain.alerting import Alerting, Escalation
from afterpilot.domain.incident import Incident
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Person

DEPUTY, CHANNEL = 1, 2  # steps of Incident.escalation


@dataclass(frozen=True, slots=True)
class Call:
    """A step of escalation: 1 calls the deputy, 2 the channel; in words, and when the step after it is due, if there is one."""

    step: int
    said: str
    next_at: datetime | None
    whom: str = ""  # the person who is called, where it is one


def terms_of(severity: Severity, fleet: Alerting, own: Alerting | None) -> Escalation | None:
    """After how long somebody else is called; None where nobody is. What a workflow declares stands in place of the fleet's."""
    declared = own.escalate if own is not None and own.escalate is not None else fleet.escalate
    return (declared or {}).get(severity)


def due_at(severity: Severity, at: datetime, *, fleet: Alerting, own: Alerting | None) -> datetime | None:
    """When the next step is due for what was told at that moment; None where nobody is called."""
    terms = terms_of(severity, fleet, own)
    if terms is None:
        return None
    return hours_of(fleet, own).after(at, terms.after) if terms.hours == "working" else at + terms.after


def next_call(
    incident: Incident,
    *,
    owner: Person | None,
    deputy: Person | None,
    at: datetime,
    fleet: Alerting,
    own: Alerting | None,
) -> Call | None:
    """The step that is due now; None where every step was taken. A deputy who is nobody else is left out."""
    if incident.escalation >= CHANNEL:
        return None
    waited = f"nobody has taken it up{_after(terms_of(incident.severity, fleet, own))}"
    if incident.escalation < DEPUTY and deputy is not None and (owner is None or deputy.slack != owner.slack):
        due = due_at(incident.severity, at, fleet=fleet, own=own)
        return Call(DEPUTY, f"{waited}: {deputy.name}, the deputy, is called", due, deputy.name)
    return Call(CHANNEL, f"{waited}: everybody in the channel is called", None)


def in_words(terms: Escalation) -> str:
    """``15 min``, ``4 h of working time``."""
    minutes = int(terms.after.total_seconds() // 60)
    length = f"{minutes} min" if minutes % 60 else f"{minutes // 60} h" if minutes % 1440 else f"{minutes // 1440} d"
    return f"{length} of working time" if terms.hours == "working" else length


def _after(terms: Escalation | None) -> str:
    return f" within {in_words(terms)}" if terms else ""

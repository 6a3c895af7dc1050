"""How an incident stands, in words that can be told at a glance: severity and state before the title, and the line on a phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.message import Tone
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Severity

_TONES: dict[Severity, Tone] = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.UNKNOWN: "unknown",
    Severity.INFO: "info",
}
_WORDS: dict[Severity, str] = {
    Severity.CRITICAL: "FAIL",
    Severity.WARNING: "WARN",
    Severity.UNKNOWN: "UNKNOWN",
    Severity.INFO: "NOTE",
}

_SHORT = {IncidentState.ACKNOWLEDGED: "ACK", IncidentState.WAIVED: "WAIVED", IncidentState.RESOLVED: "OVER"}


def tone(incident: Incident, severity: Severity) -> Tone:
    """The sign of a message: by severity, calm while the incident is waived, good when it is over."""
    if incident.state is IncidentState.RESOLVED:
        return "good"
    return "info" if incident.state is IncidentState.WAIVED else _TONES[severity]


def badge(incident: Incident, severity: Severity) -> str:
    """Severity and state as the words before the title, e.g. ``FAIL``, ``FAIL · ACK``, ``OVER after 3 h 12 min``."""
    if incident.state is IncidentState.RESOLVED:
        return f"OVER after {duration(incident)}"
    return " · ".join(part for part in (_WORDS[severity], _state(incident)) if part)


def notification(incident: Incident, severity: Severity, title: str, *, news: str = "", said: str = "") -> str:
    """The line that a phone shows: what happened to which workflow, e.g. ``ACK by Dana Ruiz · invoice_matching: …``.

    ``news`` is what has just happened to it, as its time line calls it; without it the line says how the incident stands.
    ``said`` tells the news in a sentence.
    """
    about = f"{whose(incident.workflow)}: {title}"
    word = _WORDS[severity]
    if said:
        # What has just happened comes first: a phone cuts the line, and in the thread the title stands above.
        return f"{_SHORT.get(incident.state, word)} {whose(incident.workflow)}: {said} · {title}"
    lines = {
        "graver": f"{word}, graver than before: {about}",
        "reopened": f"{word}, back again: {about}",
        "escalated": f"{word}, not taken up by anybody: {about}",
        "acknowledged": f"ACK by {incident.acknowledged_by or 'somebody'} · {about}",
        "waived": f"WAIVED until {_until(incident)} by {incident.waived_by or 'somebody'} · {about}",
        "resolved": f"OVER after {duration(incident)} · {about}",
    }
    if news in lines:
        return lines[news]
    if incident.state is not IncidentState.OPEN:
        return lines[str(incident.state)]
    return f"{word} still: {about}" if incident.occurrences > 1 else f"{word} {about}"


def whose(workflow: str) -> str:
    """What people call a workflow in a message: by its name; what is of all of them is the fleet's."""
    return "Fleet" if workflow == FLEET else workflow


def duration(incident: Incident) -> str:
    """How long an incident that is over lasted."""
    return lasted((incident.resolved_at or incident.last_seen_at) - incident.opened_at)


def lasted(span: timedelta) -> str:
    """A span of time in its two largest units, e.g. ``3 h 12 min``."""
    minutes = max(int(span.total_seconds() // 60), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else "less than a minute"


def at(moment: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _state(incident: Incident) -> str:
    if incident.state is IncidentState.ACKNOWLEDGED:
        return "ACK"
    if incident.state is IncidentState.WAIVED:
        return "WAIVED"
    if incident.escalation:
        return "ESCALATED"
    if incident.flapping:
        return "FLAPPING"
    return "BACK AGAIN" if incident.reopened else ""


def _until(incident: Incident) -> str:
    return at(incident.waived_until) if incident.waived_until else "it is ended"

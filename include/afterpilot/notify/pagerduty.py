"""PagerDuty's Events API v2 as a transport: an incident is one alert there, triggered, acknowledged and resolved by its own state.

``dedup_key`` is the incident's id, so that an event that is sent again after a lost reply is the same one. A waived incident is
resolved there, as PagerDuty knows no waiver that would page again at its end; then it is triggered anew. What only changed is not
sent. Whoever acknowledges in PagerDuty acknowledges there alone.
Reference: https://developer.pagerduty.com/docs/events-api-v2/overview/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import AfterpilotError, ConfigurationError, DeliveryNeedless, DeliveryRefused
from afterpilot.domain.incident import IncidentState
from afterpilot.domain.message import Message, Tone
from afterpilot.domain.verdict import Severity
from afterpilot.notify.blocks import safe_links
from afterpilot.notify.http_post import Reply, checked, judged, post
from afterpilot.notify.text import clean, one_line

PATH = "/v2/enqueue"
_SUMMARY, _VALUE = 1024, 1000  # the first is PagerDuty's own limit, in characters
_SEVERITIES = {
    Severity.CRITICAL: "critical",
    Severity.UNKNOWN: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_BY_TONE: dict[Tone, str] = {"critical": "critical", "unknown": "error", "warning": "warning"}
_ACTIONS: dict[str, Literal["trigger", "acknowledge", "resolve"]] = {
    IncidentState.OPEN: "trigger",
    IncidentState.ACKNOWLEDGED: "acknowledge",
    IncidentState.WAIVED: "resolve",
    IncidentState.RESOLVED: "resolve",
}


class PagerDuty:
    """Sends events to one service.

    Args:
        endpoint: ``https://events.pagerduty.com`` or the one of the service region; its secret is the integration's routing key.
        place: what it is called in errors.
        pace: seconds between two events.

    Raises:
        ConfigurationError: there is no routing key, or the address cannot be one.
    """

    name = "pagerduty"
    threads = False

    def __init__(self, endpoint: Endpoint, *, place: str = "PagerDuty", pace: float = 0.5) -> None:
        if not endpoint.secret:
            raise ConfigurationError(f"{place} has no password: the routing key of an Events API v2 integration")
        url = endpoint.url.rstrip("/")
        self._url = checked(url if url.endswith(PATH) else f"{url}{PATH}", place=place)
        self._key = endpoint.secret
        self._place = place
        self.pace = pace

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Send the event of the incident's state. Raises DeliveryError."""
        del thread, picture
        content = json.dumps({"routing_key": self._key, **event(message, reference=reference)}).encode()
        reply = post(self._url, content, {}, place=self._place, secrets=(self._key,))
        if (error := _judged(reply, self._place)) is not None:
            raise error
        return Posted(channel, f"event-{reference}", str(reply))

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Send the event of the incident's state now. Raises DeliveryNeedless where it only changed."""
        if message.about is not None and message.about.quiet:
            raise DeliveryNeedless("PagerDuty takes no edits, and this change calls for nobody")
        return self.post(posted.channel, message, reference=reference)

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Events cannot be read back; one that is sent again is the same one there."""
        del channel, reference, since, thread
        return None


def event(message: Message, *, reference: str) -> Mapping[str, Any]:
    """The event without its routing key; a message that is about no incident triggers one of its own."""
    about = message.about
    action = _ACTIONS[about.state] if about else "trigger"
    key = about.incident if about else reference
    if action != "trigger":
        return {"event_action": action, "dedup_key": key}
    severity = _SEVERITIES[Severity(about.severity)] if about else _BY_TONE.get(message.tone, "info")
    facts = {one_line(fact.label): clean(fact.value)[:_VALUE] for fact in (*message.facts, *message.details)}
    payload = {
        "summary": (one_line(message.notification) or one_line(message.title) or "A message")[:_SUMMARY],
        "source": about.workflow if about else "afterpilot",
        "severity": severity,
        "class": about.kind if about else "message",
        "component": "afterpilot",
        "custom_details": {"summary": clean(message.summary)[:_VALUE], **facts},
    }
    if about:
        payload["timestamp"] = about.at
    links = [{"href": link.url, "text": one_line(link.text)} for link in safe_links(message.links)]
    return {"event_action": action, "dedup_key": key, "payload": payload, "client": "Afterpilot", "links": links}


def _judged(reply: Reply, place: str) -> AfterpilotError | None:
    """400 is an event that is no good, or a routing key that is none: the words say which."""
    error = judged(reply, place=place)
    if isinstance(error, DeliveryRefused) and "routing_key" in reply.words:
        return ConfigurationError(str(error))
    return error

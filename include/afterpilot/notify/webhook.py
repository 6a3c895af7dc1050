"""A signed webhook as a transport: every news of an incident as JSON, to a program of the company's own.

Signed as Standard Webhooks 1.0.0 says (:mod:`afterpilot.domain.signing`). A news that is sent again after a lost reply bears the same
``webhook-id`` and ``Idempotency-Key``, by which the receiver takes it once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.message import Fact, Message
from afterpilot.domain.signing import PREFIX, signed_headers, signing_key
from afterpilot.notify.blocks import safe_links
from afterpilot.notify.http_post import checked, judged, post
from afterpilot.notify.text import clean, one_line

MESSAGE = "message"  # as an event: something that is about no incident
_TEXT, _POINTS = 4000, 100


class WebhookTransport:
    """Posts to the address of one connection; its password is a bearer token, where there is one.

    Args:
        endpoint: where, and the secret to sign with.
        place: what the receiver is called in errors.
        pace: seconds between two posts.

    Raises:
        ConfigurationError: there is nothing to sign with, or the address cannot be one.
    """

    name = "webhook"
    threads = False

    def __init__(self, endpoint: Endpoint, *, place: str = "the webhook", pace: float = 0.2) -> None:
        if not endpoint.signing_secret:
            raise ConfigurationError(f"{place} has no signing_secret in its extra: nothing is sent unsigned")
        try:
            signing_key(endpoint.signing_secret)
        except ValueError:
            raise ConfigurationError(
                f"the signing_secret of {place} begins with {PREFIX}, but is no base64 after it"
            ) from None
        self._url = checked(endpoint.url, place=place)
        self._endpoint = endpoint
        self._place = place
        self.pace = pace

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post it. Raises DeliveryError."""
        del thread, picture
        content = body(message)
        signed = signed_headers(self._endpoint.signing_secret, reference, int(time.time()), content)
        headers = {"Idempotency-Key": reference, **signed}
        if self._endpoint.secret:
            headers["Authorization"] = f"Bearer {self._endpoint.secret}"
        secrets = (self._endpoint.secret, self._endpoint.signing_secret)
        reply = post(self._url, content, headers, place=self._place, secrets=secrets)
        if (error := judged(reply, place=self._place)) is not None:
            raise error
        return Posted(channel, f"event-{reference}", str(reply))

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Post the later news as an event of its own. Raises DeliveryError."""
        return self.post(posted.channel, message, reference=reference)

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """The receiver is not asked: it knows a repetition by its key."""
        del channel, reference, since, thread
        return None


def body(message: Message) -> bytes:
    """What the receiver is told, as JSON: the same bytes for each attempt."""
    about = message.about
    told = {
        "event": about.event if about else MESSAGE,
        "incident": about.incident if about else None,
        "workflow": about.workflow if about else None,
        "kind": about.kind if about else None,
        "severity": about.severity if about else None,
        "state": about.state if about else None,
        "title": one_line(message.title),
        "summary": clean(message.summary)[:_TEXT],
        "notification": one_line(message.notification),
        "facts": _facts(message.facts),
        "details": _facts(message.details),
        "points": [one_line(point)[:_TEXT] for point in message.points[:_POINTS]],
        "links": [{"text": one_line(link.text), "url": link.url} for link in safe_links(message.links)],
        "at": _utc(about.at) if about else None,
    }
    return json.dumps(told).encode()


def _facts(facts: Sequence[Fact]) -> list[dict[str, str]]:
    return [{"label": one_line(fact.label), "value": clean(fact.value)[:_TEXT]} for fact in facts]


def _utc(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).isoformat()

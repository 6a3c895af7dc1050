"""Slack's incoming webhook as a transport: one channel, no token, nothing can be edited or found again.

So an incident is a message when it opens, another one when it gets graver, is taken up or comes back, and a last one when it is over.
What only changed meanwhile is not sent. Where a reply is lost the message is sent again: it may stand there twice, never not at all.
Charts cannot be sent.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryGone,
    DeliveryNeedless,
    DeliveryRefused,
)
from afterpilot.domain.message import Message
from afterpilot.notify.blocks import render
from afterpilot.notify.http_post import Reply, checked, judged, post

_HOOK_AT_FAULT = {
    "invalid_token",
    "no_team",
    "no_service",
    "no_active_hooks",
    "channel_is_archived",
    "channel_not_found",
}


class IncomingWebhook:
    """Posts to one webhook.

    Args:
        url: the webhook's address; whoever knows it can post, so it is a secret.
        place: what the webhook is called in errors.
        pace: seconds between two posts (Slack allows about one a second).

    Raises:
        ConfigurationError: the address cannot be one.
    """

    name = "slack_webhook"
    threads = False

    def __init__(self, url: str, *, place: str = "Slack's incoming webhook", pace: float = 1.0) -> None:
        self._url = checked(url, place=place)
        self._place = place
        self._secrets = (url, urlsplit(url).path, url.rpartition("/")[2])
        self.pace = pace

    @classmethod
    def at(cls, endpoint: Endpoint, *, place: str) -> IncomingWebhook:
        """The webhook of a connection: its password is the whole address, or what follows the connection's own."""
        if not endpoint.secret:
            raise ConfigurationError(
                f"{place} has no password: the webhook's address, or what follows /services/ in it"
            )
        whole = endpoint.secret.startswith(("http://", "https://"))
        return cls(
            endpoint.secret if whole else f"{endpoint.url.rstrip('/')}/{endpoint.secret.lstrip('/')}", place=place
        )

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Post it with its details, as there is no thread for them. Raises DeliveryError."""
        del thread, picture
        whole = replace(message, facts=(*message.facts, *message.details), details=())
        rendered = render(whole)
        told = {"text": rendered.text, "blocks": rendered.blocks, "unfurl_links": False, "unfurl_media": False}
        reply = post(self._url, json.dumps(told).encode(), {}, place=self._place, secrets=self._secrets)
        if (error := _judged(reply, self._place)) is not None:
            raise error
        return Posted(channel, f"webhook-{reference}", str(reply))

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Post it as a message of its own where somebody has to know. Raises DeliveryNeedless where not."""
        if posted.ts.startswith("preview-"):
            raise DeliveryGone("the message was only shown in the preview")
        if message.about is not None and message.about.quiet:
            raise DeliveryNeedless("an incoming webhook cannot edit, and this change is no message of its own")
        return self.post(posted.channel, message, reference=reference)

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Nothing can be read through a webhook."""
        del channel, reference, since, thread
        return None


def _judged(reply: Reply, place: str) -> AfterpilotError | None:
    """Slack says why in the body, in one word (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""
    error = judged(reply, place=place)
    if isinstance(error, DeliveryRefused) and reply.words in _HOOK_AT_FAULT:
        return ConfigurationError(str(error))
    return error

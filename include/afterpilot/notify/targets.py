"""The transport of each declared target, by its kind; one whose connection is missing holds its letters until it is there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NoReturn

from afterpilot.domain.alerting import Target
from afterpilot.domain.connections import AlertConnections
from afterpilot.domain.delivery import Posted, Transport
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.message import Message

log = logging.getLogger(__name__)


def transports_of(targets: Iterable[Target], connections: AlertConnections) -> Mapping[str, Transport]:
    """What delivers to each target, by its name. None of them keeps the others from being built."""
    return {target.name: _transport_of(target, connections) for target in targets}


def _transport_of(target: Target, connections: AlertConnections) -> Transport:
    try:
        return _built(target, connections)
    except ConfigurationError as error:
        return NotThere(f"the target {target.name!r}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever keeps connections; its text may hold one
        log.warning("the connection of the target %s could not be read (%s)", target.name, type(error).__name__)
        return NotThere(f"the target {target.name!r}: its connection could not be read ({type(error).__name__})")


def _built(target: Target, connections: AlertConnections) -> Transport:
    place = f"the connection {target.connection!r} of the target {target.name!r}"
    match target.kind:
        case "slack_webhook":
            from afterpilot.notify.incoming_webhook import IncomingWebhook

            return IncomingWebhook.at(connections.endpoint(target.connection), place=place)
        case "email":
            from afterpilot.notify.email import MailTransport

            return MailTransport(connections.mail_server(target.connection), place=place)
        case "webhook":
            from afterpilot.notify.webhook import WebhookTransport

            return WebhookTransport(connections.endpoint(target.connection), place=place)
        case "pagerduty":
            from afterpilot.notify.pagerduty import PagerDuty

            return PagerDuty(connections.endpoint(target.connection), place=place)
        case _:
            raise ConfigurationError(f"nothing delivers to a target of the kind {target.kind!r}")


class NotThere:
    """Stands for a target that cannot be reached until somebody mends the installation: its letters stay."""

    name = "none"
    pace = 0.0
    threads = False

    def __init__(self, why: str) -> None:
        self._why = why

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Raises ConfigurationError."""
        del channel, message, reference, thread, picture
        self._stop()

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Raises ConfigurationError."""
        del posted, message, reference
        self._stop()

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """Raises ConfigurationError."""
        del channel, reference, since, thread
        self._stop()

    def _stop(self) -> NoReturn:
        raise ConfigurationError(self._why)

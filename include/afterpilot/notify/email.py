"""Mail by SMTP as a transport: an incident is a thread, its end a reply in it; what was sent cannot be edited.

The Message-ID is made of the letter's own id, so that a mail that is handed in twice, after a lost reply, is the same mail to the
programs that look at it. What only changed is not sent. Where the server takes a mail for some of its recipients, the
others are logged.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, Policy
from email.utils import localtime
from typing import Any

from afterpilot.domain.connections import MailServer
from afterpilot.domain.delivery import Posted
from afterpilot.domain.errors import ConfigurationError, DeliveryGone, DeliveryNeedless, DeliveryRefused
from afterpilot.domain.message import Message
from afterpilot.notify.mail_body import html, plain, subject
from afterpilot.notify.smtp import hand_in
from afterpilot.notify.text import one_line

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,240}>")
_ID_PART = re.compile(r"[^A-Za-z0-9._-]+")


class _Ids(UnstructuredHeader, BaseHeader):
    """Ids of mails, one on a line: the standard library would write long ones as encoded words, which no program takes for ids."""

    def fold(self, *, policy: Policy[Any]) -> str:
        """The header as it is sent."""
        return f"{self.name}: {f'{policy.linesep} '.join(str(self).split())}{policy.linesep}"


def _policy() -> EmailPolicy[Any]:
    headers = HeaderRegistry()
    for name in ("message-id", "references", "in-reply-to"):
        headers.map_to_type(name, _Ids)
    return SMTP.clone(header_factory=headers)


class MailTransport:
    """Sends mail from one server. A channel is one or more addresses, with commas between them.

    Args:
        server: where mail is handed in.
        place: what the server is called in errors.
        pace: seconds between two mails to the same people.

    Raises:
        ConfigurationError: the sender is no address.
    """

    name = "email"
    threads = False

    def __init__(self, server: MailServer, *, place: str = "the mail server", pace: float = 1.0) -> None:
        if not _ADDRESS.fullmatch(server.sender):
            raise ConfigurationError(f"{place}: its sender is no e-mail address")
        self._server = server
        self._place = place
        self.pace = pace

    def post(
        self, channel: str, message: Message, *, reference: str, thread: str = "", picture: bytes | None = None
    ) -> Posted:
        """Send it, with its details and its picture. ``thread`` is the Message-ID that it answers. Raises DeliveryError."""
        to = self._recipients(channel)
        mail = self._mail(to, message, reference, thread, picture)
        handed = hand_in(self._server, to, mail.as_bytes(), place=self._place)
        if handed.refused:
            log.warning("%s did not take a mail for %s", self._place, ", ".join(sorted(handed.refused)))
        return Posted(channel, str(mail["Message-ID"]), handed.answer)

    def update(self, posted: Posted, message: Message, *, reference: str) -> Posted:
        """Send it as a reply where somebody has to know. Raises DeliveryNeedless where not."""
        if not _MESSAGE_ID.fullmatch(posted.ts):
            raise DeliveryGone("what stands is no mail")
        if message.about is not None and message.about.quiet:
            raise DeliveryNeedless("a mail cannot be edited, and this change is no mail of its own")
        return self.post(posted.channel, message, reference=reference, thread=posted.ts)

    def find(self, channel: str, reference: str, since: datetime, *, thread: str = "") -> Posted | None:
        """A server that mail is handed in to does not say what it has taken before."""
        del channel, reference, since, thread
        return None

    def _recipients(self, channel: str) -> tuple[str, ...]:
        """Raises DeliveryRefused where one is no address."""
        to = tuple(one.strip() for one in channel.split(",") if one.strip())
        if not to or not all(_ADDRESS.fullmatch(one) for one in to):
            raise DeliveryRefused(
                f"{self._place}: {one_line(channel)[:100] or 'nothing'!r} holds what is no e-mail address"
            )
        return to

    def _mail(
        self, to: tuple[str, ...], message: Message, reference: str, thread: str, picture: bytes | None
    ) -> EmailMessage:
        mail = EmailMessage(policy=_policy())
        mail["From"] = Address("Afterpilot", addr_spec=self._server.sender)
        mail["To"] = ", ".join(to)
        mail["Subject"] = f"Re: {subject(message)}" if thread else subject(message)
        mail["Date"] = localtime()
        mail["Message-ID"] = self._message_id(reference)
        # The first one names is no mail: it holds together what different mails of the incident began.
        root = self._message_id(f"incident.{message.about.incident}") if message.about else ""
        if earlier := " ".join(one for one in (root, thread) if one):
            mail["References"] = earlier
        if thread:
            mail["In-Reply-To"] = thread
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
        mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
        shown = f"{_ID_PART.sub('.', reference)}.chart" if picture else ""
        mail.set_content(plain(message), cte="quoted-printable")
        mail.add_alternative(html(message, picture=shown), subtype="html", cte="quoted-printable")
        if picture:
            part = mail.get_payload()[1]  # type: ignore[index] # the HTML
            part.add_related(picture, "image", "png", cid=f"<{shown}>", filename="chart.png", disposition="inline")  # type: ignore[union-attr]
        return mail

    def _message_id(self, reference: str) -> str:
        return f"<{_ID_PART.sub('.', reference)}@{self._server.sender.rpartition('@')[2]}>"

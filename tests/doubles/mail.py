"""A real mail server that keeps what it takes, and refuses or breaks off when it is told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOGIN, PASSWORD = "afterpilot@example.com", "s3cret-mail-word"


@dataclass
class MailDouble:
    """The server. ``says`` are answers instead of its own, by command: ``RCPT <address>``, ``MAIL``, ``DATA``."""

    says: dict[str, str] = field(default_factory=dict)
    lose_reply: bool = False  # take the mail, and break the connection off instead of saying so
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    mails: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)

    def __enter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        options: dict[str, Any] = {"hostname": "127.0.0.1", "port": self.port, "ready_timeout": 30}
        if self.implicit:
            options["ssl_context"] = self.tls
        elif self.tls is not None:
            options |= {
                "tls_context": self.tls,
                "require_starttls": True,
                "authenticator": _knows,
                "auth_required": True,
            }
        self._controller = Controller(self, **options)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, sender: str, _: list[str]) -> str:  # noqa: N802 - aiosmtpd's
        """The sender's line."""
        envelope.mail_from = sender
        return self.says.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _: list[str]) -> str:  # noqa: N802 - aiosmtpd's
        """A recipient's line."""
        said = self.says.get(f"RCPT {to}", "250 OK")
        if said.startswith("250"):
            envelope.rcpt_tos.append(to)
        return said

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """The mail itself."""
        said = self.says.get("DATA", "250 2.0.0 queued as 42")
        if said.startswith("250"):
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            mail = message_from_bytes(content, policy=policy.default)
            self.mails.append((tuple(envelope.rcpt_tos), mail))
        if self.lose_reply and server.transport is not None:
            cast(asyncio.Transport, server.transport).abort()
        return said


def _knows(_server: object, _session: object, _envelope: object, _how: str, given: object) -> AuthResult:
    good = isinstance(given, LoginPassword) and (given.login, given.password) == (LOGIN.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)

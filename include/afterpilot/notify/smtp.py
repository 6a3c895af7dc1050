"""Hands one mail in, and says what came of it: taken, refused, later, or not known.

Up to the mail's own text nothing is sent, and a connection that breaks then has cost nothing. After it, only a reply says whether
the server has the mail.
"""

from __future__ import annotations

import contextlib
import logging
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from afterpilot.domain.connections import MailServer
from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.http_deadline import sockets_within, watch_socket
from afterpilot.domain.secrecy import in_brief
from afterpilot.notify.text import one_line

log = logging.getLogger(__name__)

READ_SECONDS = 10.0
EXCHANGE_SECONDS = 30.0  # of all of it, however slowly replies come: well within the outbox's lease
_LATER = 60.0  # seconds: what servers that defer the unknown ask for at least
_SHOWN = 200
_OF_THE_MAIL = {552, 554}  # of the sender's line: too large, or no good in itself
_DONE, _FORWARDED, _TEMPORARY = 250, 251, range(400, 500)


@dataclass(frozen=True, slots=True)
class HandedIn:
    """The server's answer to the mail, and for whom it did not take it."""

    answer: str
    refused: tuple[str, ...] = ()


def hand_in(server: MailServer, to: Sequence[str], mail: bytes, *, place: str) -> HandedIn:
    """Hand a mail in for these recipients, within :data:`EXCHANGE_SECONDS`.

    Raises:
        ConfigurationError: the server takes no mail from us as things are (password, certificate, sender).
        DeliveryRefused: it takes this mail from nobody, or for none of them.
        DeliveryDeferred: it asks to come later.
        DeliveryUnreachable: nothing was sent.
        DeliveryUnclear: the mail was sent, and no reply came.
    """
    said = _Said(server, place)
    begun, handed = False, None
    try:
        with sockets_within(EXCHANGE_SECONDS), _connected(server) as smtp:
            refused = _envelope(smtp, server, to, said)
            begun = True
            code, words = smtp.data(mail)
            if code != _DONE:
                raise said.by_code(code, words)
            handed = HandedIn(said.answer(code, words), refused)
    except AfterpilotError:
        raise
    except smtplib.SMTPDataError as error:
        raise said.by_code(error.smtp_code, error.smtp_error) from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        if handed is None:  # else it has the mail, whatever became of the connection
            raise said.broken(error, begun=begun) from None
    if handed is None:
        raise DeliveryUnclear(f"{place}: no reply to the mail")
    return handed


@dataclass(frozen=True, slots=True)
class _Said:
    """What the server says, in our own terms; never a secret."""

    server: MailServer
    place: str

    def answer(self, code: int, words: bytes | str) -> str:
        """Code and words on one line."""
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        return f"{code} {one_line(in_brief(text, self.server.password, most=_SHOWN))}".strip()

    def by_code(self, code: int, words: bytes | str, *, installation: bool = False) -> AfterpilotError:
        """4xx: later; 5xx: never, or not before the installation is mended."""
        what = f"{self.place}: {self.answer(code, words)}"
        if code in _TEMPORARY:
            return DeliveryDeferred(what, retry_after=_LATER, everywhere=installation)
        return ConfigurationError(what) if installation else DeliveryRefused(what)

    def broken(self, error: Exception, *, begun: bool) -> AfterpilotError:
        """A conversation that broke off; ``begun``: the mail itself was under way."""
        name = type(error).__name__
        if begun:
            return DeliveryUnclear(f"{self.place}: no reply to the mail ({name})")
        if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPConnectError | smtplib.SMTPHeloError):
            return self.by_code(error.smtp_code, error.smtp_error, installation=True)
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            return ConfigurationError(
                f"{self.place}: it does not offer what its connection asks for (STARTTLS, a login)"
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return ConfigurationError(
                f"{self.place}: its certificate is not good: {one_line(error.verify_message)[:_SHOWN]}"
            )
        if isinstance(error, ssl.SSLError | ValueError):
            return ConfigurationError(f"{self.place}: no TLS with it ({name})")
        return DeliveryUnreachable(f"{self.place}: no connection ({name})")


class _Watched(smtplib.SMTP):
    """Its socket is shut when the time is over."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc] # smtplib's own seam
        watch_socket(made)
        return made


class _WatchedTLS(smtplib.SMTP_SSL, _Watched):
    """The same, with TLS from the first byte."""


@contextlib.contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """A session, logged in where there is a password. It greets as the sender's domain: the machine's own name may take long to find."""
    context = ssl.create_default_context()
    own = server.sender.rpartition("@")[2]
    smtp: smtplib.SMTP = (
        _WatchedTLS(server.host, server.port, own, timeout=READ_SECONDS, context=context)
        if server.tls == "tls"
        else _Watched(server.host, server.port, own, timeout=READ_SECONDS)
    )
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            smtp.starttls(context=context)
            smtp.ehlo_or_helo_if_needed()
        if server.password:
            smtp.login(server.login, server.password)
        yield smtp
    finally:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _envelope(smtp: smtplib.SMTP, server: MailServer, to: Sequence[str], said: _Said) -> tuple[str, ...]:
    """Say from whom and to whom; returns those whom the server does not take it for, where it takes it for others."""
    code, words = smtp.mail(server.sender)
    if code != _DONE:
        raise said.by_code(code, words, installation=code not in _OF_THE_MAIL)
    answers: Mapping[str, tuple[int, bytes]] = {one: smtp.rcpt(one) for one in to}
    refused = {one: answer for one, answer in answers.items() if answer[0] not in {_DONE, _FORWARDED}}
    if len(refused) == len(answers):
        worth_waiting = next((answer for answer in refused.values() if answer[0] in _TEMPORARY), None)
        raise said.by_code(*(worth_waiting or next(iter(refused.values()))))
    for one, answer in refused.items():
        log.warning("%s: not for %s: %s", said.place, one, said.answer(*answer))
    return tuple(refused)

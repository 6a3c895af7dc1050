"""One HTTP POST of a message, and what came of it: an end in any case, and no secret in what is said of it.

slack_sdk's client for incoming webhooks is not used: its time-outs hold for each read alone, and a reply that trickles would keep a
letter longer than its lease.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from afterpilot.domain.errors import (
    AfterpilotError,
    ConfigurationError,
    DeliveryDeferred,
    DeliveryRefused,
    DeliveryUnclear,
    DeliveryUnreachable,
)
from afterpilot.domain.http_deadline import within
from afterpilot.domain.http_replies import LONGEST_PAUSE, asked_to_wait
from afterpilot.domain.secrecy import in_brief
from afterpilot.notify.text import one_line

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, REPLY_SECONDS = 5.0, 10.0
EXCHANGE_SECONDS = 20.0  # of all of it, however slowly the reply comes: well within the outbox's lease
WAIT = 30.0  # seconds, where the other side names none
_SHOWN = 200
_MOST_BYTES = 65_536
_OK, _REDIRECTS, _TOO_MANY, _UNAVAILABLE, _SERVER_ERRORS = range(200, 300), range(300, 400), 429, 503, 500
_ONCE_MORE = (408, 409, 425)  # it says itself that the same may be asked again

_unlogged: ContextVar[bool] = ContextVar("unlogged", default=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, and the beginning of the body on one line, without secrets. ``wait`` is the seconds that it asks
    for.
    """

    status: int
    words: str
    wait: float | None = None

    def __str__(self) -> str:
        return f"HTTP {self.status}{f', {self.words}' if self.words else ''}"


def post(url: str, content: bytes, headers: Mapping[str, str], *, place: str, secrets: tuple[str, ...]) -> Reply:
    """Post JSON. ``place`` names the receiver in errors, without an address; ``secrets`` are taken out of what it says.

    Raises:
        ConfigurationError: the address or the password cannot be used.
        DeliveryUnreachable: no connection came about.
        DeliveryUnclear: no reply, or none in time.
    """
    import requests  # a fifth of a second

    status, wait, text = 0, "", b""
    try:
        with (
            unlogged(),
            requests.Session() as session,
            within(session, EXCHANGE_SECONDS),
            session.post(
                url,
                data=content,
                headers={"Content-Type": "application/json", "User-Agent": "afterpilot", **headers},
                auth=_as_it_is,  # else requests would take a password from .netrc
                timeout=(CONNECT_SECONDS, REPLY_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as reply,
        ):
            status, wait = reply.status_code, reply.headers.get("Retry-After", "")
            text = next(reply.iter_content(_MOST_BYTES), b"")
    except (requests.exceptions.RequestException, OSError, ValueError) as error:
        if not status:  # what a status says holds without its words
            raise _without_answer(place, error) from None  # the cause repeats the address
    said = one_line(in_brief(text.decode("utf-8", "replace"), *secrets, most=_SHOWN))
    return Reply(status, said, asked_to_wait(wait))


def judged(reply: Reply, *, place: str) -> AfterpilotError | None:
    """What a reply means for the message where the receiver has no words of its own for it; None where it was taken."""
    status, what = reply.status, f"{place}: {reply}"
    if status in _OK:
        return None
    if status == _TOO_MANY or (status == _UNAVAILABLE and reply.wait is not None):
        wait = min(max(WAIT if reply.wait is None else reply.wait, 1.0), LONGEST_PAUSE)
        return DeliveryDeferred(f"{what}; it asks to wait {wait:.0f} s", retry_after=wait, everywhere=True)
    if status >= _SERVER_ERRORS or status in _ONCE_MORE:
        return DeliveryUnclear(what)
    if status in _REDIRECTS or status in {401, 403, 404, 405, 407, 410}:
        # It is the address or the right that is wrong: the next message would fare the same.
        return ConfigurationError(what)
    return DeliveryRefused(what)


def checked(url: str, *, place: str) -> str:
    """The address, where one can post to it.

    Raises:
        ConfigurationError: it is none of HTTP with a host; it is not repeated, as it may hold a secret.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        good = False
    if not good:
        raise ConfigurationError(f"{place}: its address is not one of http or https")
    return url


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _without_answer(place: str, error: Exception) -> AfterpilotError:
    import requests

    errors = requests.exceptions
    unusable = errors.SSLError | errors.InvalidURL | errors.InvalidHeader | errors.InvalidSchema | errors.MissingSchema
    if isinstance(error, unusable) or not isinstance(error, OSError):
        return ConfigurationError(f"{place}: its address or its password cannot be used ({type(error).__name__})")
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(error, requests.exceptions.ConnectTimeout) or type(reason).__name__ in _NO_CONNECTION:
        return DeliveryUnreachable(f"{place}: no connection ({type(reason or error).__name__})")
    return DeliveryUnclear(f"{place}: no reply ({type(error).__name__})")


_NO_CONNECTION = {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}  # urllib3's


class _NotOurs(logging.Filter):
    """urllib3 writes whole paths into its debug lines; an incoming webhook's is its secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not _unlogged.get()


_not_ours = _NotOurs()


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Keep the addresses that the block calls out of the logs."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_not_ours)  # once, however often it is called
    hushed = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(hushed)

"""One service over HTTP: asks for JSON, waits when it is told to, and gives up in time. Its secret stands in no error."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import SourceError
from afterpilot.domain.http_deadline import within
from afterpilot.domain.secrecy import hidden, in_brief
from afterpilot.pull.json_values import NotJson, loads

_TRANSIENT = {408, 425, 429}
_SERVER = 500
_REFUSED = {401, 403}
_CHUNK = 1 << 16
_SAID = 200  # characters of an answer that an error repeats


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a client is. Seconds and bytes; ``attempts`` for each request, ``waiting`` for all pauses together."""

    attempts: int = 5
    first_pause: float = 1.0
    longest_pause: float = 120.0
    waiting: float = 900.0
    connect: float = 10.0
    silence: float = 60.0
    answer: float = 300.0
    body: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A page: its JSON, its links by relation, and the address that gave it."""

    body: Any
    links: Mapping[str, str]
    url: str


class _Again(Exception):
    """A request failed in a way that may pass; ``after`` is how many seconds the service asks to wait, if it does."""

    def __init__(self, text: str, *, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class _Secret(AuthBase):
    """Puts the connection's secret where the declaration says; without it ``.netrc`` would be asked for another."""

    def __init__(self, endpoint: Endpoint, how: str) -> None:
        self._headers: dict[str, str] = {}
        if how == "basic":
            pair = base64.b64encode(f"{endpoint.login}:{endpoint.secret}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        elif how.startswith("header ") and endpoint.secret:
            self._headers[how.removeprefix("header ")] = endpoint.secret
        elif how == "bearer" and endpoint.secret:
            self._headers["Authorization"] = f"Bearer {endpoint.secret}"
        self.words = {*self._headers.values(), *(value.split(" ", 1)[-1] for value in self._headers.values())}

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Client:
    """Asks one service. ``headers`` go with each request; ``pause`` sleeps, in seconds."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        auth: str = "bearer",
        headers: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = endpoint.url.rstrip("/")
        self._place = urlsplit(self._base)
        self._limits = limits or Limits()
        self._pause = pause
        self._waited = 0.0
        self._session = requests.Session()
        self._session.auth = secret = _Secret(endpoint, auth)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "afterpilot", **(headers or {})})
        self._secrets = (endpoint.secret, *secret.words)

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Answer:
        """The page at a path below the service's address, or at an address of a link that the service itself gave.

        Raises:
            SourceError: the service refuses, does not answer properly in time, or leads elsewhere.
        """
        url = self._url(path)
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._once(url, query)
            except _Again as error:
                if attempt == self._limits.attempts:
                    raise SourceError(f"{self._name(url)}: {error}, {attempt} times in a row") from None
                self._wait(url, error, attempt)
            except (requests.RequestException, ValueError) as error:
                # Its text may hold the address with its query, or a header.
                raise SourceError(f"{self._name(url)} cannot be asked ({type(error).__name__})") from None
        raise SourceError(f"{self._name(url)} was never asked")

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _url(self, path: str) -> str:
        url = path if "://" in path else self._base + path
        place = urlsplit(url)
        if (place.scheme, place.netloc) != (self._place.scheme, self._place.netloc):
            raise SourceError(
                f"{self._name(self._base)} leads to another place ({place.hostname}), which gets no token"
            )
        return url

    def _once(self, url: str, query: Sequence[tuple[str, str]]) -> Answer:
        timeout = (self._limits.connect, self._limits.silence)
        try:
            with (
                within(self._session, self._limits.answer),
                self._session.get(
                    url, params=list(query), timeout=timeout, stream=True, allow_redirects=False
                ) as response,
            ):
                body = self._body(response)
                self._judge(url, response, body)
        except requests.exceptions.SSLError:
            raise SourceError(f"{self._name(url)}: its certificate cannot be trusted") from None
        except TimeoutError:
            raise _Again(f"the answer took longer than {self._limits.answer:g} s") from None
        except (requests.Timeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise _Again(f"no whole answer came ({type(error).__name__})") from None
        try:
            found = loads(body) if body.strip() else None
        except NotJson as error:
            raise _Again(f"the answer cannot be read: {error}") from None
        links = {name: urljoin(url, link["url"]) for name, link in response.links.items() if link.get("url")}
        return Answer(found, links, response.url or url)

    def _body(self, response: requests.Response) -> bytes:
        """The whole body, unpacked, within its bound of size."""
        parts, size = [], 0
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if size > self._limits.body:
                name = self._name(response.url or "")
                raise SourceError(f"{name}: one page is larger than {self._limits.body:,} bytes; ask for smaller ones")
            parts.append(part)
        return b"".join(parts)

    def _judge(self, url: str, response: requests.Response, body: bytes) -> None:
        status = response.status_code
        if status in _TRANSIENT or status >= _SERVER:
            raise _Again(f"it answered {status}", after=_seconds(response.headers.get("Retry-After", "")))
        if status in _REFUSED:
            raise SourceError(f"{self._name(url)} refuses the connection's token ({status}{self._said(body)})")
        if response.is_redirect or 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirections
            host = urlsplit(urljoin(url, response.headers.get("Location", ""))).hostname
            raise SourceError(
                f"{self._name(url)} leads elsewhere ({status}, to {host}): name that place in the connection"
            )
        if not response.ok:
            raise SourceError(f"{self._name(url)} answered {status}{self._said(body)}")

    def _wait(self, url: str, error: _Again, attempt: int) -> None:
        seconds = error.after if error.after is not None else self._limits.first_pause * 2 ** (attempt - 1)
        if seconds > self._limits.longest_pause or self._waited + seconds > self._limits.waiting:
            asked = f"asks to wait {seconds:,.0f} s" if error.after is not None else "keeps failing"
            raise SourceError(f"{self._name(url)}: {error} and {asked}, longer than a pull waits") from None
        self._waited += seconds
        self._pause(seconds)

    def _name(self, url: str) -> str:
        """The address without its query, which may hold what people asked for."""
        parts = urlsplit(url or self._base)
        return self._masked(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")

    def _said(self, body: bytes) -> str:
        text = in_brief(body[: 4 * _SAID].decode("utf-8", "replace"), *self._secrets, most=_SAID)
        return f": {text}" if text else ""

    def _masked(self, text: str) -> str:
        return hidden(text, *self._secrets)


def _seconds(text: str) -> float | None:
    """What ``Retry-After`` says (RFC 9110, 10.2.3), a number of seconds or a date; None where it says nothing usable."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None

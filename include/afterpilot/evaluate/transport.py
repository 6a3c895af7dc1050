"""HTTP for models: one session, kept connections, and a bound on everything that a server may draw out or blow up."""

from __future__ import annotations

import os
import ssl
import time
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from afterpilot.domain.connections import Endpoint
from afterpilot.evaluate.exchange import Secret

CONNECT_SECONDS = 5.0
FIRST_BYTE_SECONDS = 110.0  # a model that thinks is silent until it has its whole answer
REPLY_SECONDS = 120.0
MAX_BODY_BYTES = 5_000_000
_KEEP_ALIVE_SECONDS = 60.0
_PACKED = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_PLAIN = frozenset({"", "identity"})


class Failed(Exception):
    """No whole reply came; another attempt may bring one."""


class TooLarge(Exception):
    """The reply is larger than is taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the reply is larger than {most:,} bytes")


class Unusable(Exception):
    """The address, the key or the server's certificate cannot be used at all; no retry can help."""

    def __init__(self, reason: str = "the connection's address or key cannot be used") -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole reply, of whatever status; times in milliseconds since the request was begun."""

    status: int
    headers: Mapping[str, str]  # of whatever case
    content: bytes
    first_byte_ms: int
    latency_ms: int


class Site:
    """A server as its connection names it; ``secret`` hides its key."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.secret = Secret(endpoint.secret)
        self.key = endpoint.secret
        self._base = endpoint.url.rstrip("/")
        scheme = _scheme(self._base)
        if scheme is None or not all(" " <= letter <= "~" for letter in self.key):
            raise Unusable
        self._proxy = _proxy(self._base)
        self._ssl = _certificates() if scheme == "https" or self._proxy else True

    def route(self, path: str, headers: Mapping[str, str]) -> Route:
        """Where to send requests for a path, with these headers."""
        all_headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **headers}
        url = URL(f"{self._base}/{path.lstrip('/')}" if path else self._base)
        return Route(url, CIMultiDict(all_headers), self._proxy, self._ssl)


@dataclass(frozen=True, slots=True)
class Route:
    """All that is the same for each request to one place."""

    url: URL
    headers: CIMultiDict[str]
    proxy: str | None
    ssl: ssl.SSLContext | bool


class Transport:
    """Sends JSON and reads the reply. Use it as a context manager inside the loop that it is used in.

    Args:
        first_byte: seconds of silence that are borne, before the reply and within it.
        whole: seconds for one reply, from the beginning of the request.
        max_body_bytes: of a reply, also when unpacked.
    """

    def __init__(
        self,
        *,
        first_byte: float = FIRST_BYTE_SECONDS,
        whole: float = REPLY_SECONDS,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._whole = whole
        self._first_byte = first_byte
        self._max = max_body_bytes
        self._timeout = self._within(whole)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Begin; there is one session for all servers, and the caller bounds how many requests are under way."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # it would unpack without a bound
            trust_env=False,  # it would read .netrc: the key comes from the connection
            timeout=self._timeout,
        )

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()

    async def post(self, route: Route, body: bytes, *, seconds: float) -> Received:
        """The whole reply, within so many seconds.

        Raises:
            Failed: it did not come in time, or not whole.
            TooLarge: it is over the limit, and was cut off.
            Unusable: nothing can be sent to such an address, or with such a key.
        """
        if self._session is None:
            raise RuntimeError("the transport is not open")
        timeout = self._timeout if seconds >= self._whole else self._within(seconds)
        began = time.monotonic()
        try:
            async with self._session.post(
                route.url,
                data=body,
                headers=route.headers,
                allow_redirects=False,
                timeout=timeout,
                proxy=route.proxy,
                ssl=route.ssl,
            ) as response:
                first = time.monotonic()
                content = await self._read(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unusable("the server's certificate is not trusted") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise Failed(f"no connection within {CONNECT_SECONDS:.0f} s") from error
        except TimeoutError as error:
            raise Failed(self._late(error, min(seconds, self._whole))) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise Unusable from error
        except (aiohttp.ClientError, OSError) as error:
            raise Failed(f"the connection failed ({type(error).__name__})") from error
        ended = time.monotonic()
        return Received(
            response.status, response.headers, content, round((first - began) * 1000), round((ended - began) * 1000)
        )

    def _within(self, seconds: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, sock_read=self._first_byte)

    def _late(self, error: TimeoutError, seconds: float) -> str:
        if isinstance(error, aiohttp.SocketTimeoutError) and self._first_byte < seconds:
            return f"no byte within {self._first_byte:.0f} s"
        return f"no whole reply within {seconds:.0f} s"

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length <= self._max:
            content = await response.read()
        else:
            held = bytearray()
            async for chunk in response.content.iter_any():
                held += chunk
                if len(held) > self._max:
                    raise TooLarge(self._max)
            content = bytes(held)
        packing = response.headers.get("Content-Encoding", "").strip().lower()
        return content if packing in _PLAIN else self._unpacked(content, packing)

    def _unpacked(self, content: bytes, packing: str) -> bytes:
        """Some servers pack although they were asked not to."""
        if packing not in _PACKED:
            raise Failed(f"the reply is packed in a way that was not asked for ({packing[:20]!r})")
        reader = zlib.decompressobj(_PACKED[packing])
        try:
            unpacked = reader.decompress(content, self._max + 1)
        except zlib.error as error:
            raise Failed(f"the reply cannot be unpacked ({packing})") from error
        if len(unpacked) > self._max:
            raise TooLarge(self._max)
        if not reader.eof:
            raise Failed(f"the reply cannot be unpacked ({packing})")
        return unpacked


def _scheme(url: str) -> str | None:
    """The scheme of a usable address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts.scheme if usable else None


def _proxy(url: str) -> str | None:
    """The environment's proxy for an address."""
    if not urllib.request.getproxies():
        return None
    import requests  # reads no_proxy as everybody is used to, networks included

    return requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))


def _certificates() -> ssl.SSLContext:
    """Whom to trust: the environment's bundle, else the one that comes with the packages."""
    named = next(
        (
            found
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
            if (found := os.environ.get(name))
        ),
        "",
    )
    if not named:
        import certifi

        named = certifi.where()
    return (
        ssl.create_default_context(capath=named) if Path(named).is_dir() else ssl.create_default_context(cafile=named)
    )

"""HTTP connections whose read time-out bounds a whole reply, headers and body together.

The read time-out of requests bounds the silence between two bytes only: a server that sends one byte a second would hold a
thread for ever.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class _TimedFile(io.RawIOBase):
    """Reads a socket until a moment, then no more."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        """As the socket's own file does; raises TimeoutError once the time is over."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply did not end in time")
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """urllib3 has set the socket's time-out to the read time-out just before: that is all the time there is."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - http.client's own
        seconds = sock.gettimeout()
        timed = None if seconds is None else io.BufferedReader(_TimedFile(sock, seconds))
        super().__init__(sock, *args, **kwargs)
        if timed is not None:
            self.fp.close()
            self.fp = timed  # type: ignore[assignment]  # a buffered reader of another raw file


class _Http(HTTPConnection):
    response_class = _TimedResponse


class _Https(HTTPSConnection):
    response_class = _TimedResponse


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _TimedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' own
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def session_for(url: str, *, connections: int, secret: str) -> requests.Session:
    """A session for one server, for as many threads as there are connections.

    Proxies and certificates of the environment are read once, here, and not for every call. ``.netrc`` is never read: the key
    comes from the connection.
    """
    session = requests.Session()
    session.trust_env = False
    session.proxies.update(requests.utils.get_environ_proxies(url))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    adapter = _TimedAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["Accept-Encoding"] = "identity"  # replies are small; a packed one could unpack to anything
    if secret:
        session.headers["Authorization"] = f"Bearer {secret}"
    return session

"""A local double of any JSON API: it serves what a function answers, notes what it was asked, and fails when told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from afterpilot.domain.connections import Endpoint


@dataclass
class Asked:
    """One request: its path, its query (the last value of each name), its headers in small letters."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    """What is answered. ``cut`` bytes are held back at the end, although the length says that they come."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    cut: int = 0
    after: float = 0.0  # seconds before anything is said
    zipped: bool = False


@dataclass
class ApiDouble:
    """The service. ``faults`` are answered first, one by one; then ``answer`` says what a request gets."""

    answer: Callable[[Asked], Any]
    token: str = "token-0123456789"
    asked: list[Asked] = field(default_factory=list)
    faults: deque[Reply] = field(default_factory=deque)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoint(self) -> Endpoint:
        """The address with its token."""
        return Endpoint(self.url, self.token, "public-key")


class _Handler(BaseHTTPRequestHandler):
    api: ApiDouble
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one go: each alone waits 40 ms for the other side's receipt

    def do_GET(self) -> None:
        """Answer, or fail."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        asked = Asked(parts.path, query, {name.lower(): value for name, value in self.headers.items()})
        self.api.asked.append(asked)
        found = self.api.faults.popleft() if self.api.faults else self.api.answer(asked)
        reply = found if isinstance(found, Reply) else Reply(found)
        time.sleep(reply.after)
        body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
        if reply.zipped:
            body = gzip.compress(body)
            reply.headers["Content-Encoding"] = "gzip"
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - reply.cut])
        self.close_connection = bool(reply.cut)

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""

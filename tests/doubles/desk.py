"""A local double of a system that takes releases by call-back: it does each ``Idempotency-Key`` once, and fails when told to."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

TOKEN = "desk-token-0123456789"


@dataclass(frozen=True)
class Reply:
    """What the desk says to one POST. A ``lost`` one is done all the same; a ``held`` one is not answered before
    :attr:`Desk.let_go`.
    """

    status: int = 204
    retry_after: str = ""
    text: str = ""
    delay: float = 0.0
    lost: bool = False
    held: bool = False


@dataclass
class Desk:
    """``done`` holds what was done, once for each idempotency key; ``posts`` counts requests by key."""

    answer: Callable[[str, int], Reply] = lambda _path, _times: Reply()
    done: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    posts: Counter[str] = field(default_factory=Counter)
    strangers: int = 0
    let_go: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        desk = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                reply = desk._take(self.path, self.headers, json.loads(raw))
                time.sleep(reply.delay)
                if reply.held:
                    desk.let_go.wait(60)
                if reply.lost:
                    self.close_connection = True
                    return
                body = reply.text.encode()
                self.send_response(reply.status)
                if reply.retry_after:
                    self.send_header("Retry-After", reply.retry_after)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a caller that was killed hangs up
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """As a connection: with the token."""
        return f"http://:{TOKEN}@127.0.0.1:{self._server.server_port}/desk"

    @property
    def released(self) -> Counter[str]:
        """How often each output was released, as the desk sees it."""
        return Counter(body["key"] for _, body in self.done.values() if body["released"])

    @property
    def held(self) -> Counter[str]:
        """How often each output was held, as the desk sees it."""
        return Counter(body["key"] for _, body in self.done.values() if not body["released"])

    def wait_for(self, posts: int, seconds: float = 60) -> None:
        """Until so many requests have come.

        Raises:
            TimeoutError: they did not.
        """
        until = time.monotonic() + seconds
        while self.posts.total() < posts:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.posts.total()} of {posts} requests have come")
            time.sleep(0.01)

    def _take(self, path: str, headers: Any, body: dict[str, Any]) -> Reply:
        with self._lock:
            key = headers["Idempotency-Key"]
            self.posts[key] += 1
            if headers.get("Authorization") != f"Bearer {TOKEN}":
                self.strangers += 1
                return Reply(401, text=f"not you: {headers.get('Authorization')}")
            reply = self.answer(path, self.posts[key])
            if reply.status < 300:
                self.done.setdefault(key, (path, body))
            return reply

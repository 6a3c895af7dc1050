"""A real HTTP receiver of alerts: it keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What it says next. ``lost``: it takes the request and breaks the connection off; ``echo``: it repeats all that it was sent."""

    status: int = 200
    body: str = "ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    echo: bool = False


@dataclass(frozen=True)
class Taken:
    """One request."""

    path: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)


@dataclass
class HookDouble:
    """The receiver. ``answers`` are used up one by one; then it says ``usual``."""

    answers: deque[Answer] = field(default_factory=deque)
    usual: Answer = Answer()
    taken: list[Taken] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hook": self}))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    hook: HookDouble

    def do_POST(self) -> None:
        """Keep it and answer."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hook.taken.append(Taken(self.path, dict(self.headers.items()), content))
        answer = self.hook.answers.popleft() if self.hook.answers else self.hook.usual
        if answer.lost:
            self.close_connection = True
            return
        said = f"{self.path} {self.headers['Authorization']} {content.decode()}" if answer.echo else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.encode())))
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""

"""Local doubles of what is told to stop: a receiver of signed call-backs, and LiteLLM's proxy with its keys and teams."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

SIGNING = "whsec_" + base64.b64encode(b"a key of the gateway's own, 32 b.").decode()
MASTER_KEY = "sk-master-0123456789"


@dataclass(frozen=True)
class Fault:
    """What is answered instead of doing it; a ``lost`` one is done, and never answered."""

    status: int = 500
    text: str = ""
    retry_after: str = ""
    lost: bool = False


@dataclass
class _Double:
    """A server that does what :meth:`take` says, after the faults."""

    faults: deque[Fault] = field(default_factory=deque)
    heard: int = 0

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with double._lock:
                    double.heard += 1
                    fault = double.faults.popleft() if double.faults else None
                    status, body = (200, "") if fault and not fault.lost else double.take(self.path, self.headers, raw)
                if fault and fault.lost:
                    self.close_connection = True
                    return
                status, body = (fault.status, fault.text) if fault else (status, body)
                self.send_response(status)
                if fault and fault.retry_after:
                    self.send_header("Retry-After", fault.retry_after)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Nothing on the screen."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    def take(self, path: str, headers: Any, raw: bytes) -> tuple[int, str]:
        """Do it; returns status and text."""
        raise NotImplementedError


@dataclass
class Switch(_Double):
    """Takes signed orders, and does each ``webhook-id`` once. ``orders`` holds what it did: path and body, in their order."""

    secret: str = SIGNING
    orders: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    @property
    def connection(self) -> str:
        """As Airflow's JSON for a connection."""
        return json.dumps(
            {
                "conn_type": "http",
                "host": f"http://{self.place}/desk",
                "password": "desk-token-0123456789",
                "extra": {"signing_secret": SIGNING},
            }
        )

    @property
    def actions(self) -> list[str]:
        """What it was told to do, without repetitions."""
        return [body["action"] for _, body in self.orders.values()]

    def take(self, path: str, headers: Any, raw: bytes) -> tuple[int, str]:
        """Check the signature as Standard Webhooks says, then do it."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        order, at = headers["webhook-id"], headers["webhook-timestamp"]
        signed = f"{order}.{at}.".encode() + raw
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        young = abs(datetime.now().timestamp() - int(at)) < 300  # noqa: DTZ005 - seconds since 1970
        if expected not in headers["webhook-signature"].split() or not young:
            return 401, f"the signature is not ours: {headers['Authorization']} {SIGNING}"
        self.orders.setdefault(order, (path, json.loads(raw)))
        return 204, ""


@dataclass
class LiteLlm(_Double):
    """LiteLLM's proxy, as far as its management API blocks keys and teams, and tells and sets their budgets."""

    keys: dict[str, bool] = field(default_factory=dict)  # hash → blocked
    teams: dict[str, bool] = field(default_factory=dict)
    master_key: str = MASTER_KEY
    budgets: dict[str, dict[str, Any]] = field(default_factory=dict)  # by key or team: as its /info tells them
    updates: list[dict[str, Any]] = field(default_factory=list)  # what was set, in its order

    @property
    def connection(self) -> str:
        """As Airflow's JSON for a connection."""
        return json.dumps({"conn_type": "http", "host": f"http://{self.place}", "password": MASTER_KEY})

    def take(self, path: str, headers: Any, raw: bytes) -> tuple[int, str]:
        """Block or unblock, tell of a budget, or set it."""
        given = headers["Authorization"].removeprefix("Bearer ")
        if given != self.master_key:
            text = f"Authentication Error, Invalid proxy server token passed. Received API Key = {given}"
            return 401, json.dumps({"error": {"message": text, "type": "token_not_found_in_db", "code": "401"}})
        place, _, query = path.partition("?")
        _, what, verb = place.split("/")
        known, name = (self.keys, "key") if what == "key" else (self.teams, "team_id")
        asked = {key: value for key, (value,) in parse_qs(query).items()} if verb == "info" else json.loads(raw)
        identity = asked.pop(name)
        if identity in known and verb in {"info", "update"}:
            return 200, self._budget(what, name, identity, asked)
        if identity not in known:
            return 404, json.dumps({"error": {"message": f"{what} not found", "code": "404"}})
        known[identity] = verb == "block"
        return 200, json.dumps({name: identity, "blocked": known[identity]})

    def _budget(self, what: str, name: str, identity: str, asked: dict[str, Any]) -> str:
        told = {"spend": 0.0, "max_budget": None, "budget_duration": None} | self.budgets.get(identity, {})
        if not asked:
            part = "info" if what == "key" else "team_info"
            return json.dumps({name: identity, part: told, "keys": [{"filler": "x" * 70_000}]})
        self.updates.append({name: identity, **asked})
        self.budgets[identity] = told | asked
        return json.dumps({name: identity, **self.budgets[identity]})

"""A local double of the parts of Slack that answers go through: Socket Mode, forms, and notes to one person.

It checks forms by its own reading of Slack's reference, not by the code under test. Use it as a context manager.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from aiohttp import WSMsgType, web

from doubles.slack import TOKEN

APP_TOKEN = "xapp-1-test-0123456789"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
_PATIENCE = 20.0


def signed(payload: Any, *, secret: str = SECRET, at: float, raw: bytes | None = None) -> tuple[bytes, dict[str, str]]:
    """A request as Slack sends it: the body, and the headers that sign it."""
    body = urlencode({"payload": json.dumps(payload)}).encode() if raw is None else raw
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return body, {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }


def click(verb: str, incident: str, *, user: str = "U02AB3CD4", name: str = "dana", url: str = "") -> dict[str, Any]:
    """A click on a button of ours."""
    return {
        "type": "block_actions",
        "user": {"id": user, "username": name, "team_id": "T0000001"},
        "trigger_id": "12345.98765.abcd2358fdea",
        "response_url": url,
        "channel": {"id": "C0AP00001", "name": "ap-automation"},
        "actions": [{"type": "button", "action_id": verb, "block_id": "b1", "value": incident}],
    }


def submission(view: dict[str, Any], *, length: str, reason: str, user: str = "U02AB3CD4") -> dict[str, Any]:
    """The form as it was opened, filled in and sent."""
    values = {
        "length": {"length": {"type": "static_select", "selected_option": {"value": length}}},
        "reason": {"reason": {"type": "plain_text_input", "value": reason or None}},
    }
    return {
        "type": "view_submission",
        "user": {"id": user, "username": "dana", "team_id": "T0000001"},
        "view": {**view, "state": {"values": values}},
    }


@dataclass
class SlackAppDouble:
    """Slack's side. ``notes`` are what single people were told, ``views`` the forms that were opened, ``replies`` what came back
    for each envelope.
    """

    notes: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    slow_start: int = 0  # so many requests for a connection fail first
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def url(self) -> str:
        """The base URL for slack_sdk."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def response_url(self) -> str:
        """Where notes to one person are sent."""
        return f"http://127.0.0.1:{self.port}/actions/T1/1/abc"

    def send(self, payload: dict[str, Any], *, envelope: str = "") -> str:
        """Send an interaction over the newest connection, and wait for nothing; returns the envelope's id."""
        envelope = envelope or str(uuid.uuid4())
        message = {"type": "interactive", "envelope_id": envelope, "accepts_response_payload": True, "payload": payload}
        self._run(self._sockets[-1].send_json(message))
        return envelope

    def reply_to(self, envelope: str) -> dict[str, Any]:
        """What was answered to an envelope."""
        self.wait(lambda: envelope in self.replies)
        return self.replies[envelope]

    def disconnect(self) -> None:
        """Ask for a new connection, as Slack does every few hours."""
        self._run(self._sockets[-1].send_json({"type": "disconnect", "reason": "refresh_requested"}))

    def drop(self) -> None:
        """Break the connection off."""
        self._run(self._sockets[-1].close())

    def wait(self, until: Any) -> None:
        """Wait until something is so."""
        end = time.monotonic() + _PATIENCE
        while not until():
            if time.monotonic() > end:
                raise TimeoutError("it has not come to pass")
            time.sleep(0.01)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self._open)
        app.router.add_post("/api/views.open", self._view)
        app.router.add_post("/actions/{rest:.*}", self._note)
        app.router.add_get("/link", self._link)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _open(self, request: web.Request) -> web.Response:
        if self.slow_start:
            self.slow_start -= 1
            return web.json_response({"ok": False, "error": "internal_error"}, status=500)
        if request.headers.get("Authorization") != f"Bearer {APP_TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True, "url": f"ws://127.0.0.1:{self.port}/link?ticket=1"})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1})
        self.connections += 1
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                said = json.loads(message.data)
                self.replies[said["envelope_id"]] = said
        self.closed += 1
        return socket

    async def _view(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        asked = await request.json() if "json" in request.content_type else dict(await request.post())
        view = asked["view"] if isinstance(asked["view"], dict) else json.loads(str(asked["view"]))
        if not asked.get("trigger_id") or asked["trigger_id"] == "expired":
            return web.json_response({"ok": False, "error": "expired_trigger_id"})
        if problems := list(view_problems(view)):
            self.refused += problems
            return web.json_response({"ok": False, "error": "invalid_arguments"})
        self.views.append(view)
        return web.json_response({"ok": True, "view": {**view, "id": "V1"}})

    async def _note(self, request: web.Request) -> web.Response:
        self.notes.append(await request.json())
        return web.Response(text="ok")


def view_problems(view: dict[str, Any]) -> list[str]:
    """What Slack would not take in a form, as its reference of modal views and of their elements says."""
    problems = [] if view.get("type") == "modal" else ["no modal"]
    for part, limit in (("title", 24), ("submit", 24), ("close", 24)):
        text = view.get(part, {})
        if text.get("type") != "plain_text" or not 0 < len(text.get("text", "")) <= limit:
            problems.append(f"{part} needs 1 to {limit} characters of plain text")
    if len(view.get("private_metadata", "")) > 3000 or len(view.get("callback_id", "")) > 255:
        problems.append("private_metadata or callback_id is too long")
    for block in view.get("blocks", []):
        if block.get("type") != "input" or not 0 < len(block["label"]["text"]) <= 2000:
            problems.append("not an input with a label")
        if len(block.get("hint", {}).get("text", "")) > 2000 or len(block["block_id"]) > 255:
            problems.append("hint or block_id is too long")
        problems += _element_problems(block["element"])
    return problems


def _element_problems(element: dict[str, Any]) -> list[str]:
    if element["type"] == "plain_text_input":
        return [] if 0 < element.get("max_length", 1) <= 3000 else ["max_length is not 1 to 3000"]
    if element["type"] != "static_select":
        return [f"unknown element {element['type']}"]
    options = element["options"]
    problems = [] if 0 < len(options) <= 100 else ["a select has 1 to 100 options"]
    if element.get("initial_option", options[0]) not in options:
        problems.append("the initial option is none of the options")
    if not all(0 < len(one["text"]["text"]) <= 75 and 0 < len(one["value"]) <= 150 for one in options):
        problems.append("an option is too long")
    return problems

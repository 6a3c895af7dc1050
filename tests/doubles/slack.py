"""A local double of Slack's Web API: it keeps messages, holds Slack's limits, and fails when it is told to.

It checks blocks by its own reading of Slack's reference, not by the code under test. Use it as a context manager; point
slack_sdk at ``url``. With a ``weather`` it has limits, outages and lost replies by itself, and a log of all requests by which
the next one that is started knows what was posted.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from doubles.slack_weather import POST, Weather, lines

TOKEN = "xoxb-test-0123456789"
TOTAL = 13_000


@dataclass
class Fault:
    """What goes wrong at the next call of ``method`` ("" is any): a status, an error code, or a reply lost after the work."""

    method: str = ""
    status: int = 200
    error: str = ""
    retry_after: str = ""
    lose_reply: bool = False
    body: str = ""


@dataclass
class Standing:
    """A message as it stands."""

    channel: str
    ts: str
    body: dict[str, Any]
    thread: str = ""
    edits: int = 0

    @property
    def reference(self) -> str:
        """Our id in its metadata, or empty."""
        return str(self.body.get("metadata", {}).get("event_payload", {}).get("reference", ""))


@dataclass
class SlackDouble:
    """The workspace. ``calls`` logs (method, arguments); ``faults`` are used up one by one by the calls they name."""

    channels: dict[str, str] = field(default_factory=lambda: {"ap-automation": "C0AP00001", "afterpilot": "C0FALLBCK"})
    archived: set[str] = field(default_factory=set)
    page: int = 200
    messages: list[Standing] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    uploads: dict[str, bytes] = field(default_factory=dict)
    shared: list[dict[str, Any]] = field(default_factory=list)
    clock: float = field(default_factory=time.time)
    weather: Weather | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __enter__(self) -> Self:
        if self.weather is not None and self.weather.log is not None:
            self._remember(self.weather.log)
        handler = type("Handler", (_Handler,), {"slack": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _remember(self, log: Path) -> None:
        """What was posted before stands."""
        for one in lines(log):
            if one["method"] == POST and one["ts"]:
                metadata = {"event_type": "afterpilot_message", "event_payload": {"reference": one["reference"]}}
                body = {"text": one["text"], "metadata": metadata}
                self.messages.append(Standing(self.id_of(one["channel"]) or "", one["ts"], body, one["thread"]))
                self.clock = max(self.clock, float(one["ts"]))

    @property
    def url(self) -> str:
        """The base URL for slack_sdk."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api/"

    def root_messages(self, channel: str = "ap-automation") -> list[Standing]:
        """Messages that stand in a channel itself."""
        return [m for m in self.messages if m.channel == self.channels[channel] and not m.thread]

    def in_thread(self, ts: str) -> list[Standing]:
        """Replies below a message."""
        return [message for message in self.messages if message.thread == ts]

    def methods(self) -> list[str]:
        """The names of all calls so far."""
        return [method for method, _ in self.calls]

    def fault_for(self, method: str) -> Fault | None:
        """Take the first fault that is meant for this call."""
        with self._lock:
            for fault in self.faults:
                if fault.method in {"", method}:
                    self.faults.remove(fault)
                    return fault
        return None

    def answer(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What Slack would say."""
        with self._lock:
            self.calls.append((method, asked))
            work = {
                "auth.test": self._auth_test,
                "chat.postMessage": self._post,
                "chat.update": self._update,
                "conversations.history": self._history,
                "conversations.replies": self._replies,
                "conversations.list": self._list,
                "files.getUploadURLExternal": self._upload_url,
                "files.completeUploadExternal": self._complete_upload,
            }.get(method)
            return work(asked) if work else {"ok": False, "error": "unknown_method"}

    def _auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "team": "double", "user": "afterpilot", "bot_id": "B1"}

    def _post(self, asked: dict[str, Any]) -> dict[str, Any]:
        channel = self.id_of(asked.get("channel", ""))
        if channel is None:
            return {"ok": False, "error": "channel_not_found"}
        if channel in self.archived:
            return {"ok": False, "error": "is_archived"}
        if problem := refused_blocks(asked):
            return problem
        self.clock += 1.0
        message = Standing(channel, f"{self.clock:.6f}", asked, thread=asked.get("thread_ts", ""))
        self.messages.append(message)
        return {"ok": True, "channel": channel, "ts": message.ts, "message": asked}

    def _update(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("channel") not in self.channels.values():
            return {"ok": False, "error": "channel_not_found"}
        message = next((m for m in self.messages if (m.channel, m.ts) == (asked["channel"], asked.get("ts"))), None)
        if message is None:
            return {"ok": False, "error": "message_not_found"}
        if problem := refused_blocks(asked):
            return problem
        message.body = {**message.body, **asked}
        message.edits += 1
        return {"ok": True, "channel": message.channel, "ts": message.ts, "text": asked.get("text", "")}

    def _history(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("channel") not in self.channels.values():
            return {"ok": False, "error": "channel_not_found"}
        found = [m for m in self.messages if m.channel == asked["channel"] and not m.thread]
        return self._paged(found, asked)

    def _replies(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = [m for m in self.messages if asked.get("ts") in {m.thread, m.ts}]
        return self._paged(found, asked) if found else {"ok": False, "error": "thread_not_found"}

    def _paged(self, found: list[Standing], asked: dict[str, Any]) -> dict[str, Any]:
        oldest = float(asked.get("oldest") or 0)
        newest_first = [m for m in reversed(found) if float(m.ts) > oldest]
        start = int(asked.get("cursor") or 0)
        size = min(int(asked.get("limit") or 100), self.page)
        with_metadata = asked.get("include_all_metadata") in {"1", "true", "True", True}
        shown = [
            {"ts": m.ts, "text": m.body.get("text", ""), **({"metadata": m.body["metadata"]} if with_metadata else {})}
            for m in newest_first[start : start + size]
        ]
        more = start + size < len(newest_first)
        return {"ok": True, "messages": shown, "response_metadata": {"next_cursor": str(start + size) if more else ""}}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "public_channel" not in asked.get("types", "public_channel"):
            return {"ok": False, "error": "missing_scope", "needed": "groups:read"}
        names = sorted(self.channels)
        start = int(asked.get("cursor") or 0)
        size = min(int(asked.get("limit") or 100), self.page)
        shown = [{"id": self.channels[name], "name": name} for name in names[start : start + size]]
        more = start + size < len(names)
        return {"ok": True, "channels": shown, "response_metadata": {"next_cursor": str(start + size) if more else ""}}

    def _upload_url(self, _: dict[str, Any]) -> dict[str, Any]:
        file_id = f"F{len(self.uploads):08d}"
        self.uploads[file_id] = b""
        return {"ok": True, "upload_url": self.url.replace("/api/", f"/upload/{file_id}"), "file_id": file_id}

    def _complete_upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        files = asked["files"] if isinstance(asked["files"], list) else json.loads(asked["files"])
        self.shared.append({**asked, "files": files})
        return {"ok": True, "files": files}

    def id_of(self, given: str) -> str | None:
        """The id of a channel by its id or name, None where there is no such channel."""
        if given in self.channels.values():
            return given
        return self.channels.get(given.removeprefix("#"))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Whoever asked was killed meanwhile."""


class _Handler(BaseHTTPRequestHandler):
    slack: SlackDouble
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        path = urlsplit(self.path)
        if path.path.startswith("/upload/"):
            self.slack.calls.append(("upload", {}))
            if (fault := self.slack.fault_for("upload")) is not None:
                self._reply(fault.status, "broken")
                return
            self.slack.uploads[path.path.rsplit("/", 1)[1]] = raw
            self._reply(200, "OK")
            return
        self._web_api(path.path.removeprefix("/api/"), raw, path.query)

    def _web_api(self, method: str, raw: bytes, query: str) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._reply(200, json.dumps({"ok": False, "error": "invalid_auth"}))
            return
        if "application/json" in (self.headers.get("Content-Type") or ""):
            asked = json.loads(raw or b"{}")
        else:
            asked = dict(parse_qsl(raw.decode())) | dict(parse_qsl(query))
        said, fault = self._fault(method, asked)
        if fault is not None and not fault.lose_reply:
            self._keep(method, said, asked, {})
            self.slack.calls.append((method, asked))
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            code = fault.error or ("ratelimited" if fault.status == 429 else "internal_error")
            self._reply(fault.status, fault.body or json.dumps({"ok": False, "error": code}), headers)
            return
        answer = self.slack.answer(method, asked)
        self._keep(method, said if answer["ok"] else str(answer["error"]), asked, answer)
        if fault is not None:
            self.close_connection = True  # the work is done, the reply never comes
            return
        self._reply(200, json.dumps(answer))

    def _fault(self, method: str, asked: dict[str, Any]) -> tuple[str, Fault | None]:
        """What goes wrong with this request, and the word for it in the log."""
        if (fault := self.slack.fault_for(method)) is not None:
            return "fault", fault
        if self.slack.weather is None:
            return "ok", None
        place = str(asked.get("channel", ""))
        said, wait = self.slack.weather.over(method, self.slack.id_of(place) or place)
        if said in {"outage", "broken"}:
            return said, Fault(status=503 if said == "outage" else 500)
        if said == "lost":
            return said, Fault(lose_reply=True)
        if said == "ok":
            return said, None
        everywhere = "message_limit_exceeded" if said.endswith("everywhere") else "ratelimited"
        return said, Fault(status=429, error=everywhere, retry_after=str(wait))

    def _keep(self, method: str, said: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        if self.slack.weather is not None:
            self.slack.weather.keep(method, said, asked, str(answer.get("ts", "")))

    def _reply(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        encoded = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(encoded)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def refused_blocks(asked: dict[str, Any]) -> dict[str, Any] | None:
    """Slack's refusal of the blocks of a message, or None where it would take them."""
    blocks = asked.get("blocks", [])
    problems = list(block_problems(blocks))
    if problems:
        return {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": problems}}
    if sum(len(text) for text in texts(blocks)) > TOTAL:
        return {"ok": False, "error": "msg_blocks_too_long"}
    if not asked.get("text") and not blocks:
        return {"ok": False, "error": "no_text"}
    return None


def block_problems(blocks: list[dict[str, Any]]) -> Iterator[str]:
    """What Slack would not take: its limits and required fields, as its reference names them."""
    if len(blocks) > 50:
        yield "more than 50 blocks"
    for place, block in enumerate(blocks):
        yield from (f"[ERROR] {problem} [json-pointer:/blocks/{place}]" for problem in _problems(block))


def texts(item: Any) -> Iterator[str]:
    """Every text in a structure of blocks."""
    if isinstance(item, dict):
        if isinstance(item.get("text"), str):
            yield item["text"]
        for value in item.values():
            yield from texts(value)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from texts(value)


def _problems(block: dict[str, Any]) -> Iterator[str]:
    kind = block.get("type")
    if kind == "header":
        yield from _text(block.get("text"), 150, kinds={"plain_text"})
    elif kind == "section":
        yield from _section(block)
    elif kind == "context":
        elements = block.get("elements", [])
        if not 1 <= len(elements) <= 10:
            yield "context needs 1 to 10 elements"
        for element in elements:
            yield from _text(element, 3000)
    elif kind == "actions":
        yield from _actions(block)
    elif kind == "rich_text":
        yield from _rich_text(block)
    else:
        yield f"unknown block {kind}"


def _rich_text(block: dict[str, Any]) -> Iterator[str]:
    """Lists of sections of texts and links; a text must not be empty, a link must lead somewhere."""
    for items in block.get("elements") or [{}]:
        if items.get("type") != "rich_text_list" or items.get("style") != "bullet" or not items.get("elements"):
            yield "rich_text needs lists with items"
        for section in items.get("elements", []):
            for element in section.get("elements") or [{}]:
                if not element.get("text"):
                    yield "a text of rich_text is empty"
                if element.get("type") == "link" and not str(element.get("url", "")).startswith(
                    ("https://", "http://")
                ):
                    yield "a link leads nowhere"


def _section(block: dict[str, Any]) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield "section needs text or fields"
    if "text" in block:
        yield from _text(block["text"], 3000)
    fields = block.get("fields")
    if fields is not None:
        if not 1 <= len(fields) <= 10:
            yield "section needs 1 to 10 fields"
        for item in fields:
            yield from _text(item, 2000)


def _actions(block: dict[str, Any]) -> Iterator[str]:
    elements = block.get("elements", [])
    if not 1 <= len(elements) <= 25:
        yield "actions needs 1 to 25 elements"
    ids = [element.get("action_id") for element in elements]
    if len(set(ids)) != len(ids):
        yield "action_id is used twice"
    for element in elements:
        yield from _text(element.get("text"), 75, kinds={"plain_text"})
        url = element.get("url", "https://without.example")
        if len(url) > 3000 or urlsplit(url).scheme not in {"http", "https"}:
            yield "invalid url"
        if not 0 < len(element.get("action_id", "")) <= 255 or not 0 < len(element.get("value", "none")) <= 2000:
            yield "invalid action_id or value"
        if element.get("style", "primary") not in {"primary", "danger"}:
            yield "invalid style"


def _text(
    item: Any, limit: int, *, kinds: frozenset[str] | set[str] = frozenset({"plain_text", "mrkdwn"})
) -> Iterator[str]:
    if not isinstance(item, dict) or item.get("type") not in kinds or not isinstance(item.get("text"), str):
        yield "not a text object"
        return
    if not item["text"].strip():
        yield "must be more than 0 characters"
    if len(item["text"].encode("utf-16-le", "surrogatepass")) // 2 > limit:
        yield f"must be less than {limit + 1} characters"
    if item["type"] == "mrkdwn" and "emoji" in item:
        yield "emoji is not for mrkdwn"

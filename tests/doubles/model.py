"""A local double of model servers: it answers from a function, in the shape of the API that is asked, and fails as it is told to.

Use it as a context manager inside a test, or in a process of its own: ``python model.py --latency-ms 50`` prints its URL and
serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

KEY = "test-key-0123456789"
MODEL = "double-1"
USAGE: Mapping[str, Any] = {
    "prompt_tokens": 120,
    "completion_tokens": 8,
    "total_tokens": 128,
    "prompt_tokens_details": {"cached_tokens": 100},
}


@dataclass(frozen=True)
class Act:
    """What the double does with one request: by default it answers well.

    ``body`` replaces the reply's JSON. ``cut`` sends only so many bytes of it and hangs up; ``drop`` hangs up without a word.
    ``drip`` sends the reply byte by byte with so many seconds between them (``drip_head`` begins with the status line).
    ``hang`` sends the headers and then nothing. ``flood`` sends a body of no stated length for as long as somebody reads it.
    ``calls`` are tools to be called, ``stopped`` is the API's own word for why the answer ended.
    """

    text: str | None = "pong"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    model: str | None = None
    usage: Mapping[str, Any] | None = field(default_factory=lambda: USAGE)
    latency: float = 0.0
    cut: int | None = None
    drop: bool = False
    drip: float = 0.0
    drip_head: bool = False
    hang: bool = False
    flood: bool = False
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    stopped: str | None = None


# Takes the request's JSON, and how often these very messages were asked before.
Script = Callable[[dict[str, Any], int], Act]


@dataclass(frozen=True)
class Asked:
    """A request as it came; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    json: dict[str, Any]


class ModelDouble:
    """The server, on a free port of 127.0.0.1; ``asked`` holds every request, ``most_at_once`` the most under way together."""

    def __init__(self, script: Script = lambda _request, _times: Act(), *, keep: bool = True) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.most_at_once = 0
        self._script = script
        self._keep = keep
        self._times: dict[str, int] = {}
        self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The JSON of every request, in order."""
        return [asked.json for asked in self.asked]

    def __enter__(self) -> Self:
        self._server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=512)
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self._loop.close()

    def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    def start(self, asked: Asked, connection: _Connection) -> None:
        """Begin to answer a request."""
        mark = json.dumps(asked.json.get("messages") or asked.json)
        times = self._times.get(mark, 0)
        self._times[mark] = times + 1
        if self._keep:
            self.asked.append(asked)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        task = self._loop.create_task(self._answer(self._script(asked.json, times), asked, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, act: Act, asked: Asked, connection: _Connection) -> None:
        try:
            if act.latency:
                await asyncio.sleep(act.latency)
            if act.drop:
                connection.transport.abort()
                return
            head, body = _reply(act, asked)
            if act.hang:
                connection.transport.write(head)
                await connection.gone.wait()
            elif act.flood:
                await _flood(connection, act)
            elif act.drip:
                await _drip(connection, head, body, act)
            else:
                connection.transport.write(head + (body if act.cut is None else body[: act.cut]))
            if act.cut is not None:
                connection.transport.close()
        finally:
            self._at_once -= 1


async def _drip(connection: _Connection, head: bytes, body: bytes, act: Act) -> None:
    slowly = head + body if act.drip_head else body
    if not act.drip_head:
        connection.transport.write(head)
    for position in range(len(slowly)):
        if connection.transport.is_closing():
            return
        connection.transport.write(slowly[position : position + 1])
        await asyncio.sleep(act.drip)


async def _flood(connection: _Connection, act: Act) -> None:
    lines = [f"HTTP/1.1 {act.status} X", "Transfer-Encoding: chunked", "", ""]
    connection.transport.write("\r\n".join(lines).encode())
    while not connection.transport.is_closing():
        connection.transport.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await asyncio.sleep(0)


def _chat(act: Act) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": act.text}
    if act.calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(act.calls)
        ]
    ended = act.stopped or ("tool_calls" if act.calls else "stop")
    choice = {"index": 0, "finish_reason": ended, "message": message}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


def _responses(act: Act) -> dict[str, Any]:
    content = [{"type": "output_text", "text": act.text, "annotations": []}]
    output: list[dict[str, Any]] = [{"type": "reasoning", "summary": []}]
    if act.text:
        output.append({"type": "message", "role": "assistant", "status": "completed", "content": content})
    output += [
        {"type": "function_call", "call_id": f"call_{n}", "name": name, "arguments": json.dumps(arguments)}
        for n, (name, arguments) in enumerate(act.calls)
    ]
    cut = {"reason": act.stopped} if act.stopped else None
    status = "incomplete" if cut else "completed"
    return {"id": "resp_1", "object": "response", "status": status, "incomplete_details": cut, "output": output}


def _messages(act: Act) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": act.text}] if act.text else []
    content += [
        {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments}
        for n, (name, arguments) in enumerate(act.calls)
    ]
    ended = act.stopped or ("tool_use" if act.calls else "end_turn")
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": content, "stop_reason": ended}


_SHAPES = {"chat/completions": _chat, "responses": _responses, "messages": _messages}


def _reply(act: Act, asked: Asked) -> tuple[bytes, bytes]:
    """Status line with headers, and body."""
    body = act.body
    if body is None:
        document = _SHAPES.get(asked.path.removeprefix("/v1/"), _chat)(act)
        document["model"] = asked.json.get("model", MODEL) if act.model is None else act.model
        if act.usage is not None:
            document["usage"] = act.usage
        body = json.dumps(document).encode()
    length = {} if "Transfer-Encoding" in act.headers else {"Content-Length": str(len(body))}
    headers = {"Content-Type": "application/json", **length, **act.headers}
    lines = [f"HTTP/1.1 {act.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), body


class _Connection(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    def __init__(self, double: ModelDouble) -> None:
        self._double = double
        self._held = b""
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._double.connections += 1

    def connection_lost(self, _error: Exception | None) -> None:
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, rest = self._held.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._held = rest[length:]
        self._double.start(Asked(first.split(" ")[1], headers, json.loads(rest[:length] or b"{}")), self)


def main() -> None:
    """Serve in a process of its own until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--text", default="pong")
    options = parser.parse_args()
    act = Act(text=options.text, latency=options.latency_ms / 1000)
    with ModelDouble(lambda _request, _times: act, keep=False) as double:
        print(double.url, flush=True)  # noqa: T201 - the caller reads it
        with suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()

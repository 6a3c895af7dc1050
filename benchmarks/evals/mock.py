"""A model server as fast as Python allows, in a process of its own: OpenAI-compatible chat completions after a constant latency.

It prints ``{"port": ...}``, then ``{"told": ...}`` once it has sent so many good replies as ``--tell-after`` says, and, when its
standard input ends, one line of what it counted.

    python -m benchmarks.evals.mock --latency-ms 50 --faults
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import cast

from benchmarks.evals.faults import RETRY_AFTER_S, Fault, fault
from benchmarks.evals.work import LATENCY_MS, MODEL, answer

_CASE = re.compile(rb"INV-([0-9]{7})")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_USAGE = {
    "prompt_tokens": 150,
    "completion_tokens": 40,
    "total_tokens": 190,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_EARLY_SLACK_S = 0.005  # a client's clock and ours may differ by a timer's tick


@dataclass(slots=True)
class Seen:
    """What came. Seconds are of the system-wide monotonic clock; ``again`` counts requests of a case beyond its first."""

    requests: int = 0
    good: int = 0
    cases: int = 0
    again: int = 0
    early: int = 0
    most_at_once: int = 0
    first: float = 0.0
    last: float = 0.0
    other: list[str] = field(default_factory=list)


class Ledger:
    """Counts requests by case, and knows which fault is next."""

    def __init__(self, *, faults: bool, tell_after: int) -> None:
        self.seen = Seen()
        self._faults = faults
        self._tell_after = tell_after
        self._attempts: Counter[int] = Counter()
        self._not_before: dict[int, float] = {}
        self._open = 0

    def came(self, case: int, now: float) -> Fault:
        """A request of a case came at ``now``: which fault it meets."""
        seen = self.seen
        attempt = self._attempts[case]
        self._attempts[case] += 1
        seen.requests += 1
        seen.cases += attempt == 0
        seen.again += attempt > 0
        seen.first = seen.first or now
        seen.early += now < self._not_before.pop(case, 0.0) - _EARLY_SLACK_S
        self._open += 1
        seen.most_at_once = max(seen.most_at_once, self._open)
        return fault(case, attempt) if self._faults else Fault.NONE

    def sent(self, case: int, kind: Fault, now: float) -> None:
        """The reply to a request was sent."""
        self._open -= 1
        self.seen.last = now
        if kind is Fault.BUSY:
            self._not_before[case] = now + RETRY_AFTER_S
        if kind is Fault.NONE:
            self.seen.good += 1
            if self.seen.good == self._tell_after:
                print(json.dumps({"told": self.seen.good}), flush=True)


class Server(asyncio.Protocol):
    """One connection: requests one after the other, bodies with a length."""

    def __init__(self, ledger: Ledger, latency: float, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._latency = latency
        self._loop = loop
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Take whole requests out of what has come."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length.group(1)) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._asked(head, body)

    def _asked(self, head: bytes, body: bytes) -> None:
        found = _CASE.search(body)
        if found is None or not head.startswith(b"POST /v1/chat/completions"):
            self._ledger.seen.other.append(head.split(b"\r\n", 1)[0].decode("latin-1")[:80])
            self._write(reply(404, b'{"error": {"message": "only chat completions of known cases"}}'))
            return
        case = int(found.group(1))
        kind = self._ledger.came(case, time.monotonic())
        self._loop.call_later(self._latency, self._answer, case, kind)

    def _answer(self, case: int, kind: Fault) -> None:
        if kind is Fault.DROP:
            if self._transport is not None:
                self._transport.abort()
        else:
            self._write(response(case, kind))
        self._ledger.sent(case, kind, time.monotonic())

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def response(case: int, kind: Fault) -> bytes:
    """The whole reply to a case, about 0.6 KB of body where it is good."""
    if kind is Fault.BUSY:
        return reply(429, b'{"error": {"message": "slow down", "type": "rate_limit"}}', b"Retry-After: 1\r\n")
    if kind is Fault.SERVER:
        return reply(500, b'{"error": {"message": "the server had an error", "type": "server_error"}}')
    body = json.dumps(
        {
            "id": f"chatcmpl-bench{case:07d}",
            "object": "chat.completion",
            "created": 1_780_000_000,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer(case), "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        }
    ).encode()
    return reply(200, body[: len(body) // 2] if kind is Fault.CUT else body)


def reply(status: int, body: bytes, headers: bytes = b"") -> bytes:
    """An HTTP/1.1 reply with JSON."""
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status,
        len(body),
        headers,
        body,
    )


async def serve(ledger: Ledger, latency: float) -> None:
    """Listen until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(ledger, latency, loop), "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    print(json.dumps(asdict(ledger.seen)), flush=True)


def main() -> None:
    """Read the options and serve, on uvloop where it is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=LATENCY_MS)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--tell-after", type=int, default=-1)
    options = parser.parse_args()
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    ledger = Ledger(faults=options.faults, tell_after=options.tell_after)
    asyncio.run(serve(ledger, options.latency_ms / 1000))


if __name__ == "__main__":
    main()

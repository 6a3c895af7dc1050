"""What a workspace is like from outside: limits, outages, lost replies; and a log of every request that outlives its process."""

from __future__ import annotations

import contextlib
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POST = "chat.postMessage"
WORKSPACE = "*"


@dataclass
class Weather:
    """How the double answers each request. Chances are of one request; times are seconds.

    ``per_channel``: a post sooner after the last one of its channel is too many. ``limited`` is the chance of a 429 for the
    channel, ``limited_everywhere`` of one for the workspace, each with ``retry_after``. ``broken`` answers 500 and does nothing,
    ``lost`` does the work and says nothing. In ``outages`` (from, to; of time.time) every request gets 503.
    """

    per_channel: float = 0.0
    retry_after: int = 1
    limited: float = 0.0
    limited_everywhere: float = 0.0
    broken: float = 0.0
    lost: float = 0.0
    outages: list[tuple[float, float]] = field(default_factory=list)
    chance: random.Random = field(default_factory=random.Random)
    log: Path | None = None
    _closed: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def over(self, method: str, channel: str) -> tuple[str, int]:
        """What becomes of a request that arrives now, in one word, and after how long it may come again.

        ``early`` is a request inside a Retry-After: of its channel, or (``early everywhere``) of the workspace.
        """
        now = time.time()
        with self._lock:
            if any(begin <= now < end for begin, end in self.outages):
                return "outage", 0
            if (left := self._closed.get(WORKSPACE, 0.0) - now) > 0:
                return "early everywhere", math.ceil(left)
            if method == POST and (left := self._closed.get(channel, 0.0) - now) > 0:
                return "early", math.ceil(left)
            said = self._said(method, now - self._last.get(channel, 0.0))
            if said in {"limited", "too many"}:
                self._closed[channel] = now + self.retry_after
            elif said == "limited everywhere":
                self._closed[WORKSPACE] = now + self.retry_after
            elif method == POST and said in {"ok", "lost"}:
                self._last[channel] = now
            return said, self.retry_after

    def _said(self, method: str, rested: float) -> str:
        if method == POST and rested < self.per_channel:
            return "too many"
        drawn = self.chance.random()
        for word, share in (
            ("limited everywhere", self.limited_everywhere),
            ("limited", self.limited if method == POST else 0.0),
            ("broken", self.broken),
            ("lost", self.lost),
        ):
            if drawn < share:
                return word
            drawn -= share
        return "ok"

    def keep(self, method: str, said: str, asked: dict[str, Any], ts: str) -> None:
        """Add a line to the log: what was asked, what was said, and where it stands (``ts``) where something was posted."""
        if self.log is None:
            return
        line = {
            "at": time.time(),
            "method": method,
            "said": said,
            "channel": asked.get("channel", ""),
            "thread": asked.get("thread_ts", ""),
            "reference": reference_in(asked),
            "text": asked.get("text", ""),
            "ts": ts,
        }
        with self._lock, self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Logged:
    """What the log of a workspace says. ``posted`` counts posts by reference, ``at`` has when each stood there first, ``said`` counts
    answers, ``texts`` are how messages stand at the end, by reference of their first post.
    """

    posted: Counter[str]
    at: dict[str, float]
    said: Counter[str]
    texts: dict[str, str]
    early_everywhere: int

    @classmethod
    def read(cls, log: Path, *, under_way: float = 0.5) -> Logged:
        """``early_everywhere`` leaves out what came within ``under_way`` seconds of the answer that closed the workspace: it was on
        its way already.
        """
        posted: Counter[str] = Counter()
        said: Counter[str] = Counter()
        at: dict[str, float] = {}
        stands: dict[str, str] = {}
        texts: dict[str, str] = {}
        closed_at, early = 0.0, 0
        for one in lines(log):
            said[one["said"]] += 1
            if one["said"] == "limited everywhere":
                closed_at = one["at"]
            early += one["said"] == "early everywhere" and one["at"] > closed_at + under_way
            if one["method"] == POST and one["ts"]:
                posted[one["reference"]] += 1
                at.setdefault(one["reference"], one["at"])
                stands[one["ts"]] = one["reference"]
            if one["ts"] in stands and not one["thread"]:
                texts[stands[one["ts"]]] = one["text"]
        return cls(posted, at, said, texts, early)


def lines(log: Path) -> Iterator[dict[str, Any]]:
    """The log's lines, without one that a killed process has left half written."""
    for line in log.read_text().splitlines() if log.exists() else ():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)


def reference_in(asked: dict[str, Any]) -> str:
    """Our id in the metadata of a request, or empty."""
    return str((asked.get("metadata") or {}).get("event_payload", {}).get("reference", ""))

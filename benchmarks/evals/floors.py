"""The floor: no framework at all. Ask, retry, five assertions with a compiled validator, one unbuffered JSON line a case."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.evals.tool import Tool, job_of, script, size
from benchmarks.evals.work import KEY, PRICES, Job, case_id, read_lines, request, validator, verdicts

_ATTEMPTS = 8
_PAUSE_S = 0.2
_TIMEOUT_S = 60
_BUSY, _SERVER = 429, 500
_LINES = "samples.jsonl"


class Lines:
    """Turns replies into lines; a case that has a line already is not asked again."""

    def __init__(self, job: Job) -> None:
        self.path = job.folder / _LINES
        known = read_lines(self.path)
        self.left = [case for case in range(job.cases) if case not in known]
        if self.path.exists():
            _mend(self.path)
        self._file = self.path.open("ab", buffering=0)
        self._valid = validator()

    def keep(self, case: int, body: dict[str, Any], reply: dict[str, Any]) -> None:
        """Score, price, write."""
        tokens = reply["usage"]
        cost = (
            tokens["prompt_tokens"] * PRICES["input_per_million"]
            + tokens["completion_tokens"] * PRICES["output_per_million"]
        )
        said = verdicts(reply["choices"][0]["message"]["content"], case, self._valid)
        row = {"case": case_id(case), "request": body, "response": reply, "verdicts": said, "cost": cost / 1e6}
        self._file.write(json.dumps(row).encode() + b"\n")


def _mend(path: Path) -> None:
    """Drop a last line that was cut off."""
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"\n") + 1])


def run_aiohttp(job: Job) -> None:
    """One event loop, C workers."""
    import aiohttp

    lines = Lines(job)
    waiting = iter(lines.left)

    async def ask(session: aiohttp.ClientSession, case: int) -> None:
        body = request(case)
        for attempt in range(_ATTEMPTS):
            pause = _PAUSE_S * 2**attempt
            try:
                async with session.post(f"{job.url}/chat/completions", json=body) as response:
                    if response.status < 400:  # noqa: PLR2004 - the first status that is an error
                        lines.keep(case, body, json.loads(await response.read()))
                        return
                    pause = float(response.headers.get("Retry-After", pause))
            except (aiohttp.ClientError, ValueError):
                pass
            await asyncio.sleep(pause)

    async def worker(session: aiohttp.ClientSession) -> None:
        for case in waiting:
            await ask(session, case)

    async def all_of_them() -> None:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=job.concurrency),
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
        ) as session:
            await asyncio.gather(*(worker(session) for _ in range(job.concurrency)))

    asyncio.run(all_of_them())


def run_requests(job: Job) -> None:
    """A pool of C threads over one session."""
    from concurrent.futures import ThreadPoolExecutor

    import requests
    from requests.adapters import HTTPAdapter

    lines = Lines(job)
    lock = threading.Lock()
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {KEY}"
    session.mount("http://", HTTPAdapter(pool_maxsize=job.concurrency))

    def ask(case: int) -> None:
        body = request(case)
        for attempt in range(_ATTEMPTS):
            pause = _PAUSE_S * 2**attempt
            try:
                response = session.post(f"{job.url}/chat/completions", json=body, timeout=_TIMEOUT_S)
                if response.ok:
                    reply = response.json()
                    with lock:
                        lines.keep(case, body, reply)
                    return
                pause = float(response.headers.get("Retry-After", pause))
            except (requests.RequestException, ValueError):
                pass
            time.sleep(pause)

    with ThreadPoolExecutor(job.concurrency) as pool:
        list(pool.map(ask, lines.left))


RUNNERS = {"aiohttp": run_aiohttp, "requests": run_requests}


def _floor(name: str, label: str) -> Tool:
    def command(job: Job) -> list[str]:
        return [*script(sys.executable, "floors", job), name]

    return Tool(
        name=f"floor-{name}",
        label=label,
        version="",
        environment=None,
        command=command,
        resume=command,
        verdicts=lambda job: read_lines(job.folder / _LINES),
        stored=lambda job: size(job, _LINES),
    )


TOOLS = (_floor("aiohttp", "bare aiohttp"), _floor("requests", "bare requests + threads"))

if __name__ == "__main__":
    RUNNERS[sys.argv[-1]](job_of(sys.argv[1:]))

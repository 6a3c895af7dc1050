"""How many questions a gateway may ask in a second, and how long the slowest wait: the allowance API beside an empty answer.

    .venv/bin/python benchmarks/bench_allowance.py                   # 1,000 workflows, 20,000 questions of each kind: a minute

`many` asks about all of them in turn, each from the database; `few` about ten, as a gateway that asks before each call. One uvicorn
process; 16 connections in this process, which takes a part of the machine too. `empty` is a Starlette application that
answers with as many bytes and looks nothing up: the floor. Exit status 1: about `few` the API answers less than a sixth as often.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from afterpilot.decide.allowing import allowance
from afterpilot.demo.postgres import running
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.spend import CapRule, CapState
from afterpilot.domain.window import Window
from afterpilot.record.migrate import upgrade
from afterpilot.record.ops import Ops, connect
from afterpilot.web.api.tokens import GatewayTokens, hash_of
from afterpilot.web.app import create_app

TOKEN, WORKFLOWS, FEW, CONNECTIONS, LEAST = "apg_benchmark", 1000, 10, 16, 1 / 6
_BODY = b"x" * 540  # as long as an answer


@dataclass(frozen=True)
class Measured:
    """Seconds of each question, and how long all took."""

    seconds: Sequence[float]
    whole: float

    @property
    def rate(self) -> float:
        """Questions a second."""
        return len(self.seconds) / self.whole

    def row(self, name: str, floor: float) -> str:
        """A line of the table."""
        cuts = statistics.quantiles(self.seconds, n=1000)
        spans = "  ".join(f"{1000 * cuts[at]:>8.1f}" for at in (499, 989, 998))
        return f"{name:<22}  {self.rate:>10,.0f}  {spans}  {self.rate / floor:>12.2f}"


def main() -> int:
    """Print a table; 1 where the API is too slow beside the empty answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=20_000)
    questions = parser.parse_args().questions
    with tempfile.TemporaryDirectory(prefix="ap") as folder, running(Path(folder)) as server:
        server.create("ops")
        upgrade(server.url("ops"))
        _fill(server.url("ops"))
        served = {}
        for name, app in (("empty", "empty"), ("", "api")):
            with _Server(app, server.url("ops")) as port:
                asyncio.run(_ask(port, 500, WORKFLOWS))  # connections, imports, caches
                if app == "empty":
                    served[name] = asyncio.run(_ask(port, questions, FEW))
                    continue
                served["few"] = asyncio.run(_ask(port, questions, FEW))
                served["few, unchanged (304)"] = asyncio.run(_ask(port, questions, FEW, known="*"))
                served["many"] = asyncio.run(_ask(port, questions, WORKFLOWS))
    floor = served["empty"].rate
    print(f"{'':<22}  {'questions/s':>10}  {'p50, ms':>8}  {'p99, ms':>8}  {'p99.9':>8}  {'beside empty':>12}")
    for name, measured in served.items():
        print(measured.row(name, floor))
    return int(served["few"].rate < LEAST * floor)


def api() -> FastAPI:
    """The application with the API, as Airflow mounts it."""
    engine = connect(os.environ["BENCH_DATABASE_URL"])
    tokens = GatewayTokens.parse(hash_of(TOKEN))
    outer = FastAPI()
    outer.mount("/afterpilot", create_app(lambda: engine, gate=[], gateway_tokens=lambda: tokens))
    return outer


def empty() -> Starlette:
    """An application that answers with as many bytes, whatever it is asked."""

    async def answer(_request: object) -> Response:
        return Response(_BODY, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", answer)])


class _Server:
    """uvicorn with one of the two, in a process of its own."""

    def __init__(self, app: str, url: str) -> None:
        self._app, self._url = app, url

    def __enter__(self) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        here = Path(__file__)
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            f"{here.stem}:{self._app}",
            "--app-dir",
            str(here.parent),
        ]
        self._process = subprocess.Popen(
            [*command, "--port", str(port), "--log-level", "error", "--no-access-log"],
            env={**os.environ, "BENCH_DATABASE_URL": self._url},
        )
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return port
        raise TimeoutError("uvicorn does not listen")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


async def _ask(port: int, questions: int, workflows: int, known: str = "") -> Measured:
    """Ask about so many workflows in turn, over connections that stay open; ``known`` is the tag of If-None-Match."""
    numbers = iter(range(questions))
    seconds: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            began = time.perf_counter()
            tag = f"If-None-Match: {known}\r\n" if known else ""
            writer.write(
                f"GET /afterpilot/api/v1/workflows/w{number % workflows:04d}/allowance HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {TOKEN}\r\n{tag}\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith((b"http/1.1 200", b"http/1.1 304")):
                raise ValueError(head.decode("latin-1"))
            if b"content-length:" in head and b" 304 " not in head[:20]:
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            seconds.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return Measured(seconds, time.perf_counter() - began)


def _fill(url: str) -> None:
    """A thousand workflows, each within its cap."""
    now = datetime.now(UTC)
    rule = CapRule(Cap.parse("400 USD/month"), (), "stop")
    engine = connect(url)
    with Ops(engine).begin() as unit:
        for number in range(WORKFLOWS):
            state = CapState(rule, Window(now, now), rule.cap.limit, Money(Decimal(number) / 10))
            unit.allowances.put(allowance(f"w{number:04d}", [state], now=now))
    engine.dispose()


if __name__ == "__main__":
    raise SystemExit(main())

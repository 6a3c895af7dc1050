"""Processes that end without a word, and the workspace that they send to, each a fork of one that has loaded everything."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any

import sqlalchemy as sa
from benchmarks.alerts.letters import FALLBACK

from afterpilot.notify.deliver import deliver
from afterpilot.notify.slack import SlackTransport
from afterpilot.record.alerts.delivery import PostgresOutbox
from afterpilot.record.ops import connect
from doubles.slack import TOKEN, SlackDouble
from doubles.slack_weather import Weather

FORK = multiprocessing.get_context("fork")
_TIMEOUT = 3  # seconds for one request, so that a lease can be short


@dataclass(frozen=True)
class Pace:
    """How the senders are set: seconds between two posts to one channel, and the lease, which outlasts a request."""

    pace: float
    lease: float = 6.0


def ours(database: str, slack: str, pace: Pace) -> None:
    """Deliver as the product does, sweep after sweep, whatever happens to the database."""
    logging.disable()  # what goes wrong here is meant to
    engine = connect(database)
    outbox = PostgresOutbox(engine, fallback_channel=FALLBACK, lease=timedelta(seconds=pace.lease))
    transport = SlackTransport(TOKEN, slack, timeout=_TIMEOUT, pace=pace.pace)
    while True:
        try:
            deliver(outbox, {"slack": transport}, budget=55.0)
        except sa.exc.SQLAlchemyError:
            engine.dispose()
        time.sleep(0.1)


@contextlib.contextmanager
def workspace(channels: Mapping[str, str], weather: Weather) -> Iterator[str]:
    """A workspace in a process of its own; its address."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=_serve, args=(dict(channels), weather, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.kill()
        process.join()


def _serve(channels: dict[str, str], weather: Weather, there: Any) -> None:  # noqa: ANN401 - a pipe's end
    with SlackDouble(channels=channels, page=900, weather=weather) as double:
        there.send(double.url)
        while True:
            time.sleep(60)


@contextlib.contextmanager
def senders(count: int, work: Callable[..., None], *given: object) -> Iterator[Senders]:
    """So many processes that do the work until they are killed."""
    running = Senders(count, work, given)
    try:
        yield running
    finally:
        running.end()


class Senders:
    """Sender processes; one that is killed is replaced by a new one."""

    def __init__(self, count: int, work: Callable[..., None], given: tuple[object, ...]) -> None:
        self._work, self._given = work, given
        self._running: list[BaseProcess] = [self._started() for _ in range(count)]

    def kill(self, place: int) -> None:
        """SIGKILL to one of them, wherever it is, and a new one in its place."""
        place %= len(self._running)
        _end(self._running[place])
        self._running[place] = self._started()

    def end(self) -> None:
        """All of them."""
        for process in self._running:
            _end(process)

    def _started(self) -> BaseProcess:
        process = FORK.Process(target=self._work, args=self._given, daemon=True)
        process.start()
        return process


def _end(process: BaseProcess) -> None:
    process.kill()
    process.join()

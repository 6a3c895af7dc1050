"""The storm: alerts are committed while senders are killed, the database crashes, and Slack limits, fails and loses replies."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from benchmarks.alerts.letters import Alerts, Owed, found, ids
from benchmarks.alerts.senders import Pace, ours, senders, workspace

from afterpilot.demo.postgres import EmbeddedPostgres, running
from afterpilot.record.migrate import upgrade
from doubles.slack_weather import Logged, Weather

PACE = 0.1  # seconds between two posts to one channel: the storm is about faults, and Slack's second would stretch it tenfold
_QUIET = 600.0  # seconds that may pass until everything is delivered, after the last kill


@dataclass(frozen=True)
class Storm:
    """How bad it is."""

    alerts: int = 10_000
    kills: int = 200
    crashes: int = 5
    channels: int = 200
    processes: int = 3
    between: float = 1.5  # seconds between two kills, on average
    seed: int = 7
    opened: float = 0.8
    details: float = 0.5


@dataclass(frozen=True)
class Result:
    """What the workspace's log says, against what was committed; seconds for the whole."""

    states: Counter[str]
    owed: int
    lost: int
    doubled: int
    stale: int
    said: Counter[str]
    early_everywhere: int
    seconds: float


def run(folder: Path, storm: Storm, *, work: Callable[..., None] = ours) -> Result:
    """Commit the alerts in as many portions as there are kills; when all is delivered, count. The folder's path must be short."""
    weather = Weather(
        per_channel=PACE * 0.9,
        limited=0.02,
        limited_everywhere=0.001,
        broken=0.02,
        lost=0.02,
        chance=random.Random(storm.seed),  # noqa: S311 - no secret
        log=folder / "slack.log",
    )
    begun = time.monotonic()
    with running(folder / "pg") as server:
        server.create("ops")
        upgrade(server.url("ops"))
        with (
            workspace(ids(storm.channels), weather) as slack,
            senders(storm.processes, work, server.url("ops"), slack, Pace(PACE)) as fleet,
        ):
            _rage(server, storm, fleet.kill)
            _wait_until_quiet(server.url("ops"))
        seconds = time.monotonic() - begun
        return _counted(server.url("ops"), folder / "slack.log", seconds)


def _rage(server: EmbeddedPostgres, storm: Storm, kill: Callable[[int], None]) -> None:
    chance = random.Random(storm.seed)  # noqa: S311
    alerts = Alerts(storm.channels, storm.seed, storm.opened, storm.details)
    crash_at = {storm.kills * (n + 1) // (storm.crashes + 1) for n in range(storm.crashes)}
    for step in range(storm.kills):
        share = storm.alerts * (step + 1) // storm.kills - storm.alerts * step // storm.kills
        _commit(server.url("ops"), alerts, share)
        time.sleep(chance.uniform(0.0, 2 * storm.between))
        kill(chance.randrange(storm.processes))
        if step in crash_at:
            server.crash()
        if sys.stderr.isatty():
            print(f"\r{step + 1} of {storm.kills} kills", end="", file=sys.stderr)


def _commit(database: str, alerts: Alerts, count: int) -> None:
    """On a connection that no fork shares."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    with engine.begin() as connection:
        alerts.put(connection, count)
    engine.dispose()


def _wait_until_quiet(database: str) -> None:
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    end = time.monotonic() + _QUIET
    while time.monotonic() < end:
        with engine.connect() as connection:
            if not connection.scalar(sa.text("SELECT count(*) FROM outbox WHERE state = 'pending'")):
                return
        time.sleep(0.5)


def _counted(database: str, log: Path, seconds: float) -> Result:
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    with engine.connect() as connection:
        owed = Owed.read(connection)
    logged = Logged.read(log)
    lost, doubled, stale = found(owed, logged.posted, logged.texts)
    return Result(
        owed.states, len(owed.posts), len(lost), len(doubled), len(stale), logged.said, logged.early_everywhere, seconds
    )

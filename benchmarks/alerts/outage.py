"""After an hour in which Slack did not answer: how long until everything is told, in which order, and how politely.

The hour itself is not waited for. The outbox is left as the last minute of such an hour leaves it at worst: every alert was tried
sixty times and is due only in a minute, may have been begun by the last attempt, every lane rests, and the workspace's own lane is
closed for the longest pause. Slack comes back, limits each channel to a post a second, and asks to wait now and then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from benchmarks.alerts.letters import Alerts, Owed, found, ids
from benchmarks.alerts.senders import Pace, ours, senders, workspace

from afterpilot.demo.postgres import running
from afterpilot.record.migrate import upgrade
from doubles.slack_weather import Logged, Weather

_ATTEMPTED = 0.02  # of the alerts: where no answer comes, hardly any is begun; each of them has to be looked for
_AS_LEFT = """
UPDATE outbox SET attempts = 60, not_before = now() + :held, created_at = created_at - interval '1 h',
  attempted = random() < :attempted, error = 'chat.postMessage: no reply';
INSERT INTO lanes (target, channel, free_at) SELECT DISTINCT target, channel, now() + interval '1 s' FROM outbox;
INSERT INTO lanes (target, channel, free_at, failures, why) VALUES ('slack', '*', now() + :held, 64, 'no reply')
"""


@dataclass(frozen=True)
class Drained:
    """Seconds from Slack's return: until the last critical alert stood in its channel, and until all did; and requests by what Slack said."""

    alerts: int
    critical: int
    criticals_told: float
    all_told: float
    lost: int
    doubled: int
    early: int
    too_many: int
    limited: int


def run(folder: Path, *, alerts: int = 1_000, channels: int = 50, pace: float = 1.0, held: float = 60.0) -> Drained:
    """Let one process deliver everything, as the DAG does minute after minute. ``held``: seconds for which the outage still holds
    everything up when Slack is back.
    """
    weather = Weather(
        per_channel=0.9 * pace,
        retry_after=3,
        limited=0.02,
        chance=random.Random(7),  # noqa: S311 - no secret
        log=folder / "slack.log",
    )
    with running(folder / "pg") as server:
        server.create("ops")
        upgrade(server.url("ops"))
        engine = sa.create_engine(server.url("ops"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            Alerts(channels).put(connection, alerts)
            left = {"attempted": _ATTEMPTED, "held": timedelta(seconds=held)}
            for statement in map(sa.text, _AS_LEFT.split(";")):
                connection.execute(statement, {name: left[name] for name in statement.compile().params})
        with workspace(ids(channels), weather) as slack:
            back = time.time()
            with senders(1, ours, server.url("ops"), slack, Pace(pace)):
                _wait(engine)
        with engine.connect() as connection:
            owed = Owed.read(connection)
            critical = connection.scalars(
                sa.text("SELECT id FROM outbox WHERE gravity = 0 AND state = 'sent' AND kind = 'incident'")
            ).all()
    return _counted(owed, Logged.read(folder / "slack.log"), [str(one) for one in critical], alerts, back)


def _wait(engine: sa.Engine) -> None:
    end = time.monotonic() + 1200
    while time.monotonic() < end:
        with engine.connect() as connection:
            if not connection.scalar(sa.text("SELECT count(*) FROM outbox WHERE state = 'pending'")):
                return
        time.sleep(0.5)


def _counted(owed: Owed, logged: Logged, critical: Sequence[str], alerts: int, back: float) -> Drained:
    lost, doubled, _ = found(owed, logged.posted, logged.texts)
    first = [logged.at[one] for one in critical if one in logged.at]
    return Drained(
        alerts,
        len(critical),
        max(first, default=back) - back,
        max(logged.at.values(), default=back) - back,
        len(lost),
        len(doubled),
        logged.said["early"] + logged.said["early everywhere"],
        logged.said["too many"],
        logged.said["limited"],
    )

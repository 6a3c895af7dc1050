"""From the commit at a real stage's end to the message in Slack: a process that judges workflows and delivers beside it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from benchmarks.alerts.letters import FALLBACK, channel, ids
from benchmarks.alerts.senders import FORK, workspace

from afterpilot import pipeline
from afterpilot.demo.postgres import running
from afterpilot.domain.run import Stage, Trigger
from afterpilot.record.migrate import upgrade
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire
from doubles.slack import TOKEN
from doubles.slack_weather import Logged, Weather

_WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
_CHANNELS = 50


@dataclass(frozen=True)
class Latency:
    """Seconds from the end of the stage's transaction to the post, the least first; and stages whose message never came."""

    seconds: Sequence[float]
    missing: int

    def at(self, share: float) -> float:
        """The time within which this share of the messages stood in its channel."""
        return (
            self.seconds[min(int(share * len(self.seconds)), len(self.seconds) - 1)] if self.seconds else float("inf")
        )


def run(folder: Path, *, stages: int = 300, between: float = 0.2) -> Latency:
    """So many stages end, each with an incident, at random moments and in bursts, in 50 channels."""
    weather = Weather(per_channel=0.9, log=folder / "slack.log")
    with running(folder / "pg") as server:
        server.create("ops")
        upgrade(server.url("ops"))
        with workspace(ids(_CHANNELS) | {FALLBACK[1:]: "C0FALLBCK"}, weather) as slack:
            here, there = FORK.Pipe()
            process = FORK.Process(target=_judge, args=(server.url("ops"), slack, stages, between, there), daemon=True)
            process.start()
            committed: dict[str, float] = here.recv()
            process.join()
        engine = sa.create_engine(server.url("ops"), poolclass=sa.NullPool)
        with engine.connect() as connection:
            letters = {
                workflow: str(reference)
                for workflow, reference in connection.execute(sa.text("SELECT workflow, id FROM outbox"))
            }
    return _measured(committed, letters, Logged.read(folder / "slack.log").at)


def _measured(committed: Mapping[str, float], letters: Mapping[str, str], at: Mapping[str, float]) -> Latency:
    there = {slug: at[letters[slug]] for slug in committed if letters.get(slug) in at}
    return Latency(
        sorted(max(there[slug] - committed[slug], 0.0) for slug in there), missing=len(committed) - len(there)
    )


def _judge(database: str, slack: str, stages: int, between: float, there: Any) -> None:  # noqa: ANN401 - a pipe's end
    logging.disable()
    settings = Settings(database, _WORKFLOWS, "", TOKEN, slack, "bench")
    wired = wire(settings, EnvConnections({}))
    at_once = wired.deliver_at_once()
    known = wired.workflow("invoice_matching")
    chance = random.Random(7)  # noqa: S311 - no secret
    committed: dict[str, float] = {}
    trigger = Trigger("bench", "run")
    for number in range(stages):
        workflow = replace(known, slug=f"workflow_{number:04}", channel=channel(number % _CHANNELS))
        pipeline.crashed(wired.services, workflow, Stage.CHECK, ValueError("boom"), trigger=trigger)
        committed[workflow.slug] = time.time()
        time.sleep(chance.expovariate(1 / between) if number % 10 else 0.0)
    at_once.finish(30.0)
    there.send(committed)

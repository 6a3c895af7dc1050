"""Many incidents at once: those that hang on one thing become one message, and those that nobody takes up become one call."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from afterpilot.demo.postgres import EmbeddedPostgres, running
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.alert_sweep import sweep_alerts
from afterpilot.pipeline.conclude import concluded
from afterpilot.pipeline.services import Services
from afterpilot.record.alerts.delivery import PostgresOutbox
from afterpilot.record.migrate import upgrade
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

_SENT = "UPDATE outbox SET state = 'sent', posted_channel = channel, posted_ts = CAST(id AS text), sent_at = now()"
_WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"


@dataclass(frozen=True, slots=True)
class Together:
    """So many incidents: the seconds until all were on record, for each how many letters are to be sent; and for calls, the seconds of
    the sweep, the steps on record, and how many letters call somebody.
    """

    incidents: int
    seconds: float
    letters: int
    swept: float = 0.0
    steps: int = 0
    calls: int = 0


def shared(folder: Path, incidents: int) -> Together:
    """So many workflows find, one after the other, that the same source cannot be read."""
    with running(folder / f"shared-{incidents}", settings={"fsync": "off"}) as server:
        services, known = _site(server)
        began = time.perf_counter()
        for number in range(incidents):
            _finds(services, known, number, hangs_on="source erp")
        seconds = time.perf_counter() - began
        with services.ops.engine.connect() as connection:
            PostgresOutbox(services.ops.engine, fallback_channel="#afterpilot").tidy()
            letters = _count(connection, "SELECT count(*) FROM outbox WHERE state = 'pending'")
        return Together(incidents, seconds, letters)


def untaken(folder: Path, incidents: int) -> Together:
    """So many workflows of one channel have found something critical of their own, and nobody takes any of it up."""
    with running(folder / f"untaken-{incidents}", settings={"fsync": "off"}) as server:
        services, known = _site(server)
        began = time.perf_counter()
        workflows = [_finds(services, known, number) for number in range(incidents)]
        seconds = time.perf_counter() - began
        later = replace(services, now=lambda: services.now() + timedelta(hours=1))
        with services.ops.engine.begin() as connection:
            letters = _count(connection, "SELECT count(*) FROM outbox WHERE state = 'pending'")
            connection.execute(
                sa.text(
                    "UPDATE outbox SET state = 'sent', posted_channel = channel, posted_ts = id::text, sent_at = now()"
                )
            )
        began = time.perf_counter()
        sweep_alerts(later, {one.slug: one for one in workflows})
        swept = time.perf_counter() - began
        with services.ops.engine.connect() as connection:
            steps = _count(connection, "SELECT count(*) FROM incident_events WHERE what = 'escalated'")
            calls = _count(connection, "SELECT count(*) FROM outbox WHERE state = 'pending'")
        return Together(incidents, seconds, letters, swept, steps, calls)


def _site(server: EmbeddedPostgres) -> tuple[Services, Workflow]:
    logging.disable()
    server.create("ops")
    upgrade(server.url("ops"))
    wired = wire(Settings(server.url("ops"), _WORKFLOWS, "", "", "", "bench"), EnvConnections({}))
    return wired.services, wired.workflow("invoice_matching")


def _finds(services: Services, known: Workflow, number: int, *, hangs_on: str = "") -> Workflow:
    """A run of a workflow of its own that finds one thing; that workflow."""
    workflow, at = replace(known, slug=f"workflow_{number:04}"), services.now()
    severity = Severity.UNKNOWN if hangs_on else Severity.CRITICAL
    finding = Finding(
        workflow.slug, "pull", "pull.source_unreadable", severity, "erp cannot be read", hangs_on=hangs_on
    )
    result = StageResult(workflow.slug, "pull", "", findings=(finding,), covered=("pull.*",))
    concluded(services, result, workflow, Window(at, at), Trigger("bench", f"run-{number}"), at)
    return workflow


def _count(connection: sa.Connection, statement: str) -> int:
    return int(connection.scalar(sa.text(statement)) or 0)

"""Incidents of the example's workflow as real runs and people make them, behind pages on which people are logged in."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from review_site import SAME_SITE, logged_in

from afterpilot import pipeline
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.pipeline.conclude import concluded
from afterpilot.record import tables
from afterpilot.settings import EnvConnections, Settings
from afterpilot.web.access import Access
from afterpilot.web.app import create_app
from afterpilot.wiring import Wired, wire
from doubles.rewriting import rewritten

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
NOW = datetime(2026, 11, 20, 1, 20, tzinfo=UTC)
SLUG = "invoice_matching"
HOUR = timedelta(hours=1)


def stale(
    severity: Severity = Severity.WARNING, title: str = "The newest row is 9 h old; at most 6 h are declared"
) -> Finding:
    """A trouble of the check, with evidence that a person can read."""
    return Finding(
        workflow=SLUG,
        stage="check",
        kind="quality.fresh_within",
        severity=severity,
        title=title,
        about="finished_at",
        detail="The import of the ERP has brought nothing since 16:20 UTC.",
        evidence={
            "cost": "29 invoices wait, about 3 hours of clerks' time",
            "examples": ["newest row: run-04412 at 2026-11-19 16:20 UTC", "rows of the last hour: 0, usually 12"],
            "newest": "2026-11-19T16:20:00+00:00",
            "max_age": "6h",
        },
        hangs_on="source erp",
    )


class IncidentSite:
    """The pages over an ops database, and the clock that both share; ``now`` may be moved."""

    def __init__(self, ops_url: str) -> None:
        self.now = NOW
        self.engine = sa.create_engine(ops_url)
        self._env = {
            "AFTERPILOT_DATABASE_URL": ops_url,
            "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
            "AFTERPILOT_BASE_URL": "https://airflow.example",
            "AFTERPILOT_COMMIT": "0123456789abcdef",
        }
        wired = self.wired()
        pipeline.declare(wired.services, wired.declarations, trigger=_trigger())

    def tick(self) -> datetime:
        """What time it is: each look is a millisecond later."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def wired(self, only: str = "") -> Wired:
        """As the pages are wired, with this site's clock."""
        wired = wire(Settings.from_environment(self._env), EnvConnections(self._env), only=only, engine=self.engine)
        return dataclasses.replace(wired, services=dataclasses.replace(wired.services, now=self.tick))

    @property
    def app(self) -> FastAPI:
        """The application as Airflow mounts it, with a login."""
        app = create_app(
            lambda: self.engine,
            gate=[Depends(logged_in)],
            access=Access(logged_in),
            workflows=WORKFLOWS,
            clock=self.tick,
            answering=self.wired,
        )
        outer = FastAPI()
        outer.mount("/afterpilot", app)
        return outer

    def person(self, name: str) -> TestClient:
        """A browser in which that person is logged in."""
        return TestClient(self.app, follow_redirects=False, headers={**SAME_SITE, "x-user": name})

    def ran(self, findings: Sequence[Finding]) -> None:
        """A run of the check that found just that."""
        wired = self.wired(SLUG)
        summary = f"{len(findings)} of 6 expectations not met" if findings else "6 expectations, all met"
        result = StageResult(SLUG, "check", summary, tuple(findings), checked=6, covered=("quality.*",))
        window = Window(self.now - HOUR, self.now)
        concluded(wired.services, result, wired.workflow(SLUG), window, _trigger(), self.now)
        self.queued()

    def queued(self) -> None:
        """The outbox stamps its rows by the clock of the database: the newest ones are of this site's time."""
        with rewritten(self.engine, "outbox") as connection:
            newest = tables.outbox.c.created_at > NOW + timedelta(days=1)
            connection.execute(sa.update(tables.outbox).where(newest).values(created_at=self.now))

    def one(self, kind: str = "quality.fresh_within") -> dict[str, Any]:
        """The newest incident of that kind."""
        statement = sa.select(tables.incidents).where(tables.incidents.c.kind == kind)
        with self.engine.connect() as connection:
            row = connection.execute(statement.order_by(tables.incidents.c.opened_at.desc())).mappings().first()
        assert row is not None
        return dict(row)

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table, in no order."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def known(self) -> dict[str, Any]:
        """The workflows by slug."""
        return {one.slug: one for one in self.wired().declarations.workflows}

    def acknowledged(self, by: str, note: str = "") -> Incident:
        """Somebody has taken it up, from a terminal."""
        which = str(self.one()["id"])
        return pipeline.acknowledge(self.wired().services, which, by=by, note=note, known=self.known()).incident


def _trigger() -> Trigger:
    return Trigger(origin="airflow", run_id=f"manual__{uuid.uuid4()}", dag_id="records.hourly", task_id="check")

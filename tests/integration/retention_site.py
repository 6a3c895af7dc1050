"""An ops database with rows of other years, and passes over what is too old in it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.retention import Hold, Retention
from afterpilot.pipeline.retaining import Passed, retain
from afterpilot.record import partitions, tables
from afterpilot.record.ops import Ops
from afterpilot.record.retention.holds import Holds

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
OLD = datetime(2020, 3, 10, 8, tzinfo=UTC)
LATER = datetime(2021, 5, 10, 8, tzinfo=UTC)


class Kept:
    """An ops database with old and new rows, and passes over it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.days: dict[str, int] = {}

    def run(self, *, dry_run: bool = False, now: datetime = NOW, whole: bool = True) -> Passed:
        """One pass, as the DAG makes it."""
        fleet = SimpleNamespace(retention=Retention(self.days, whole=whole))
        services: Any = SimpleNamespace(ops=Ops(self.engine), fleet=fleet, now=lambda: now)
        return retain(services, actor="airflow:retention", dry_run=dry_run)

    def add(self, table: str, **values: Any) -> None:
        """A row of any table."""
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.metadata.tables[table]).values(**values))

    def declare(self, workflow: str, kept: str, *, present: bool = True, stage: str = "live") -> None:
        """A workflow whose declaration says how long its records are kept."""
        document = {"governance": {"retention": kept}, "stage": stage}
        self.add("declarations", workflow=workflow, sha256="1", usable=True, document=document)
        self.add(
            "current_declarations", workflow=workflow, sha256="1", usable_sha256="1", present=present, loaded_at=NOW
        )

    def record(self, workflow: str, key: str, at: datetime) -> None:
        """A record in the month of its time."""
        with self.engine.begin() as connection:
            partitions.ensure(connection, "records", [at])
            connection.execute(
                sa.insert(tables.records).values(workflow=workflow, key=key, at=at, data={"name": "Ann"})
            )

    def ran(self, workflow: str, at: datetime, *, stage: str = "check") -> uuid.UUID:
        """A run that was finished at a moment; returns its id."""
        run = uuid.uuid4()
        with self.engine.begin() as connection:
            for table in ("runs", "findings"):
                partitions.ensure(connection, table, [at])
            connection.execute(sa.insert(tables.run_ids).values(id=run, finished_at=at))
            connection.execute(
                sa.insert(tables.runs).values(
                    id=run,
                    workflow=workflow,
                    stage=stage,
                    window_start=at,
                    window_end=at,
                    verdict="PASS",
                    started_at=at,
                    finished_at=at,
                )
            )
        return run

    def item(self, key: str, at: datetime, *, decided: datetime | None, run: uuid.UUID | None = None) -> None:
        """A review item, decided or waiting."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.insert(tables.review_items).values(
                    workflow="invoices",
                    key=key,
                    at=at,
                    opened_at=at,
                    reason="failed_check",
                    run_id=run or uuid.uuid4(),
                    decided_at=decided,
                )
            )

    def hold(self, workflow: str, start: datetime | None = None, end: datetime | None = None) -> Hold:
        """A hold of Dana's."""
        one = Hold(uuid.uuid4(), workflow, start, end, "a claim in court", "Dana Ruiz", NOW)
        with self.engine.begin() as connection:
            Holds(connection).add(one)
        return one

    def months(self, table: str) -> set[str]:
        """The months of a table before 2026."""
        with self.engine.connect() as connection:
            return {name for name in partitions.known(connection, table) if name < f"{table}_2026"}

    def rows(self, statement: str) -> list[Any]:
        """What a statement finds."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(statement)).all())

    def entries(self) -> list[Any]:
        """All entries of the ledger."""
        return self.rows("SELECT action, subject, workflow, actor, payload FROM ledger ORDER BY id")

"""Runs and findings put into the ops database by hand, as tests of what reads them need."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.record import partitions
from afterpilot.record.tables import findings, run_ids, runs


def put_runs(connection: sa.Connection, *rows: Mapping[str, Any]) -> Sequence[uuid.UUID]:
    """Write runs as they are given, each with an id of its own unless it has one, and say their ids."""
    whole = [{"id": uuid.uuid4(), **row} for row in rows]
    partitions.ensure(connection, "runs", [row["finished_at"] for row in whole])
    connection.execute(sa.insert(run_ids), [{name: row[name] for name in ("id", "finished_at")} for row in whole])
    connection.execute(sa.insert(runs).values(whole))
    return [row["id"] for row in whole]


def put_finding(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Write a finding of a run that is kept."""
    at = connection.scalar(sa.select(run_ids.c.finished_at).where(run_ids.c.id == row["run_id"]))
    if at is None:
        raise LookupError(f"no run {row['run_id']} is kept")
    partitions.ensure(connection, "findings", [at])
    connection.execute(sa.insert(findings).values(at=at, **row))

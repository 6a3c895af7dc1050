"""Approved baselines: a recorded decision each, and none ever replaces itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import actor, note_of
from afterpilot.record.tables import baselines


@dataclass(frozen=True, slots=True)
class Baseline:
    """An approval: the run, and with it the earlier ones that say the same (``runs``, oldest first, ``run_id`` the last).

    ``terms`` are the alarm's, as they were then; empty where they were not kept.
    """

    run_id: uuid.UUID
    runs: tuple[uuid.UUID, ...]
    approved_by: str
    approved_at: datetime
    note: str
    terms: Mapping[str, Any] = field(default_factory=dict)


class Baselines:
    """The approvals of all workflows; the earlier ones stay on record."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def approve(
        self,
        workflow: str,
        runs: Sequence[uuid.UUID],
        *,
        by: str,
        note: str,
        at: datetime,
        terms: Mapping[str, Any] | None = None,
    ) -> None:
        """Make runs, oldest first, the ones that later runs are compared with, on these terms of the alarm."""
        self._connection.execute(
            sa.insert(baselines).values(
                workflow=workflow,
                run_id=runs[-1],
                runs=list(runs),
                approved_by=by,
                approved_at=at,
                note=note,
                terms=dict(terms or {}),
            )
        )
        said = {"runs": [str(run) for run in runs], "terms": dict(terms or {})}
        Ledger(self._connection).append(
            Entry("evals:baseline:approved", f"run:{runs[-1]}", at, workflow, actor(by), {**said, **note_of(by, note)})
        )

    def newest(self, workflow: str) -> Baseline | None:
        """The approval that holds, or None without one."""
        statement = sa.select(baselines).where(baselines.c.workflow == workflow).order_by(baselines.c.id.desc())
        row = self._connection.execute(statement.limit(1)).first()
        if row is None:
            return None
        runs = tuple(row.runs) or (row.run_id,)
        return Baseline(row.run_id, runs, row.approved_by, row.approved_at, row.note, row.terms)

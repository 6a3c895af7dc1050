"""What the gate decided, and what waits for a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.record import GateDecision
from afterpilot.record.tables import gate_decisions, review_items


class GateDecisions:
    """Decisions on outputs, each made once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def write(self, decisions: Sequence[GateDecision], run_id: uuid.UUID) -> None:
        """Keep decisions, and open a review item for each output that a person has to look at."""
        if not decisions:
            return
        self._connection.execute(
            insert(gate_decisions).on_conflict_do_nothing(),
            [
                {
                    "workflow": d.workflow,
                    "key": d.key,
                    "at": d.at,
                    "released": d.released,
                    "reason": d.reason,
                    "run_id": run_id,
                }
                for d in decisions
            ],
        )
        waiting = [
            {
                "workflow": d.workflow,
                "key": d.key,
                "at": d.at,
                "reason": d.reason,
                "discrepancies": [asdict(discrepancy) for discrepancy in d.discrepancies],
                "run_id": run_id,
            }
            for d in decisions
            if d.reason != "passed"
        ]
        if waiting:
            self._connection.execute(insert(review_items).on_conflict_do_nothing(), waiting)

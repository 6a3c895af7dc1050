"""What the gate decided, and what waits for a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.record import Discrepancy, GateDecision
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

    def of_run(self, run_id: uuid.UUID) -> Sequence[GateDecision]:
        """All decisions of a run, those of an attempt that was cut off included."""
        statement = (
            sa.select(gate_decisions, review_items.c.discrepancies)
            .outerjoin(
                review_items,
                sa.and_(
                    review_items.c.workflow == gate_decisions.c.workflow, review_items.c.key == gate_decisions.c.key
                ),
            )
            .where(gate_decisions.c.run_id == run_id)
            .order_by(gate_decisions.c.at, gate_decisions.c.key)
        )
        return [
            GateDecision(
                workflow=row.workflow,
                key=row.key,
                at=row.at,
                released=row.released,
                reason=row.reason,
                discrepancies=tuple(Discrepancy(**found) for found in row.discrepancies or ()),
            )
            for row in self._connection.execute(statement)
        ]

"""Decisions of the review queue on their way back to the source: what waits, what failed, what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.record import HumanDecision
from afterpilot.domain.storable import storable
from afterpilot.record.tables import human_decisions, records, write_backs

_HERE = write_backs.c


@dataclass(frozen=True, slots=True)
class Taken:
    """One decision to be written, the record's data as it is kept (empty where it is kept no more), and earlier attempts."""

    decision: HumanDecision
    data: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Failing:
    """A write-back whose last attempt failed."""

    key: str
    decided_at: datetime
    attempts: int
    error: str


class WriteBacks:
    """The write-backs of all workflows, within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def due(self, workflow: str, *, at: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """Key and decision time of those to be tried now, the oldest decision first."""
        statement = (
            sa.select(_HERE.key, _HERE.decided_at)
            .where(_HERE.workflow == workflow, _HERE.state == "pending", _HERE.not_before <= at)
            .order_by(_HERE.decided_at, _HERE.key)
            .limit(limit)
        )
        return [(row.key, row.decided_at) for row in self._connection.execute(statement)]

    def take(self, workflow: str, key: str, decided_at: datetime) -> Taken | None:
        """Lock one for this transaction, so that no other sweep writes it meanwhile; None where it is done or locked."""
        row = self._connection.execute(
            sa.select(_HERE.attempts)
            .where(*_is(workflow, key, decided_at), _HERE.state == "pending")
            .with_for_update(skip_locked=True)
        ).first()
        if row is None:
            return None
        made = human_decisions.c
        found = (
            self._connection.execute(
                sa.select(human_decisions).where(
                    made.workflow == workflow, made.key == key, made.decided_at == decided_at
                )
            )
            .mappings()
            .one()
        )
        data = self._connection.scalar(
            sa.select(records.c.data)
            .where(records.c.workflow == workflow, records.c.key == key)
            .order_by(records.c.at.desc())
            .limit(1)
        )
        return Taken(HumanDecision(**found), data or {}, row.attempts)

    def done(self, workflow: str, key: str, decided_at: datetime, *, at: datetime) -> None:
        """It stands at the source."""
        self._set(workflow, key, decided_at, state="done", done_at=at, error="")

    def later(self, workflow: str, key: str, decided_at: datetime, *, not_before: datetime, error: str) -> None:
        """It could not be written now; ``error`` says why."""
        self._set(workflow, key, decided_at, not_before=not_before, error=storable(error)[:1000])

    def failing(self, workflow: str) -> Sequence[Failing]:
        """Those whose last attempt failed, the oldest decision first."""
        statement = (
            sa.select(_HERE.key, _HERE.decided_at, _HERE.attempts, _HERE.error)
            .where(_HERE.workflow == workflow, _HERE.state == "pending", _HERE.error != "")
            .order_by(_HERE.decided_at, _HERE.key)
        )
        return [Failing(*row) for row in self._connection.execute(statement)]

    def _set(self, workflow: str, key: str, decided_at: datetime, **values: object) -> None:
        self._connection.execute(
            sa.update(write_backs).where(*_is(workflow, key, decided_at)).values(attempts=_HERE.attempts + 1, **values)
        )


def _is(workflow: str, key: str, decided_at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (_HERE.workflow == workflow, _HERE.key == key, _HERE.decided_at == decided_at)

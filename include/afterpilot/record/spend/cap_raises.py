"""Raised caps: what people have answered when they were asked, each answer for one period."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.allowance import CapRaise, RaiseState
from afterpilot.domain.ledger import Entry
from afterpilot.domain.money import Money
from afterpilot.domain.run import FLEET
from afterpilot.domain.storable import storable
from afterpilot.domain.window import Window
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.ledger.entries import actor, note_of
from afterpilot.record.tables import cap_raises


class CapRaises:
    """The answers about all caps, within a transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, one: CapRaise) -> None:
        """Keep an answer."""
        self._connection.execute(
            sa.insert(cap_raises).values(
                id=one.id,
                workflow=one.workflow,
                cap=one.cap,
                period_start=one.period.start,
                period_end=one.period.end,
                amount=one.limit.amount,
                currency=one.limit.currency,
                reason=storable(one.reason),
                state=one.state,
                asked_by=storable(one.asked_by),
                asked_at=one.asked_at,
                second_by=storable(one.second_by),
                decided_at=one.decided_at,
            )
        )
        word = "asked" if one.state == "pending" else one.state
        self._note(one, word, by=one.asked_by, at=one.asked_at, reason=one.reason)

    def holding(self, workflow: str | None, now: datetime, *, back: timedelta = timedelta(0)) -> Sequence[CapRaise]:
        """What was answered about the periods of now, and of those that ended so long ago at most: of a workflow and the fleet, or
        (None) of all; the oldest first.
        """
        statement = sa.select(cap_raises).where(cap_raises.c.period_start <= now, cap_raises.c.period_end > now - back)
        if workflow is not None:
            statement = statement.where(cap_raises.c.workflow.in_({workflow, FLEET}))
        return [_raise(row) for row in self._connection.execute(statement.order_by(cap_raises.c.asked_at))]

    def newest(self, workflow: str, *, limit: int = 20) -> Sequence[CapRaise]:
        """The last answers about a workflow's own caps (or, :data:`FLEET`, those over several), the newest first."""
        statement = sa.select(cap_raises).where(cap_raises.c.workflow == workflow)
        ordered = statement.order_by(cap_raises.c.asked_at.desc()).limit(limit)
        return [_raise(row) for row in self._connection.execute(ordered)]

    def find(self, identity: uuid.UUID) -> CapRaise | None:
        """One answer."""
        row = self._connection.execute(sa.select(cap_raises).where(cap_raises.c.id == identity)).one_or_none()
        return None if row is None else _raise(row)

    def decide(self, identity: uuid.UUID, state: RaiseState, *, by: str, at: datetime) -> bool:
        """A second person's word on a pending one; False where somebody was first."""
        statement = (
            sa.update(cap_raises)
            .where(cap_raises.c.id == identity, cap_raises.c.state == "pending")
            .values(state=state, second_by=storable(by), decided_at=at)
        )
        row = self._connection.execute(statement.returning(cap_raises)).one_or_none()
        if row is not None:
            self._note(_raise(row), state, by=by or row.asked_by, at=at)
        return row is not None

    def _note(self, one: CapRaise, word: str, *, by: str, at: datetime, reason: str = "") -> None:
        """The entry of a person's word. Whoever takes back what they have asked for refuses it themselves."""
        period = [stamp(one.period.start), stamp(one.period.end)]
        said = {"cap": one.cap, "limit": str(one.limit.amount), "currency": one.limit.currency, "period": period}
        entry = Entry(
            f"spend:raise:{word}", f"raise:{one.id}", at, one.workflow, actor(by), {**said, **note_of(by, reason)}
        )
        Ledger(self._connection).append(entry)


def _raise(row: sa.Row[Any]) -> CapRaise:
    return CapRaise(
        id=row.id,
        workflow=row.workflow,
        cap=row.cap,
        period=Window(row.period_start, row.period_end),
        limit=Money(row.amount, row.currency),
        reason=row.reason,
        state=row.state,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        second_by=row.second_by,
        decided_at=row.decided_at,
    )

"""Silences: what a person wants kept and not sent, for a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.alerting import Silence
from afterpilot.domain.ledger import Entry, Personal, person
from afterpilot.domain.run import FLEET
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.ledger.entries import actor
from afterpilot.record.tables import silences

_MOMENT = timedelta(milliseconds=1)  # a silence that ends as it begins has lasted for this long


class Silences:
    """The silences of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def holding(self, at: datetime) -> Sequence[Silence]:
        """Those that hold at this moment, in the order in which they end."""
        statement = sa.select(silences).where(silences.c.starts_at <= at, silences.c.ends_at > at)
        return [_silence(row) for row in self._connection.execute(statement.order_by(silences.c.ends_at))]

    def lock(self) -> None:
        """Let no other transaction begin or end a silence until this one ends."""
        self._connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('silences'))"))

    def begin(self, *, workflow: str, kind: str, by: str, reason: str, at: datetime, until: datetime) -> Silence:
        """Begin one. ``workflow`` and ``kind`` may be patterns with ``*``; empty: all."""
        values = {"workflow": workflow, "kind": kind, "by": by, "reason": reason, "starts_at": at, "ends_at": until}
        row = self._connection.execute(sa.insert(silences).values(values).returning(silences)).one()
        return self._noted(row, "set", by=by, at=at, reason=Personal(reason, person(by)))

    def extend(self, silence: Silence, *, by: str, at: datetime, until: datetime) -> Silence:
        """Let one hold longer."""
        return self._noted(self._change(silence, ends_at=until), "extended", by=by, at=at)

    def end(self, silence: Silence, *, by: str, at: datetime) -> Silence:
        """End one before its time."""
        over = self._change(silence, ends_at=max(at, silence.starts_at + _MOMENT), ended_by=by)
        return self._noted(over, "ended", by=by, at=at)

    def _change(self, silence: Silence, **values: Any) -> sa.Row[Any]:  # noqa: ANN401 - a column's value
        statement = sa.update(silences).where(silences.c.id == silence.id).values(values).returning(silences)
        return self._connection.execute(statement).one()

    def _noted(self, row: sa.Row[Any], action: str, *, by: str, at: datetime, **more: Personal) -> Silence:
        """The entry of what a person did; a silence of one workflow is an entry of that workflow."""
        one = row.workflow and "*" not in row.workflow
        said = {"workflow": row.workflow, "kind": row.kind, "from": stamp(row.starts_at), "to": stamp(row.ends_at)}
        whose = row.workflow if one else FLEET
        Ledger(self._connection).append(
            Entry(f"alerts:silence:{action}", f"silence:{row.id}", at, whose, actor(by), {**said, **more})
        )
        return _silence(row)

    def find(self, digits: str) -> Sequence[Silence]:
        """Silences whose id begins with these digits, the newest first, at most eleven. No id begins with anything else."""
        if not digits.isascii() or not digits.isprintable():
            return ()
        fits = sa.cast(silences.c.id, sa.Text).startswith(digits, autoescape=True)
        statement = sa.select(silences).where(fits).order_by(silences.c.created_at.desc()).limit(11)
        return [_silence(row) for row in self._connection.execute(statement)]


def _silence(row: sa.Row[Any]) -> Silence:
    return Silence(row.id, row.workflow, row.kind, row.by, row.reason, row.starts_at, row.ends_at)

"""Messages that wait to be put into one: those of a day, and calls about what nobody takes up."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.alerting import Fate
from afterpilot.domain.incident import Incident
from afterpilot.domain.message import Message
from afterpilot.record.alerts.answers import incident_of
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import message_changed
from afterpilot.record.tables import incidents, outbox

CALL, CALLED = "escalated", "called"  # kinds of messages: about one that nobody takes up, and about many at once


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waited for the digest, and its incident as it stands now."""

    id: uuid.UUID
    workflow: str
    message: Message
    created_at: datetime
    incident: Incident | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one message is due for all that waits there: a day's digest, or a call (``calls``) about what nobody takes up."""

    target: str
    channel: str
    calls: bool = False


class Digests:
    """What waits in all places."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def due(self, at: datetime) -> Sequence[Place]:
        """The places whose digest or call is due, calls first."""
        calls = (outbox.c.kind == CALL).label("calls")
        statement = sa.select(outbox.c.target, outbox.c.channel, calls).distinct().where(_due(at))
        rows = self._connection.execute(statement.order_by(calls.desc(), outbox.c.target, outbox.c.channel))
        return [Place(row.target, row.channel, row.calls) for row in rows]

    def called_last(self, channel: str, at: datetime) -> datetime | None:
        """When many were last called about at once in a Slack channel, within the hour before; ``at`` where that call has still to
        be sent, and None where there was none.
        """
        statement = sa.select(sa.func.max(outbox.c.not_before)).where(
            outbox.c.kind == CALLED,
            outbox.c.channel == channel,
            outbox.c.created_at > sa.func.now() - timedelta(hours=1),
        )
        last: datetime | None = self._connection.scalar(statement)
        return None if last is None else min(last, at)

    def take(self, place: Place, at: datetime) -> Sequence[Waiting]:
        """Take all that is due in a place out of those that wait, oldest first. Another transaction that takes them meanwhile waits
        for the end of this one, and then has none of them.
        """
        taken = (
            sa.update(outbox)
            .where(_due(at), outbox.c.target == place.target, outbox.c.channel == place.channel)
            .where((outbox.c.kind == CALL) == place.calls)
            .values(state="digested", why=f"in the {'call' if place.calls else 'digest'} of {at:%Y-%m-%d %H:%M} UTC")
            .returning(outbox)
        )
        rows = self._connection.execute(taken).all()
        entries = [message_changed(row._mapping, "digested", at=at) for row in rows]  # noqa: SLF001 - SQLAlchemy's own name
        Ledger(self._connection).append_many(entries)
        about = sa.select(incidents).where(incidents.c.id.in_({row.incident_id for row in rows if row.incident_id}))
        known = {row.id: incident_of(row) for row in self._connection.execute(about)}
        found = [
            Waiting(row.id, row.workflow, _message(row), row.created_at, known.get(row.incident_id)) for row in rows
        ]
        return sorted(found, key=lambda one: (one.created_at, one.id))

    def keep(self, waiting: Waiting, fate: Fate, why: str) -> None:
        """One of those that were taken is not told after all."""
        statement = sa.update(outbox).where(outbox.c.id == waiting.id)
        changed = statement.values(state=str(fate), why=why).returning(outbox, sa.func.now().label("noted_at"))
        row = self._connection.execute(changed).mappings().one()
        Ledger(self._connection).append(message_changed(row, str(fate), at=row["noted_at"]))


def _due(at: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(outbox.c.state == "digest", outbox.c.not_before <= at)


def _message(row: sa.Row[Any]) -> Message:
    """What waits; one that cannot be read any more says so, and its incident tells the rest."""
    title = f"{row.workflow}: a notice that cannot be read any more"
    unread = Message(tone="unknown", title=title, summary="See its incident.", notification=title)
    return Message.readable(row.message) or unread

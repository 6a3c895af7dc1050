"""Incidents that belong together: what explains what, and what hangs on the same thing; and the letters about them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.incident import Hanging, Incident, IncidentState
from afterpilot.domain.message import Message
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Severity
from afterpilot.record.alerts.answers import incident_of
from afterpilot.record.alerts.incidents import Incidents
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import message_changed, on_time_line
from afterpilot.record.tables import incidents, outbox

_NOT_BEGUN = sa.and_(outbox.c.state.in_(("pending", "digest")), sa.not_(outbox.c.attempted), outbox.c.posted_ts == "")

# What hangs on a thing, in the order in which Python sorts names.
_HANGING = """
WITH theirs AS (SELECT workflow COLLATE "C" AS workflow, title, severity, opened_at FROM incidents
  WHERE hangs_on = :key AND hangs_on <> '' AND state <> 'resolved' AND workflow <> :fleet)
SELECT (SELECT count(DISTINCT workflow) FROM theirs) AS workflows, ARRAY(SELECT DISTINCT severity FROM theirs) AS severities,
  ARRAY(SELECT DISTINCT workflow FROM theirs ORDER BY workflow LIMIT :named) AS named,
  ARRAY(SELECT workflow || ': ' || title FROM theirs ORDER BY workflow, opened_at LIMIT :examples) AS examples
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest message about an incident in one place where one stands, or is just being sent."""

    incident_id: uuid.UUID
    target: str
    channel: str
    message: Message


class LinkedIncidents:
    """Ties between incidents. Whoever changes one that hangs on something holds the lock of that thing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, keys: Collection[str]) -> None:
        """Let no other transaction change what hangs on these things until this one ends.

        Taken right after the lock of the workflow and before any row of an incident is changed, in one order by all: so nobody
        waits for somebody who waits for him.
        """
        for key in sorted(set(keys) - {""}):
            self._connection.execute(
                sa.text("SELECT pg_advisory_xact_lock(hashtext('hangs on'), hashtext(:key))"), {"key": key}
            )

    def hold(self, seen: Incident) -> Incident | None:
        """An incident as it stands now, or None. Nobody else changes it until the transaction ends: the locks of its workflow and of
        what it hangs on are taken, in the order of every stage.
        """
        Incidents(self._connection).lock(seen.workflow)
        if (incident := self.get(seen.id)) is None:
            return None
        self.lock([incident.hangs_on])
        return self.get(seen.id)

    def get(self, which: uuid.UUID) -> Incident | None:
        """One incident, or None."""
        row = self._connection.execute(sa.select(incidents).where(incidents.c.id == which)).first()
        return incident_of(row) if row else None

    def causes_of(self, which: Collection[uuid.UUID]) -> Mapping[uuid.UUID, uuid.UUID]:
        """What explains each of these incidents, by their ids; nothing for those that nothing explains."""
        statement = sa.select(incidents.c.id, incidents.c.cause_id).where(
            incidents.c.id.in_(list(which)), incidents.c.cause_id.is_not(None)
        )
        return {row.id: row.cause_id for row in self._connection.execute(statement)}

    def hanging_on(self, key: str) -> Hanging:
        """Whose incidents hang on a thing and are not over; the fleet's own is not among them. Summed up by the database: of a
        thousand that hang on one thing each reads this when it joins.
        """
        given = {"key": key, "fleet": FLEET, "named": Hanging.NAMED, "examples": Hanging.EXAMPLES}
        row = self._connection.execute(sa.text(_HANGING), given).one()
        severities = frozenset(Severity(one) for one in row.severities)
        return Hanging(row.workflows, tuple(row.named), severities, tuple(row.examples))

    def unexplained(self, key: str) -> Sequence[Incident]:
        """The incidents that are not over, hang on a thing and are explained by nothing, the oldest first; the fleet's own is among
        them.
        """
        statement = sa.select(incidents).where(
            incidents.c.hangs_on == key,
            incidents.c.hangs_on != "",
            incidents.c.state != IncidentState.RESOLVED,
            sa.or_(incidents.c.cause_id.is_(None), incidents.c.workflow == FLEET),
        )
        return [incident_of(row) for row in self._connection.execute(statement.order_by(incidents.c.opened_at))]

    def count_parts(self, cause: uuid.UUID) -> int:
        """Of how many workflows an incident was ever explained by this one."""
        statement = sa.select(sa.func.count(incidents.c.workflow.distinct()))
        return (
            self._connection.scalar(statement.where(incidents.c.cause_id == cause, incidents.c.workflow != FLEET)) or 0
        )

    def explained_by(self, cause: uuid.UUID) -> Sequence[Incident]:
        """The incidents of the cause's own workflow that it explains and that are not over, the oldest first."""
        mine = sa.select(incidents.c.workflow).where(incidents.c.id == cause).scalar_subquery()
        statement = sa.select(incidents).where(
            incidents.c.cause_id == cause, incidents.c.state != IncidentState.RESOLVED, incidents.c.workflow == mine
        )
        return [incident_of(row) for row in self._connection.execute(statement.order_by(incidents.c.opened_at))]

    def explain(
        self, which: Collection[uuid.UUID], cause: Incident, *, at: datetime, run_id: uuid.UUID | None, text: str
    ) -> None:
        """Say that another incident explains these: they are not told while it stands."""
        self._connection.execute(
            sa.update(incidents).where(incidents.c.id.in_(list(which))).values(cause_id=cause.id, escalate_at=None)
        )
        self._note(which, "explained", at=at, run_id=run_id, text=text)

    def stand_alone(self, which: uuid.UUID, *, at: datetime, run_id: uuid.UUID | None) -> None:
        """Nothing explains it any more, and it is still there."""
        self._connection.execute(sa.update(incidents).where(incidents.c.id == which).values(cause_id=None))
        self._note([which], "unexplained", at=at, run_id=run_id, text="its cause is over, and it is still there")

    def hold_back(self, which: Collection[uuid.UUID], why: str) -> None:
        """Do not send the letters about these incidents that nobody has begun to send, where nothing about them stands yet."""
        stands = outbox.alias("stands")
        told = sa.exists().where(stands.c.incident_id == outbox.c.incident_id, _begun(stands))
        kept = self._connection.execute(
            sa.update(outbox)
            .where(outbox.c.incident_id.in_(list(which)), _NOT_BEGUN, _free(outbox), ~told)
            .values(state="suppressed", why=why)
            .returning(outbox, sa.func.now().label("noted_at"))
        )
        entries = [message_changed(row, "suppressed", at=row["noted_at"], why=why) for row in kept.mappings()]
        Ledger(self._connection).append_many(entries)

    def standing(self, which: Collection[uuid.UUID], *, waiting: bool = False) -> Sequence[Standing]:
        """The newest message about each of these incidents in each place where one stands or is just being sent; with ``waiting``
        also where one is only queued, and none where it was for a digest. One that cannot be read any more is left as it stands.
        """
        stands = outbox.c.state.in_(("pending", "sent")) if waiting else _begun(outbox)
        newest = (
            sa.select(outbox.c.incident_id, outbox.c.target, outbox.c.channel, outbox.c.message)
            .distinct(outbox.c.incident_id, outbox.c.target, outbox.c.channel)
            .where(outbox.c.incident_id.in_(list(which)), stands)
            .order_by(outbox.c.incident_id, outbox.c.target, outbox.c.channel, outbox.c.created_at.desc())
        )
        return [
            Standing(row.incident_id, row.target, row.channel, message)
            for row in self._connection.execute(newest)
            if (message := Message.readable(row.message)) is not None
        ]

    def told(self, which: uuid.UUID) -> bool:
        """Whether a message about it stands somewhere, or is just being sent."""
        statement = sa.select(sa.exists().where(outbox.c.incident_id == which, _begun(outbox)))
        return bool(self._connection.execute(statement).scalar_one())

    def _note(
        self, which: Collection[uuid.UUID], what: str, *, at: datetime, run_id: uuid.UUID | None, text: str
    ) -> None:
        rows: list[Mapping[str, object]] = [
            {"incident_id": one, "at": at, "what": what, "actor": "afterpilot", "note": text, "run_id": run_id}
            for one in which
        ]
        on_time_line(self._connection, rows)


def _begun(letters: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a letter was sent, or may be on its way."""
    on_its_way = sa.and_(
        letters.c.state == "pending",
        sa.or_(letters.c.attempted, letters.c.posted_ts != "", sa.not_(_free(letters))),
    )
    return sa.or_(letters.c.state.in_(("sent", "digested")), on_its_way)


def _free(letters: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.or_(letters.c.leased_until.is_(None), letters.c.leased_until < sa.func.now())

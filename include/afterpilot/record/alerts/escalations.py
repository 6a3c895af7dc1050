"""When somebody else is called about an incident that nobody takes up."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.record.alerts.answers import incident_of
from afterpilot.record.tables import incidents

_AT_MOST = 1_000  # in one sweep, which has a minute
_LAST = 2  # the step that calls the channel: there is none after it


class Escalations:
    """The next step of every incident. Whoever changes one holds the lock of its workflow."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def expect(self, incident_id: uuid.UUID, due: datetime, *, anew: bool) -> None:
        """Call the next one at that time. Unless it counts ``anew``, a time that is set stays, and so does what was called."""
        unset = sa.and_(incidents.c.escalate_at.is_(None), incidents.c.escalation == 0)
        self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident_id, incidents.c.escalation < _LAST, sa.true() if anew else unset)
            .values(escalate_at=due)
        )

    def due(self, at: datetime, which: uuid.UUID | None = None) -> Sequence[Incident]:
        """Open incidents whose next step is due, the gravest and longest due first, at most a thousand; ``which`` narrows it down to
        one.
        """
        grave = sa.case({"critical": 0, "unknown": 1}, value=incidents.c.severity, else_=2)
        statement = (
            sa.select(incidents)
            .where(
                incidents.c.escalate_at <= at,
                incidents.c.state == IncidentState.OPEN,
                incidents.c.cause_id.is_(None),
                incidents.c.escalation < _LAST,
            )
            .order_by(grave, incidents.c.escalate_at)
            .limit(_AT_MOST)
        )
        if which is not None:
            statement = statement.where(incidents.c.id == which)
        return [incident_of(row) for row in self._connection.execute(statement)]

    def take(self, incident: Incident, step: int, *, next_at: datetime | None) -> Incident:
        """A step is taken, or put off where ``step`` is the one that was taken last."""
        statement = sa.update(incidents).where(incidents.c.id == incident.id)
        values = {"escalation": step, "escalate_at": next_at}
        return incident_of(self._connection.execute(statement.values(values).returning(incidents)).one())

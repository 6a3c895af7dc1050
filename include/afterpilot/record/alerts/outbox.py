"""What puts messages into the outbox: in the transaction of their news, each news once.

They are delivered later, by :mod:`afterpilot.record.alerts.delivery`.
"""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.alerting import SLACK, Fate
from afterpilot.domain.message import Message
from afterpilot.domain.verdict import Severity
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.entries import message_put
from afterpilot.record.plain import plain
from afterpilot.record.tables import outbox

_GRAVITY = {Severity.CRITICAL: 0, Severity.UNKNOWN: 1, Severity.WARNING: 2, Severity.INFO: 3}


class OutboxWriter:
    """Puts letters into the outbox, within the transaction of their news. ``queued``: some of them may be sent at once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.queued = False

    def put(
        self,
        message: Message,
        *,
        dedupe_key: str,
        workflow: str,
        kind: str,
        channel: str,
        target: str = SLACK,
        incident_id: uuid.UUID | None = None,
        report_id: uuid.UUID | None = None,
        severity: Severity = Severity.INFO,
        fate: Fate = Fate.PENDING,
        not_before: datetime | None = None,
        why: str = "",
    ) -> bool:
        """Queue a message, or keep one that is not sent and ``why``; False where the same news is on record already."""
        statement = (
            insert(outbox)
            .values(
                message=plain(message.as_dict()),
                dedupe_key=dedupe_key,
                workflow=workflow,
                kind=kind,
                channel=channel,
                target=target,
                incident_id=incident_id,
                report_id=report_id,
                gravity=_GRAVITY[severity],
                state=str(fate),
                created_at=sa.func.clock_timestamp(),  # in the order in which they were put, also within a transaction
                not_before=not_before or sa.func.now(),
                why=why,
            )
            .on_conflict_do_nothing(index_elements=["dedupe_key"])
            .returning(outbox)
        )
        row = self._connection.execute(statement).mappings().first()
        if row is None:
            return False
        Ledger(self._connection).append(message_put(row))
        self.queued = self.queued or (fate is Fate.PENDING and not_before is None)
        return True

    def last(self, incident_id: uuid.UUID) -> tuple[Message, str] | None:
        """The newest message about an incident, and its channel; None where none was queued."""
        about = sa.select(outbox.c.message, outbox.c.channel).where(outbox.c.incident_id == incident_id)
        row = self._connection.execute(about.order_by(outbox.c.created_at.desc()).limit(1)).one_or_none()
        return (Message.from_dict(row.message), row.channel) if row else None

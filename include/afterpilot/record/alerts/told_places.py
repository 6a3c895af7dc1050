"""Where an incident was told."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from afterpilot.record.tables import outbox

_DIGEST = ("digest", "digested")


def told_places(connection: sa.Connection, incident_id: uuid.UUID) -> Sequence[tuple[str, str, bool]]:
    """The places (target, channel) where messages about it stand or will stand, in the order in which they came there; with True
    where they were for digests alone.
    """
    statement = (
        sa.select(outbox.c.target, outbox.c.channel, sa.func.bool_and(outbox.c.state.in_(_DIGEST)).label("waits"))
        .where(outbox.c.incident_id == incident_id, outbox.c.state.in_(("pending", "sent", *_DIGEST)))
        .group_by(outbox.c.target, outbox.c.channel)
        .order_by(sa.func.min(outbox.c.created_at), outbox.c.target, outbox.c.channel)
    )
    return [(row.target, row.channel, row.waits) for row in connection.execute(statement)]

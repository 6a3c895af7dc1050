"""Signed requests that were answered: nobody may send the same one again."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.record.tables import taken_requests

KEPT = timedelta(minutes=10)  # twice as long as a time stamp is good for: older ones are refused by their time


def take(connection: sa.Connection, signature: str, *, at: datetime) -> bool:
    """Note that a request is answered now; False where it was answered before. Those too old to be sent again are forgotten."""
    connection.execute(sa.delete(taken_requests).where(taken_requests.c.at < at - KEPT))
    statement = (
        insert(taken_requests)
        .values(signature=signature, at=at)
        .on_conflict_do_nothing(index_elements=["signature"])
        .returning(taken_requests.c.signature)
    )
    return connection.execute(statement).first() is not None

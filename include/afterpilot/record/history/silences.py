"""Every silence that ever was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch, moment, run_id
from afterpilot.record.tables import incidents, silences

_ORDER = (Key("created_at", silences.c.created_at, moment, newest_first=True), Key("id", silences.c.id, run_id))


def holding(connection: sa.Connection, at: datetime) -> Sequence[Row]:
    """Those that hold now, in the order in which they end."""
    statement = sa.select(silences).where(silences.c.starts_at <= at, silences.c.ends_at > at)
    return all_rows(connection, statement.order_by(silences.c.ends_at, silences.c.id))


def over(connection: sa.Connection, at: datetime, *, after: str = "", limit: int = 50) -> Page:
    """Those that are over, newest first. Raises ValueError for a bad cursor."""
    return fetch(connection, sa.select(silences).where(silences.c.ends_at <= at), keys=_ORDER, after=after, limit=limit)


def kinds(connection: sa.Connection) -> Sequence[str]:
    """The kinds of the incidents that are not over, to choose from."""
    statement = sa.select(incidents.c.kind).distinct().where(incidents.c.state != "resolved")
    return list(connection.scalars(statement.order_by(incidents.c.kind).limit(200)))

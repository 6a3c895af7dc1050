"""Every message that was queued, whatever became of it."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, fetch, moment, one_row, run_id
from afterpilot.record.tables import outbox

_ORDER = (Key("created_at", outbox.c.created_at, moment, newest_first=True), Key("id", outbox.c.id, run_id))


def list_messages(
    connection: sa.Connection,
    *,
    workflow: str = "",
    kind: str = "",
    state: str = "",
    only: Only = None,
    after: str = "",
    limit: int = 20,
) -> Page:
    """Messages, newest first; an empty filter means any. Raises ValueError for a cursor that is none."""
    statement = sa.select(outbox).where(among(outbox.c.workflow, only))
    for column, value in ((outbox.c.workflow, workflow), (outbox.c.kind, kind), (outbox.c.state, state)):
        if value:
            statement = statement.where(column == value)
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_message(connection: sa.Connection, which: uuid.UUID) -> Row | None:
    """A message, or None."""
    return one_row(connection, sa.select(outbox).where(outbox.c.id == which))

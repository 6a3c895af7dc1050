"""Every message that was queued, whatever became of it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from afterpilot.record.history.bounded import MOST, Order, look, these
from afterpilot.record.history.narrowing import Only, narrowed
from afterpilot.record.history.paging import Key, Page, Row, all_rows, moment, one_row, run_id
from afterpilot.record.tables import outbox

_ORDER = Order(
    outbox,
    (
        Key("created_at", outbox.c.created_at, moment, newest_first=True),
        Key("id", outbox.c.id, run_id, newest_first=True),
    ),
    leads=("workflow", "kind", "state"),
)


def list_messages(
    connection: sa.Connection,
    *,
    workflow: str = "",
    kind: str = "",
    state: str = "",
    only: Only = None,
    after: str = "",
    limit: int = 20,
    most: int = MOST,
) -> Page:
    """Messages, newest first; an empty filter means any. A page looks through at most ``most`` of them, and may end before it is full;
    it says so. Raises ValueError for a cursor that is none.
    """
    allowed: dict[str, Sequence[str]] = {name: [value] for name, value in (("kind", kind), ("state", state)) if value}
    allowed |= narrowed(workflow, only)
    looked = look(connection, _ORDER, allowed, after=after, limit=limit, most=most)
    rows = {row["id"]: row for row in all_rows(connection, sa.select(outbox).where(these(_ORDER, looked)))}
    return Page([rows[one] for one in looked.ids if one in rows], looked.after, looked.looked_to)


def one_message(connection: sa.Connection, which: uuid.UUID) -> Row | None:
    """A message, or None."""
    return one_row(connection, sa.select(outbox).where(outbox.c.id == which))

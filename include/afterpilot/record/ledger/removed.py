"""What the ledger itself says was removed: nothing else explains why something that it names is not there, or not as it was.

Whoever may write to the database may claim a removal anywhere else; an entry is dated by the database and stays. What is said to be
removed before the legal minimum has passed is not believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.retention import LEGAL_MINIMUM, Gone, month_end

TABLES: Mapping[str, str] = {"run": "runs", "message": "outbox"}  # of the documents that retention may remove
_MINIMUM = timedelta(days=LEGAL_MINIMUM)
_DROPPED = sa.text(
    "SELECT min(recorded_at) FROM ledger WHERE subject = :subject AND action = 'retention:partition:dropped'"
)
_DELETED = sa.text(
    "SELECT max(CAST(CAST(payload AS jsonb) ->> 'before' AS timestamptz)) FROM ledger "
    "WHERE subject = :subject AND action = 'retention:rows:deleted' AND workflow = :workflow "
    "AND CAST(CAST(payload AS jsonb) ->> 'before' AS timestamptz) <= recorded_at - CAST(:minimum AS interval)"
)
_ERASED = sa.text("SELECT EXISTS (SELECT FROM ledger WHERE subject = :subject AND action = 'retention:message:erased')")
_MONTHS = sa.text("SELECT DISTINCT month FROM removals WHERE how = 'dropped' AND table_name = 'ledger'")
_LAST = sa.text(
    "WITH told AS MATERIALIZED (SELECT id, recorded_at, payload FROM ledger "
    "WHERE subject = ANY(:subjects) AND action = 'retention:partition:dropped') "
    "SELECT recorded_at, payload FROM told ORDER BY id DESC LIMIT 1"
)
_IDS = "SELECT min(id) AS lowest, max(id) AS highest, count(*) AS entries FROM {part}"


class Removed:
    """Looks up removals; one that was looked up is not asked for again."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], Any] = {}

    def why(self, subject: str, workflow: str, at: datetime, *, changed: bool) -> str:
        """Why the document of a subject is not there, or is ``changed``: ``retention``, ``erased``, or empty where nothing says so.

        ``at`` is when it came to be. Runs and declarations are never changed, and declarations never removed.
        """
        kind = subject.partition(":")[0]
        if changed:
            given = {"subject": subject}
            return "erased" if kind == "message" and self._connection.scalar(_ERASED, given) else ""
        table = TABLES.get(kind, "")
        if not table:
            return ""
        return "retention" if self._was_dropped(table, at) or self._was_deleted(table, workflow, at) else ""

    def rows(self, table: str, workflow: str, at: datetime) -> bool:
        """Whether retention has removed rows of a table and a workflow that are so old."""
        return self._was_dropped(table, at) or self._was_deleted(table, workflow, at)

    def _was_dropped(self, table: str, at: datetime) -> bool:
        month = at.astimezone(UTC).date().replace(day=1)
        key = (table, str(month))
        if key not in self._known:
            subject = f"partition:{table}_{month:%Y_%m}"
            self._known[key] = self._connection.scalar(_DROPPED, {"subject": subject})
        told: datetime | None = self._known[key]
        return told is not None and told >= month_end(month) + _MINIMUM

    def _was_deleted(self, table: str, workflow: str, at: datetime) -> bool:
        key = (table, workflow)
        if key not in self._known:
            given = {"subject": f"table:{table}", "workflow": workflow, "minimum": _MINIMUM}
            self._known[key] = self._connection.scalar(_DELETED, given)
        before: datetime | None = self._known[key]
        return before is not None and at < before


def gone(connection: sa.Connection) -> Gone:
    """What retention has removed of the ledger itself, as its last entry about that says: it tells of all before it, too."""
    months: Sequence[date] = connection.scalars(_MONTHS).all()
    row: Any = connection.execute(
        _LAST, {"subjects": [f"partition:ledger_{month:%Y_%m}" for month in months]}
    ).one_or_none()
    if row is None:
        return Gone()
    said = json.loads(row.payload).get("gone") or {}
    ids = tuple((int(low), int(high)) for low, high in said.get("ids", ()))
    return Gone(int(said.get("entries", 0)), ids, row.recorded_at)


def with_month(connection: sa.Connection, month: date) -> Gone:
    """What will be gone once a month of the ledger, which is still there, is removed as well."""
    part = f"ledger_{month:%Y_%m}"
    before, row = gone(connection), connection.execute(sa.text(_IDS.format(part=part))).one()
    if not row.entries:
        return before
    ids = sorted((*before.ids, (row.lowest, row.highest)))
    joined = ids[:1]
    for low, high in ids[1:]:
        if low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return Gone(before.entries + row.entries, tuple(joined))

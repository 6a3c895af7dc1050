"""What is kept since when, and what was removed: for people who have to answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from afterpilot.record.history.paging import Row, all_rows
from afterpilot.record.tables import ledger, outbox, records, removals, review_items, runs, samples, usage

_MOST = 1000
# By which rows the age of a class is told; each has an index by which the oldest is found at once.
_DATED: Mapping[str, sa.Column[datetime]] = {
    "records": records.c.at,
    "usage": usage.c.at,
    "samples": samples.c.at,
    "runs": runs.c.finished_at,
    "messages": outbox.c.created_at,
    "reviews": review_items.c.at,
    "ledger": ledger.c.recorded_at,
}
_BY_MONTH = ("records", "usage", "samples", "runs", "ledger")
_FIRST_MONTH = sa.text(
    "SELECT min(child.relname) FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid "
    "WHERE inhparent = CAST(:table AS regclass) AND child.relname > :after"
)


def oldest(connection: sa.Connection, name: str) -> datetime | None:
    """The moment of the oldest row of a class; None where it has none. Of a table with months only the first that has rows is read."""
    column = _DATED[name]
    if name not in _BY_MONTH:
        return connection.scalar(sa.select(sa.func.min(column)))
    part = connection.scalar(_FIRST_MONTH, {"table": column.table.name, "after": ""})
    while part is not None:
        found = connection.scalar(
            sa.select(sa.func.min(sa.column(column.name, column.type))).select_from(sa.table(part))
        )
        if found is not None:
            return found
        part = connection.scalar(_FIRST_MONTH, {"table": column.table.name, "after": part})
    return None


def removed(connection: sa.Connection, start: datetime, end: datetime | None = None) -> Sequence[Row]:
    """What was removed in this time: months one by one, older rows summed by day, table and workflow."""
    day = sa.func.date_trunc("day", removals.c.at, "UTC").label("at")
    given = removals.c
    shared = (given.how, given.data_class, given.table_name, given.month, given.workflow, given.actor)
    statement = (
        sa.select(
            day,
            *shared,
            sa.func.max(given.before).label("before"),
            sa.func.sum(given.rows).label("rows"),
            sa.func.sum(given.bytes).label("bytes"),
        )
        .where(given.how != "erased", *_within(start, end))
        .group_by(day, *shared)
        .order_by(day.desc(), given.table_name, given.month, given.workflow)
    )
    return all_rows(connection, statement.limit(_MOST))


def erasures(connection: sa.Connection, start: datetime, end: datetime | None = None) -> Sequence[Row]:
    """Who and what was erased in this time, by pseudonym; the newest first."""
    given = removals.c
    statement = sa.select(given.at, given.subject, given.workflow, given.rows, given.actor).where(
        given.how == "erased", *_within(start, end)
    )
    return all_rows(connection, statement.order_by(given.at.desc(), given.id.desc()).limit(_MOST))


def _within(start: datetime, end: datetime | None) -> list[sa.ColumnElement[bool]]:
    return [removals.c.at >= start, *([removals.c.at < end] if end else [])]

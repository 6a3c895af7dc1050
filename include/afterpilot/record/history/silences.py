"""Every silence that ever was."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch, moment, one_row, run_id
from afterpilot.record.tables import incidents, silences

_ORDER = (Key("created_at", silences.c.created_at, moment, newest_first=True), Key("id", silences.c.id, run_id))


def holding(connection: sa.Connection, at: datetime, *, only: Only = None) -> Sequence[Row]:
    """Those that hold now, in the order in which they end; ``only`` these workflows', and those of everything."""
    statement = sa.select(silences).where(silences.c.starts_at <= at, silences.c.ends_at > at, _among(only))
    return all_rows(connection, statement.order_by(silences.c.ends_at, silences.c.id))


def over(connection: sa.Connection, at: datetime, *, only: Only = None, after: str = "", limit: int = 50) -> Page:
    """Those that are over, newest first. Raises ValueError for a bad cursor."""
    statement = sa.select(silences).where(silences.c.ends_at <= at, _among(only))
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def kinds(connection: sa.Connection, *, only: Only = None) -> Sequence[str]:
    """The kinds of the incidents that are not over, to choose from."""
    statement = (
        sa.select(incidents.c.kind).distinct().where(incidents.c.state != "resolved", among(incidents.c.workflow, only))
    )
    return list(connection.scalars(statement.order_by(incidents.c.kind).limit(200)))


def one_silence(connection: sa.Connection, which: uuid.UUID) -> Row | None:
    """A silence, or None."""
    return one_row(connection, sa.select(silences).where(silences.c.id == which))


def _among(only: Only) -> sa.ColumnElement[bool]:
    """Silences of these workflows: by name, by a pattern that one of them fits, or of everything."""
    if only is None:
        return sa.true()
    slug = sa.func.unnest(sa.cast(sorted(only), ARRAY(sa.Text))).column_valued("slug")
    literal = sa.func.replace(silences.c.workflow, "_", "\\_")
    fits = sa.exists().where(slug.like(sa.func.replace(literal, "*", "%")))
    pattern = sa.and_(silences.c.workflow.contains("*"), fits)  # few are: each is held against each workflow
    return sa.or_(among(silences.c.workflow, only), silences.c.workflow.in_(["", "*"]), pattern)

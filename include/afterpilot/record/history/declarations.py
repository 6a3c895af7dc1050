"""Declarations, version by version."""

from __future__ import annotations

import sqlalchemy as sa

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, fetch, moment, one_row
from afterpilot.record.tables import current_declarations, declarations

_ORDER = (
    Key("first_loaded_at", declarations.c.first_loaded_at, moment, newest_first=True),
    Key("sha256", declarations.c.sha256),
)


def list_versions(connection: sa.Connection, workflow: str, *, after: str = "", limit: int = 30) -> Page:
    """The versions of a declaration without their documents, newest first. Raises ValueError for a cursor that is none."""
    columns = [column for column in declarations.c if column.name != "document"]
    statement = sa.select(*columns).where(declarations.c.workflow == workflow)
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_version(connection: sa.Connection, workflow: str, sha256: str) -> Row | None:
    """One version with its document, or None."""
    return one_row(
        connection,
        sa.select(declarations).where(declarations.c.workflow == workflow, declarations.c.sha256 == sha256),
    )


def current(connection: sa.Connection, workflow: str) -> Row | None:
    """Which version a folder holds now, and which one can be used; None where it was never loaded."""
    return one_row(connection, sa.select(current_declarations).where(current_declarations.c.workflow == workflow))


def before(connection: sa.Connection, version: Row) -> Row | None:
    """The version that was loaded before this one, with its document, or None."""
    statement = (
        sa.select(declarations)
        .where(
            declarations.c.workflow == version["workflow"],
            declarations.c.first_loaded_at < version["first_loaded_at"],
        )
        .order_by(declarations.c.first_loaded_at.desc())
    )
    return one_row(connection, statement)


def list_current(connection: sa.Connection, *, only: Only = None, after: str = "", limit: int = 100) -> Page:
    """Every workflow that was ever loaded, by slug, with whether its newest version can be used."""
    here = current_declarations
    statement = sa.select(here, declarations.c.usable, declarations.c.problems, declarations.c.path).join(
        declarations, sa.and_(declarations.c.workflow == here.c.workflow, declarations.c.sha256 == here.c.sha256)
    )
    statement = statement.where(among(here.c.workflow, only))
    return fetch(connection, statement, keys=[Key("workflow", here.c.workflow)], after=after, limit=limit)

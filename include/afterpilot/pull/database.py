"""Reading other people's databases: read-only, with a limit on time, and errors that name no secret."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.errors import SourceError
from afterpilot.domain.secrecy import in_brief

TIMEOUT_SECONDS = 300
_LISTED = 30


def engine_of(engine_or_url: sa.Engine | str) -> sa.Engine:
    """An engine that keeps no connection open between reads.

    Raises:
        SourceError: the URL cannot be used. It is not shown: it may hold a password.
    """
    if isinstance(engine_or_url, sa.Engine):
        return engine_or_url
    try:
        url = sa.make_url(engine_or_url)
        # A prepared statement is one statement: a team's own SQL cannot end the read-only transaction and go on.
        driver = url.get_driver_name()
        one_statement = {"prepare_threshold": 0} if driver == "psycopg" else {}
        limits = {**one_statement, **connect_limit(driver, url.query)}
        return sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, connect_args=limits)
    except NoSuchModuleError as error:
        raise SourceError(f"no driver is installed for this kind of database: {error}") from None
    except (ArgumentError, ValueError, ImportError) as error:
        # The text of these errors may quote parts of the URL, and the chain would show it.
        raise SourceError(f"the connection's URL cannot be used ({type(error).__name__})") from None


@contextlib.contextmanager
def reading(engine: sa.Engine, *, timeout_seconds: int = TIMEOUT_SECONDS) -> Iterator[sa.Connection]:
    """A read-only transaction; whatever the database refuses becomes a :class:`SourceError` without the password."""
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("SET TRANSACTION READ ONLY"))
                # Without a zone, a column's times are taken as UTC; a setting of the server must not shift them.
                connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
                # Nor may it change how values are written.
                connection.execute(sa.text("SET LOCAL datestyle = 'ISO, MDY'"))
                connection.execute(sa.text("SET LOCAL extra_float_digits = 1"))
                connection.execute(sa.text(f"SET LOCAL statement_timeout = {int(timeout_seconds) * 1000}"))
            yield connection
    except SQLAlchemyError as error:
        raise SourceError(reason(error, engine.url)) from error


def reason(error: Exception, url: sa.URL) -> str:
    """What the database said, on one line, without statement, parameters and password."""
    text = str(getattr(error, "orig", None) or error)
    said = in_brief(text, str(url.password or ""), most=500) or type(error).__name__
    place = f"{url.get_backend_name()} database {url.database or ''}".strip()
    return f"{place}: {said}"


def columns_of(connection: sa.Connection, table: str, wanted: Sequence[str]) -> dict[str, sa.types.TypeEngine[Any]]:
    """The types of the wanted columns of ``table`` (or ``schema.table``).

    Raises:
        SourceError: the table or a column is missing; it names the nearest one and what exists.
    """
    types = existing_columns(connection, table)
    demand(table, types, wanted)
    return {column: types[column] for column in wanted}


def demand(table: str, types: Mapping[str, Any], needed: Iterable[str]) -> None:
    """Raises SourceError where the table lacks a column that is needed; it names the nearest one and what exists."""
    for column in needed:
        if column not in types:
            raise SourceError(f"table {table} has no column {column}{instead(column, list(types), 'columns')}")


def existing_columns(connection: sa.Connection, table: str) -> dict[str, sa.types.TypeEngine[Any]]:
    """The types of all columns of ``table`` (or ``schema.table``).

    Raises:
        SourceError: the table is missing; it names the nearest one and what exists.
    """
    schema, name = split(table)
    inspector = sa.inspect(connection)
    try:
        return {column["name"]: column["type"] for column in inspector.get_columns(name, schema=schema)}
    except NoSuchTableError:
        known = [*inspector.get_table_names(schema=schema), *inspector.get_view_names(schema=schema)]
        raise SourceError(f"there is no table {table}{instead(name, known, 'tables')}") from None


def table_of(table: str, types: dict[str, sa.types.TypeEngine[Any]]) -> sa.TableClause:
    """A table to build statements on; SQLAlchemy quotes its names."""
    schema, name = split(table)
    return sa.table(name, *(sa.column(column, kind) for column, kind in types.items()), schema=schema)


def split(table: str) -> tuple[str | None, str]:
    """``schema.table`` as schema and name; None where there is no schema."""
    schema, _, name = table.rpartition(".")
    return schema or None, name


def instead(name: str, known: Sequence[str], what: str) -> str:
    """The nearest of the known names, and all of them, in words."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(sorted(known)[:_LISTED]) or "none"
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{hint} ({what}: {listed}{more})"

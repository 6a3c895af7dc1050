"""A table or view of any database: how to reach it, and how it describes itself."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.errors import CheckError
from afterpilot.domain.source import FieldType

_READ_ONLY = "-c timezone=UTC -c default_transaction_read_only=on"


def connect(url: str) -> sa.Engine:
    """An engine that only reads, as far as the database can be told so.

    Raises:
        CheckError: the URL cannot be used; it is not repeated, for it may hold a password.
    """
    try:
        address = sa.make_url(url)
        kind = address.get_backend_name()
        if kind == "postgresql":
            driver = "postgresql+psycopg" if "+" not in address.drivername else address.drivername
            options = f"{address.query.get('options', '')} {_READ_ONLY}".strip()
            query = {"options": options, "application_name": "afterpilot check table"}
            address = address.set(drivername=driver).update_query_dict(query)
        elif kind == "sqlite" and address.database and not address.database.startswith("file:"):
            # A file that is not there would be made otherwise.
            address = address.set(database=f"file:{address.database}").update_query_dict({"mode": "ro", "uri": "true"})
        limit = connect_limit(address.get_driver_name(), address.query)
        return sa.create_engine(address, poolclass=sa.NullPool, hide_parameters=True, connect_args=limit)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise CheckError(
            f"the URL names no database that can be used ({type(error).__name__}); such as postgresql://user@host/name"
        ) from None


def reflected(engine: sa.Engine, name: str) -> sa.Table:
    """The table or view of that name, ``schema.table`` too.

    Raises:
        CheckError: there is none; the nearest name is told.
    """
    with engine.connect() as connection:
        looked = sa.inspect(connection)
        schema, _, bare = name.rpartition(".")
        for place, called in ((None, name), (schema or None, bare)):
            if looked.has_table(called, schema=place):
                return sa.Table(called, sa.MetaData(), schema=place, autoload_with=connection, resolve_fks=False)
        names = [*looked.get_table_names(), *looked.get_view_names()]
    raise CheckError(no_such("table", name, names))


def no_such(what: str, name: str, there: Sequence[str]) -> str:
    """That a name is not there, with the nearest of those that are."""
    near = difflib.get_close_matches(name, there, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}{meant}"


def kind_of(of: sa.types.TypeEngine[Any]) -> FieldType | None:
    """The kind of value that a column type holds; None for all that is compared as text."""
    if isinstance(of, sa.DateTime):
        return "time" if of.timezone else None
    if isinstance(of, sa.Boolean):
        return "boolean"
    return "number" if isinstance(of, sa.Numeric | sa.Float | sa.Integer) else None


def unreadable(error: Exception) -> CheckError:
    """What the database said, on one line."""
    cause: Any = getattr(error, "orig", None) or error
    return CheckError(f"the table cannot be read: {' '.join(str(cause).split())[:300]}")

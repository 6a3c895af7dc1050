"""What the application may not do to what is on record, done by the owner of the tables: tests make history as old as they need it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from afterpilot.demo.postgres import OWNER

_GUARDS = sa.text(
    "SELECT tgname FROM pg_trigger WHERE tgrelid = CAST(:table AS regclass) AND tgname IN ('append_only', 'row_kept', 'goes_on')"
)


@contextlib.contextmanager
def rewritten(engine: sa.Engine, table: str) -> Iterator[sa.Connection]:
    """A transaction that may change what is only ever added to, or has to be kept, as nobody can but the owner of the tables."""
    owner = sa.create_engine(engine.url.set(username=OWNER))
    with owner.begin() as connection:
        names = connection.scalars(_GUARDS, {"table": table}).all()
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        yield connection
        for name in names:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    owner.dispose()

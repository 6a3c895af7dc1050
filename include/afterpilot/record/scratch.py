"""A schema of the ops database for a trial: all tables, empty, gone when the trial is over."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from afterpilot.record import migrate

_PREFIX = "afterpilot_trial_"
_ABANDONED = "1 hour"


@contextlib.contextmanager
def scratch(url: str) -> Iterator[str]:
    """A URL that leads to an empty copy of all tables, in a schema of its own; what a killed trial left behind goes with it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or does not allow to make a schema.
    """
    name = f"{_PREFIX}{uuid.uuid4().hex}"
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        _sweep(connection)
        connection.execute(sa.schema.CreateSchema(name))
        connection.execute(sa.text(f"COMMENT ON SCHEMA {name} IS '{connection.scalar(sa.text('SELECT now()'))}'"))
    try:
        inside = sa.make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
        shown = inside.render_as_string(hide_password=False)
        migrate.upgrade(shown)
        yield shown
    finally:
        with engine.connect() as connection:
            connection.execute(sa.schema.DropSchema(name, cascade=True, if_exists=True))


def _sweep(connection: sa.Connection) -> None:
    """Drop the schemas of trials that were killed: those that are older than an hour by their comment."""
    old = connection.scalars(
        sa.text(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE :prefix "
            "AND CAST(obj_description(oid, 'pg_namespace') AS timestamptz) < now() - CAST(:age AS interval)"
        ),
        {"prefix": f"{_PREFIX}%", "age": _ABANDONED},
    )
    for name in old.all():
        connection.execute(sa.schema.DropSchema(name, cascade=True, if_exists=True))

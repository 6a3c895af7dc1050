"""A schema of the ops database for a trial: all tables, empty, gone when the trial is over."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from afterpilot.record import migrate
from afterpilot.record.connecting import within

_PREFIX = "afterpilot_trial_"
_LOCK = sa.text("SELECT pg_advisory_lock(hashtext('afterpilot trial'), hashtext(:name))")
_TRY = sa.text("SELECT pg_try_advisory_lock(hashtext('afterpilot trial'), hashtext(:name))")
_OWNERS = sa.text("SELECT to_regprocedure('afterpilot_trial(text)') IS NOT NULL")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(hashtext('afterpilot trial'), hashtext(:name))")


@contextlib.contextmanager
def scratch(url: str) -> Iterator[str]:
    """A URL that leads to an empty copy of all tables, in a schema of its own; what a killed trial left behind goes with it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or does not allow to make a schema.
    """
    name = f"{_PREFIX}{uuid.uuid4().hex}"
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args=within(url)
    )
    with engine.connect() as alive:  # its lock says that the trial is under way, and is gone with the process
        alive.execute(_LOCK, {"name": name})
        _sweep(alive)
        _make(alive, name)
        try:
            inside = sa.make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
            shown = inside.render_as_string(hide_password=False)
            migrate.upgrade(shown)
            yield shown
        finally:
            with engine.connect() as connection:
                _drop(connection, name)


def _make(connection: sa.Connection, name: str) -> None:
    """By the owner's function: the application may not make schemas. A database without it has no owner apart, or no migration yet."""
    if connection.scalar(_OWNERS):
        connection.execute(sa.text("SELECT afterpilot_trial(:name)"), {"name": name})
    else:
        connection.execute(sa.schema.CreateSchema(name))


def _drop(connection: sa.Connection, name: str) -> None:
    if connection.scalar(_OWNERS):
        connection.execute(sa.text("SELECT afterpilot_trial_over(:name)"), {"name": name})
    else:
        connection.execute(sa.schema.DropSchema(name, cascade=True, if_exists=True))


def _sweep(connection: sa.Connection) -> None:
    """Drop the schemas of trials that were killed: those whose lock nobody holds."""
    found = connection.scalars(
        sa.text("SELECT nspname FROM pg_namespace WHERE nspname ~ :name"), {"name": f"^{_PREFIX}[0-9a-f]{{32}}$"}
    )
    for name in found.all():
        if connection.scalar(_TRY, {"name": name}):
            _drop(connection, name)
            connection.execute(_UNLOCK, {"name": name})

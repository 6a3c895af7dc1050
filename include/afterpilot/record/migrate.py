"""Migrations of the ops database: ``alembic upgrade head`` without a configuration file to find."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from afterpilot.record import roles
from afterpilot.record.connecting import options, within
from afterpilot.record.tables import metadata

VERSION_TABLE = roles.VERSION_TABLE
PATIENCE = ("lock_timeout=5000", "statement_timeout=600000")  # ms
_FOLDER = Path(__file__).parent / "migrations"


def config(url: str) -> Config:
    """Alembic's configuration for this database."""
    settings = Config()
    settings.set_main_option("script_location", str(_FOLDER))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str, revision: str = "head", *, application: str = "") -> None:
    """Bring the database to a revision; nothing happens where it is there already. ``url`` is the owner's.

    At the newest one ``application``, the role of whoever uses the database, has what it needs and no more.

    Raises:
        ConfigurationError: there is no such role, or it lacks what somebody else has to grant.
    """
    engine = sa.create_engine(url, connect_args={"options": options(url, *PATIENCE), **within(url)})
    try:
        if application:
            with engine.connect() as connection:
                roles.require(connection, application)
        command.upgrade(config(url), revision)
        if revision in ("head", head()):
            with engine.begin() as connection:
                roles.settle(connection, application)
    finally:
        engine.dispose()


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision."""
    command.downgrade(config(url), revision)


def current(url: str) -> str | None:
    """The database's revision, or None before the first."""
    engine = sa.create_engine(url, connect_args=within(url))
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    finally:
        engine.dispose()


def head() -> str:
    """The newest revision that this code knows."""
    revision = ScriptDirectory(str(_FOLDER)).get_current_head()
    if revision is None:
        raise FileNotFoundError(f"no migration in {_FOLDER}")
    return revision


def differences(url: str) -> list[object]:
    """What separates a migrated database from the tables that the code declares; empty when all is well."""
    engine = sa.create_engine(url, connect_args=within(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"version_table": VERSION_TABLE, "include_object": ignore_partitions}
            )
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def ignore_partitions(_object: object, name: str | None, type_: str, reflected: bool, _other: object) -> bool:  # noqa: FBT001 - alembic's signature
    """Leave partitions and the version table out of comparisons."""
    return not (type_ == "table" and reflected and name not in metadata.tables)

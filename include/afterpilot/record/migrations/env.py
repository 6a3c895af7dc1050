"""Alembic's entry point; :mod:`afterpilot.record.migrate` calls it."""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import context

from afterpilot.record.connecting import options, within
from afterpilot.record.migrate import PATIENCE, VERSION_TABLE, ignore_partitions
from afterpilot.record.tables import metadata

url = context.config.attributes.get("url") or os.environ["AFTERPILOT_DATABASE_URL"]
patience = options(url, *PATIENCE)
engine = sa.create_engine(url, connect_args={"options": patience, **within(url)})
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_object=ignore_partitions,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()

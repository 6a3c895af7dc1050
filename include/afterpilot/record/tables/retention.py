"""What keeps data from being removed, and what was removed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from afterpilot.record.tables.base import metadata, text_column, time_column

# Orders to keep what concerns a workflow. One is never changed: it only ends, once.
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    text_column("workflow"),  # empty: all
    time_column("from_at", nullable=True),
    time_column("to_at", nullable=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    time_column("set_at", default_now=True),
    time_column("ended_at", nullable=True),
    text_column("ended_by"),
    text_column("ended_reason"),
    sa.CheckConstraint("to_at > from_at", name="ends_after_start"),
)

# Each removal as it was done: a month of a table, a batch of older rows, somebody who was erased. Names nobody.
removals = sa.Table(
    "removals",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    time_column("at", default_now=True),
    sa.Column("how", sa.Text, nullable=False),  # dropped (a month), deleted (rows), erased (a person or an output)
    text_column("data_class"),
    text_column("table_name"),  # of an erasure: empty
    sa.Column("month", sa.Date),
    text_column("workflow"),  # empty: of all
    time_column("before", nullable=True),  # rows older than that went
    sa.Column("rows", sa.BigInteger, nullable=False),  # of a month: PostgreSQL's estimate
    sa.Column("bytes", sa.BigInteger),  # of a month
    text_column("subject"),  # of an erasure: person:<id> or output:<digest>
    sa.Column("actor", sa.Text, nullable=False),
    sa.CheckConstraint("how IN ('dropped', 'deleted', 'erased')", name="how"),
    sa.Index("ix_removals_at", "at"),
    sa.Index("ix_removals_table_name", "table_name", "month", postgresql_where=sa.text("how = 'dropped'")),
)

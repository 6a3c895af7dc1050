"""What was pulled from production, and how far."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

records = sa.Table(
    "records",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    json_column("data"),
    time_column("pulled_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True)),  # the pull that wrote it last
    sa.Index("ix_records_workflow_at", "workflow", "at"),
    postgresql_partition_by="RANGE (at)",
)

# What a source looked like when it was read last: a column that goes, a type that changes and rows that vanish are noticed.
source_states = sa.Table(
    "source_states",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    json_column("columns"),  # {column: {type, declared}}, as they were when they were declared so
    json_column("lost"),  # {column: since}: declared columns that are gone, and from when on rows lack them
    json_column("days"),  # {day: {rows, kept}}, of the days that were counted last: at the source and on record
    time_column("newest_at", nullable=True),
    time_column("seen_at"),
)

# What the attempts of a pull that is under way have written: an attempt that was killed is counted by the one that goes on.
pull_counts = sa.Table(
    "pull_counts",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), primary_key=True),
    json_column("counts"),  # {what: how many}
    time_column("changed_at", default_now=True),
)

# Windows that were judged already when rows of them came late or changed, until their checks and reports are corrected.
reopened_windows = sa.Table(
    "reopened_windows",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    time_column("window_start"),
    time_column("window_end"),
    sa.Column("rows", sa.Integer, nullable=False),  # that came late or changed
    time_column("noticed_at"),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # the pull that noticed
    sa.Column("judged_by", UUID(as_uuid=True)),  # the check whose verdict is in question
    sa.Column("corrected_by", UUID(as_uuid=True)),  # the check that judged the window again
    sa.Index("ix_reopened_windows_open", "workflow", postgresql_where=sa.text("corrected_by IS NULL")),
    sa.Index("ix_reopened_windows_run_id", "run_id"),
)

# Up to which moment a source has been pulled.
watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    time_column("pulled_to"),
)

# What records have said before, for the check not_seen_before: found without reading the records.
seen_values = sa.Table(
    "seen_values",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("digest", UUID(as_uuid=True), primary_key=True),  # MD5 of the columns' names and their plain values
    sa.Column("key", sa.Text, primary_key=True),
    text_column("repeats"),  # the key of the record that it was found to repeat
)

# For which columns seen_values holds all earlier records of a workflow.
seen_columns = sa.Table(
    "seen_columns",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("columns", sa.ARRAY(sa.Text), primary_key=True),
    time_column("filled_at", default_now=True),
)

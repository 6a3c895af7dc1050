"""What alerts need beside incidents and the outbox: silences, lanes of delivery, heartbeats, failed tasks, requests that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    text_column("workflow"),  # a slug or a pattern with *; empty: all
    text_column("kind"),  # a kind of finding or a pattern with *; empty: all
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    time_column("starts_at"),
    time_column("ends_at"),
    time_column("created_at", default_now=True),
    text_column("ended_by"),  # who ended it before its time
    sa.CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    sa.Index("ix_silences_ends_at", "ends_at"),
)

# One place of one target, such as a channel: when the next message may go there, whichever process sends it. The channel * is the
# target itself: while it is closed, nothing goes to any of its places.
lanes = sa.Table(
    "lanes",
    metadata,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    time_column("free_at"),
    sa.Column("lease", UUID(as_uuid=True)),  # of the letter that is on it
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # of the target, in a row
    text_column("why"),  # it was asked to wait; empty: it is only taken, or rests
    text_column("to_mend"),  # of the target: what somebody must mend before anything goes there
)

# The last pass of everything that must keep passing.
beats = sa.Table(
    "beats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),  # dag:deliver, listener …
    time_column("at"),
    sa.Column("every_seconds", sa.Integer),  # how often it should pass; NULL: not known
    json_column("detail"),
)

# Airflow's own tasks that failed for good, until a later run of the same task succeeds.
task_failures = sa.Table(
    "task_failures",
    metadata,
    sa.Column("dag_id", sa.Text, primary_key=True),
    sa.Column("task_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("map_index", sa.Integer, primary_key=True),
    time_column("at"),
    text_column("label"),  # what the mapped task held
    text_column("error"),
    json_column("workflows", "[]"),  # slugs that it hides
    time_column("over_at", nullable=True),
    sa.Index("ix_task_failures_open", "at", postgresql_where=sa.text("over_at IS NULL")),
)

# Signed requests that were answered: a replay is none.
taken_requests = sa.Table(
    "taken_requests",
    metadata,
    sa.Column("signature", sa.Text, primary_key=True),
    time_column("at", default_now=True),
    sa.Index("ix_taken_requests_at", "at"),
)

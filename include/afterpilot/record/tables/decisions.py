"""What the gate and people decided on outputs, and what production is told of it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

# What the gate decided on each output. An output that was released and then changed at its source is decided again; what
# went to a person stays with that person.
gate_decisions = sa.Table(
    "gate_decisions",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    time_column("at"),  # the record's time
    sa.Column("released", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),  # passed, failed_check, spot_check
    time_column("decided_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # written while that run is still under way
    text_column("data_md5"),  # of the data that was judged, as PostgreSQL writes it
    json_column(
        "earlier", "[]"
    ),  # decisions that this one replaced, oldest first: [{released, reason, decided_at, run_id, data_md5}]
    sa.Index("ix_gate_decisions_workflow_at", "workflow", "at"),
    sa.Index("ix_gate_decisions_run_id", "run_id"),
)

review_items = sa.Table(
    "review_items",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    time_column("at"),  # the record's time
    sa.Column("reason", sa.Text, nullable=False),  # failed_check, spot_check
    json_column("discrepancies", "[]"),  # [{check, field, said, expected, source, text}]
    time_column("opened_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # written while that run is still under way
    time_column("due_at", nullable=True),
    time_column("escalated_at", nullable=True),  # when the deputy was asked
    text_column("assigned_to"),
    text_column("reserved_by"),
    time_column("reserved_until", nullable=True),
    time_column("decided_at", nullable=True),  # set once, by who decided first
    text_column("decided_by"),
    sa.Index("ix_review_items_waiting", "workflow", "due_at", postgresql_where=sa.text("decided_at IS NULL")),
    sa.Index("ix_review_items_decided", "decided_at", postgresql_where=sa.text("decided_at IS NOT NULL")),
    sa.Index("ix_review_items_workflow_at", "workflow", "at"),
    sa.Index("ix_review_items_run_id", "run_id"),
    sa.Index("ix_review_items_at", "at", "workflow", "key"),
)

# What people decided, in the production system or in the review queue. A review item with a decision is done.
human_decisions = sa.Table(
    "human_decisions",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("decided_at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("decision", sa.Text, nullable=False),  # accepted, corrected, rejected
    sa.Column("minutes", sa.Numeric(10, 3)),
    text_column("note"),
    json_column("corrected"),  # what the output should have been, by field
    text_column("origin", "source"),  # source, review
    text_column("decided_by"),
    sa.Column("seconds", sa.Numeric(10, 3)),  # that the item was on the reviewer's screen
    sa.Index("ix_human_decisions_decided", "workflow", "decided_at"),
)

# What is to be done in production about a decision, each exactly once: an outbox with a lease.
releases = sa.Table(
    "releases",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column(
        "number", sa.Integer, primary_key=True
    ),  # of the decisions on this output, from 1: a later one replaces it
    sa.Column("data_md5", sa.Text, nullable=False),  # of the data that was judged
    time_column("at"),  # the record's time
    sa.Column("effect", sa.Text, nullable=False),  # released, held
    text_column("reason"),  # passed, failed_check, spot_check; accepted, corrected: by a person
    time_column("decided_at", default_now=True),
    text_column(
        "state", "pending"
    ),  # pending, done, failed, overtaken (production had moved on), superseded (by a later one)
    time_column("not_before", default_now=True),
    time_column("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "unsure", sa.Boolean, nullable=False, server_default="false"
    ),  # an attempt may have got through unnoticed
    sa.Column("refused", sa.Boolean, nullable=False, server_default="false"),  # somebody has to mend something first
    text_column("error"),
    time_column("done_at", nullable=True),  # when it was done, or given up
    sa.CheckConstraint("effect IN ('released', 'held')", name="effect"),
    sa.CheckConstraint("state IN ('pending', 'done', 'failed', 'overtaken', 'superseded')", name="state"),
    sa.Index("ix_releases_pending", "workflow", "not_before", postgresql_where=sa.text("state = 'pending'")),
    sa.Index(
        "ix_releases_trouble", "workflow", "done_at", postgresql_where=sa.text("state IN ('failed', 'overtaken')")
    ),
)

# Decisions of the review queue that flow back to the source, each exactly once.
write_backs = sa.Table(
    "write_backs",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("decided_at", sa.DateTime(timezone=True), primary_key=True),
    text_column("state", "pending"),  # pending, done, failed
    time_column("not_before", default_now=True),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    text_column("error"),
    time_column("done_at", nullable=True),
    sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
    sa.Index("ix_write_backs_pending", "workflow", "not_before", postgresql_where=sa.text("state = 'pending'")),
)

# With which chance a released output goes to people all the same, by stratum: set once when the period begins.
spot_check_rates = sa.Table(
    "spot_check_rates",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("period", sa.Date, primary_key=True),  # its first day
    sa.Column("stratum", sa.Text, primary_key=True),  # empty: every stratum that has none of its own
    sa.Column("rate", sa.Numeric(7, 6), nullable=False),  # 0 to 1
    time_column("since", nullable=True),  # in the first period: what was made before has no chance
    time_column("set_at", default_now=True),
)

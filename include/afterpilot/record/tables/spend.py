"""What calls used and cost, what may be spent, and what providers bill."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

# One row for each production record (kind "production", ref = record key), eval sample (kind "eval"), and question of a scorer to
# a judge or for embeddings (kind "judge") that made a call. In the order of time: a quarter of an hour is one stretch of the index, and new calls come at its end.
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    text_column("model"),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("details", JSONB),  # CallDetails.as_json(), NULL for a plain call
    sa.Column("price_id", sa.BigInteger),  # of ``prices``; NULL: nobody has looked yet
    sa.Column("cost", sa.Numeric),  # in the currency of the price, NULL where the price holds a reason
    postgresql_partition_by="RANGE (at)",
)

# Every price that a call ever had, or the reason why it had none; a row never changes. ``id`` is a hash of all the rest
# (afterpilot.domain.prices.Price.id).
prices = sa.Table(
    "prices",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    text_column("model"),
    text_column("source"),
    text_column("currency"),
    text_column("reason"),
    text_column("tier"),
    text_column("region"),
    text_column("provider"),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    sa.Column("from_input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("to_input_tokens", sa.BigInteger),
    json_column("rates"),  # sort → amount for one unit, as text
    text_column("note"),
    time_column("first_used_at", default_now=True),
)

# Which quarters of an hour have calls that were written or changed since they were summed. Only ever added to and taken from:
# writers never wait for each other here.
usage_changes = sa.Table(
    "usage_changes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    time_column("quarter"),
)

# The calls of each quarter of an hour (UTC; ``at`` is its beginning, so that every time zone's days are made of whole ones).
usage_sums = sa.Table(
    "usage_sums",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("price_id", sa.BigInteger, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("input_tokens", sa.Numeric, nullable=False),
    sa.Column("output_tokens", sa.Numeric, nullable=False),
    sa.Column("cached_tokens", sa.Numeric, nullable=False),
    sa.Column("cost", sa.Numeric),  # NULL where the price holds a reason
    sa.Index("ix_usage_sums_price", "price_id", "at"),
    postgresql_partition_by="RANGE (at)",
)

# The same by the days of the workflow's own calendar.
usage_days = sa.Table(
    "usage_days",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("price_id", sa.BigInteger, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("input_tokens", sa.Numeric, nullable=False),
    sa.Column("output_tokens", sa.Numeric, nullable=False),
    sa.Column("cached_tokens", sa.Numeric, nullable=False),
    sa.Column("cost", sa.Numeric),
    sa.Index("ix_usage_days_day", "day"),
)

# The time zone in which ``usage_days`` of a workflow were made.
usage_zones = sa.Table(
    "usage_zones",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("zone", sa.Text, nullable=False),
)

# Each time that calls got another price than the one they had: what it changed, for everybody to see.
repricings = sa.Table(
    "repricings",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    time_column("at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True)),  # the spend run that did it
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("old_price", sa.BigInteger, nullable=False),
    sa.Column("new_price", sa.BigInteger, nullable=False),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("old_cost", sa.Numeric),
    sa.Column("new_cost", sa.Numeric),
    sa.Index("ix_repricings_workflow_at", "workflow", "at"),
)

# People's answers to the question whether a cap may be raised, for one period. ``workflow`` is ``_fleet`` for a cap over several.
cap_raises = sa.Table(
    "cap_raises",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("cap", sa.Text, nullable=False),  # CapRule.key
    time_column("period_start"),
    time_column("period_end"),
    sa.Column("amount", sa.Numeric, nullable=False),  # the cap from now on, until the period ends
    sa.Column("currency", sa.Text, nullable=False),
    text_column("reason"),
    text_column("state", "pending"),  # pending: a second person is needed; approved; refused
    sa.Column("asked_by", sa.Text, nullable=False),
    time_column("asked_at", default_now=True),
    text_column("second_by"),
    time_column("decided_at", nullable=True),
    sa.CheckConstraint("state IN ('pending', 'approved', 'refused')", name="state"),
    sa.CheckConstraint("second_by <> asked_by", name="two_people"),
    sa.Index("ix_cap_raises_workflow", "workflow", "period_start"),
)

# What a workflow's gateway is told: whether it may go on calling models. Written by the stage of spend.
allowances = sa.Table(
    "allowances",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("allowed", sa.Boolean, nullable=False),
    text_column("reason"),
    json_column("said"),  # caps, stopped models, on_unknown, whom a stop is told: see record/spend/allowances.py
    time_column("since"),
    time_column("as_of"),  # up to when the spend was looked at
    time_column("until", nullable=True),  # when a stop ends by itself: the period's end
)

# Orders to stop or to go on, for call-backs and gateways: done once each, tried until they are.
stop_orders = sa.Table(
    "stop_orders",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),  # their order
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    json_column("target"),  # whom it goes to, as declared when it was given
    json_column("said"),  # reason, until, models
    text_column("state", "pending"),
    time_column("created_at", default_now=True),
    time_column("not_before", default_now=True),
    time_column("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    text_column("error"),
    sa.Column("refused", sa.Boolean, nullable=False, server_default="false"),  # somebody must mend something first
    time_column("done_at", nullable=True),
    sa.CheckConstraint("action IN ('stop', 'resume')", name="action"),
    sa.CheckConstraint("state IN ('pending', 'done', 'overtaken')", name="state"),
    sa.Index("ix_stop_orders_workflow", "workflow", sa.text("number DESC")),
    sa.Index("ix_stop_orders_pending", "workflow", "not_before", postgresql_where=sa.text("state = 'pending'")),
)

# What providers bill, by day (UTC, as they count), project and item; the newest word stands, and the first one beside it.
bill_lines = sa.Table(
    "bill_lines",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("project", sa.Text, primary_key=True),  # project, workspace, or team; empty for none
    sa.Column("model", sa.Text, primary_key=True),  # empty where the item is no model's
    sa.Column("item", sa.Text, primary_key=True),  # the provider's name of the line
    sa.Column("amount", sa.Numeric),  # NULL for usage alone
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("first_amount", sa.Numeric),
    sa.Column("input_tokens", sa.Numeric),
    sa.Column("output_tokens", sa.Numeric),
    sa.Column("cached_tokens", sa.Numeric),
    sa.Column("calls", sa.Numeric),
    time_column("first_seen_at", default_now=True),
    time_column("changed_at", default_now=True),
    sa.Index("ix_bill_lines_day", "day"),
)

# Which days of an account were read, and when last: a day without lines cost nothing only if it was read.
bill_days = sa.Table(
    "bill_days",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    time_column("read_at", default_now=True),
)

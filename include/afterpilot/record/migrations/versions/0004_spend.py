"""spend: prices, sums, caps that were raised, orders to stop, bills

Revision: 0004
Follows: 0003
Locks: new tables none; usage is locked against everybody while its primary key is made anew, about a minute for 50 million
calls. Old calls keep what they used and lose their costs, save those that an endpoint itself said: the next spend run prices and
sums them anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# Any number that no other price has will do for what endpoints said.
_SAID_ID = "abs(('x' || left(md5('said' || model || '/' || currency), 15))::bit(60)::bigint)"
_WAS_SAID = "price_version = 'as the endpoint said' AND {cost} IS NOT NULL"
_AS_SAID = f"""
INSERT INTO prices (id, model, source, currency)
SELECT DISTINCT {_SAID_ID}, model, price_version, currency FROM usage WHERE {_WAS_SAID.format(cost="old_cost")}
"""  # noqa: S608 - names of this module alone
_SAID = f"""
UPDATE usage SET price_id = {_SAID_ID}, cost = trim_scale(old_cost) WHERE {_WAS_SAID.format(cost="old_cost")}
"""  # noqa: S608
_TO_SUM = """
INSERT INTO usage_changes (workflow, quarter)
SELECT DISTINCT workflow, date_bin('15 minutes', at, '2000-01-01 00:00+00') FROM usage
"""
_WITH_PRICES = """
UPDATE usage SET old_cost = round(usage.cost, 10), currency = prices.currency, price_version = prices.source,
  unpriced_reason = prices.reason
FROM prices WHERE prices.id = usage.price_id
"""


def upgrade() -> None:
    _new_tables()
    _usage_with_price_ids()


def _usage_with_price_ids() -> None:
    op.drop_index("ix_usage_workflow_at", table_name="usage")
    op.drop_constraint("pk_usage", "usage")
    op.alter_column("usage", "cost", new_column_name="old_cost")
    op.add_column("usage", sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("usage", sa.Column("price_id", sa.BigInteger(), nullable=True))
    op.add_column("usage", sa.Column("cost", sa.Numeric(), nullable=True))
    for statement in (_AS_SAID, _SAID, _TO_SUM):
        op.execute(statement)
    for column in ("old_cost", "currency", "price_version", "unpriced_reason"):
        op.drop_column("usage", column)
    op.create_primary_key("pk_usage", "usage", ["workflow", "at", "kind", "ref"])


def _new_tables() -> None:
    op.create_table(
        "prices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("tier", sa.Text(), server_default="", nullable=False),
        sa.Column("region", sa.Text(), server_default="", nullable=False),
        sa.Column("provider", sa.Text(), server_default="", nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("from_input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("to_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("rates", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
    )
    op.create_table(
        "usage_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_changes")),
    )
    op.create_table(
        "usage_sums",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("price_id", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.Numeric(), nullable=False),
        sa.Column("output_tokens", sa.Numeric(), nullable=False),
        sa.Column("cached_tokens", sa.Numeric(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("workflow", "at", "kind", "model", "price_id", name=op.f("pk_usage_sums")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_usage_sums_price", "usage_sums", ["price_id", "at"], unique=False)
    op.create_table(
        "usage_days",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("price_id", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.Numeric(), nullable=False),
        sa.Column("output_tokens", sa.Numeric(), nullable=False),
        sa.Column("cached_tokens", sa.Numeric(), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("workflow", "day", "kind", "model", "price_id", name=op.f("pk_usage_days")),
    )
    op.create_index("ix_usage_days_day", "usage_days", ["day"], unique=False)
    op.create_table(
        "usage_zones",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_usage_zones")),
    )
    op.create_table(
        "repricings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("old_price", sa.BigInteger(), nullable=False),
        sa.Column("new_price", sa.BigInteger(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("old_cost", sa.Numeric(), nullable=True),
        sa.Column("new_cost", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repricings")),
    )
    op.create_index("ix_repricings_workflow_at", "repricings", ["workflow", "at"], unique=False)
    op.create_table(
        "cap_raises",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("second_by", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'approved', 'refused')", name=op.f("ck_cap_raises_state")),
        sa.CheckConstraint("second_by <> asked_by", name=op.f("ck_cap_raises_two_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cap_raises")),
    )
    op.create_index("ix_cap_raises_workflow", "cap_raises", ["workflow", "period_start"], unique=False)
    op.create_table(
        "allowances",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("said", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_allowances")),
    )
    op.create_table(
        "stop_orders",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("said", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.UUID(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("refused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("action IN ('stop', 'resume')", name=op.f("ck_stop_orders_action")),
        sa.CheckConstraint("state IN ('pending', 'done', 'overtaken')", name=op.f("ck_stop_orders_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_orders")),
    )
    op.create_index("ix_stop_orders_workflow", "stop_orders", ["workflow", sa.text("number DESC")], unique=False)
    op.create_index(
        "ix_stop_orders_pending",
        "stop_orders",
        ["workflow", "not_before"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "bill_lines",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("first_amount", sa.Numeric(), nullable=True),
        sa.Column("input_tokens", sa.Numeric(), nullable=True),
        sa.Column("output_tokens", sa.Numeric(), nullable=True),
        sa.Column("cached_tokens", sa.Numeric(), nullable=True),
        sa.Column("calls", sa.Numeric(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", "project", "model", "item", name=op.f("pk_bill_lines")),
    )
    op.create_index("ix_bill_lines_day", "bill_lines", ["day"], unique=False)
    op.create_table(
        "bill_days",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account", "day", name=op.f("pk_bill_days")),
    )


def downgrade() -> None:
    op.drop_constraint("pk_usage", "usage")
    op.add_column("usage", sa.Column("old_cost", sa.Numeric(precision=20, scale=10), nullable=True))
    for column in ("currency", "price_version", "unpriced_reason"):
        op.add_column("usage", sa.Column(column, sa.Text(), server_default="", nullable=False))
    op.execute(_WITH_PRICES)
    for column in ("details", "price_id", "cost"):
        op.drop_column("usage", column)
    op.alter_column("usage", "old_cost", new_column_name="cost")
    op.create_primary_key("pk_usage", "usage", ["workflow", "kind", "ref", "at"])
    op.create_index("ix_usage_workflow_at", "usage", ["workflow", "at"], unique=False)
    op.drop_table("bill_days")
    op.drop_table("bill_lines")
    op.drop_table("stop_orders")
    op.drop_table("allowances")
    op.drop_table("cap_raises")
    op.drop_table("repricings")
    op.drop_table("usage_zones")
    op.drop_table("usage_days")
    op.drop_table("usage_sums")
    op.drop_table("usage_changes")
    op.drop_table("prices")

"""eval results, judges and offers of cases

Revision: 0002
Follows: 0001
Locks: new tables none; samples, baselines and human_decisions ACCESS EXCLUSIVE for a moment each: columns with a constant default rewrite no row.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_offers",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("case", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="offered", nullable=False),
        sa.Column("offered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(), server_default="", nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('offered', 'accepted', 'declined', 'duplicate')", name=op.f("ck_case_offers_state")
        ),
        sa.PrimaryKeyConstraint("workflow", "key", name=op.f("pk_case_offers")),
    )
    op.create_index("ix_case_offers_state", "case_offers", ["workflow", "state"], unique=False)
    op.create_table(
        "fingerprints",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("fingerprint", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fingerprints")),
    )
    op.create_index(
        "ix_fingerprints_workflow", "fingerprints", ["workflow", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "eval_suites",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("scorers", sa.Text(), nullable=False),
        sa.Column("digests", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workflow", "suite", name=op.f("pk_eval_suites")),
    )
    op.create_table(
        "judgements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("judge", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("label", sa.Boolean(), nullable=True),
        sa.Column("fingerprint", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgements")),
    )
    op.create_index(
        "ix_judgements_workflow_judge",
        "judgements",
        ["workflow", "judge", "subject", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "eval_results",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("verdicts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("rounds", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("slices", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("scorers", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("fingerprint", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("cost", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("latency_p50", sa.Integer(), nullable=True),
        sa.Column("latency_p95", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.Float(), nullable=True),
        sa.Column("alarm", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_eval_results_run_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_eval_results")),
    )
    op.create_index(
        "ix_eval_results_workflow_at", "eval_results", ["workflow", sa.literal_column("at DESC")], unique=False
    )
    op.add_column("baselines", sa.Column("runs", sa.ARRAY(sa.UUID()), server_default="{}", nullable=False))
    op.add_column(
        "baselines",
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "human_decisions",
        sa.Column("corrected", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "samples",
        sa.Column("fingerprint", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column(
        "samples", sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("samples", "details")
    op.drop_column("samples", "fingerprint")
    op.drop_column("human_decisions", "corrected")
    op.drop_column("baselines", "terms")
    op.drop_column("baselines", "runs")
    op.drop_index("ix_eval_results_workflow_at", table_name="eval_results")
    op.drop_table("eval_results")
    op.drop_index("ix_judgements_workflow_judge", table_name="judgements")
    op.drop_table("judgements")
    op.drop_table("eval_suites")
    op.drop_index("ix_fingerprints_workflow", table_name="fingerprints")
    op.drop_table("fingerprints")
    op.drop_index("ix_case_offers_state", table_name="case_offers")
    op.drop_table("case_offers")

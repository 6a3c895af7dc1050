"""release, review queue, spot checks, late rows

Revision: 0003
Follows: 0002
Locks: new tables none; runs, review_items and human_decisions ACCESS EXCLUSIVE for a moment each: columns with a constant default rewrite no row. The indexes hold writes of their table until they are built.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data_md5", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.UUID(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unsure", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("refused", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("effect IN ('released', 'held')", name=op.f("ck_releases_effect")),
        sa.CheckConstraint(
            "state IN ('pending', 'done', 'failed', 'overtaken', 'superseded')", name=op.f("ck_releases_state")
        ),
        sa.PrimaryKeyConstraint("workflow", "key", "number", name=op.f("pk_releases")),
    )
    op.create_index(
        "ix_releases_pending",
        "releases",
        ["workflow", "not_before"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_releases_trouble",
        "releases",
        ["workflow", "done_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('failed', 'overtaken')"),
    )
    op.create_table(
        "seen_values",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("digest", sa.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("repeats", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("workflow", "digest", "key", name=op.f("pk_seen_values")),
    )
    op.create_table(
        "seen_columns",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("columns", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workflow", "columns", name=op.f("pk_seen_columns")),
    )
    op.create_table(
        "reopened_windows",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("judged_by", sa.UUID(), nullable=True),
        sa.Column("corrected_by", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reopened_windows")),
    )
    op.create_index(
        "ix_reopened_windows_open",
        "reopened_windows",
        ["workflow"],
        unique=False,
        postgresql_where=sa.text("corrected_by IS NULL"),
    )
    op.create_index("ix_reopened_windows_run_id", "reopened_windows", ["run_id"], unique=False)
    op.create_table(
        "source_states",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("lost", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("days", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("newest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_source_states")),
    )
    op.create_table(
        "pull_counts",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_pull_counts")),
    )
    op.create_table(
        "spot_check_rates",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("stratum", sa.Text(), nullable=False),
        sa.Column("rate", sa.Numeric(precision=7, scale=6), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workflow", "period", "stratum", name=op.f("pk_spot_check_rates")),
    )
    op.create_table(
        "write_backs",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name=op.f("ck_write_backs_state")),
        sa.PrimaryKeyConstraint("workflow", "key", "decided_at", name=op.f("pk_write_backs")),
    )
    op.create_index(
        "ix_write_backs_pending",
        "write_backs",
        ["workflow", "not_before"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.add_column("human_decisions", sa.Column("origin", sa.Text(), server_default="source", nullable=False))
    op.add_column("human_decisions", sa.Column("decided_by", sa.Text(), server_default="", nullable=False))
    op.add_column("human_decisions", sa.Column("seconds", sa.Numeric(precision=10, scale=3), nullable=True))
    op.create_index("ix_human_decisions_decided", "human_decisions", ["workflow", "decided_at"], unique=False)
    op.add_column("review_items", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_items", sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_items", sa.Column("assigned_to", sa.Text(), server_default="", nullable=False))
    op.add_column("review_items", sa.Column("reserved_by", sa.Text(), server_default="", nullable=False))
    op.add_column("review_items", sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_items", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_items", sa.Column("decided_by", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "ix_review_items_decided",
        "review_items",
        ["decided_at"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NOT NULL"),
    )
    op.create_index(
        "ix_review_items_waiting",
        "review_items",
        ["workflow", "due_at"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.add_column("runs", sa.Column("corrects", sa.UUID(), nullable=True))
    op.create_index(
        "ix_runs_corrects", "runs", ["corrects"], unique=False, postgresql_where=sa.text("corrects IS NOT NULL")
    )
    # What people have decided on already waits for nobody.
    op.execute(
        "UPDATE review_items SET decided_at = first.decided_at FROM (SELECT workflow, key, min(decided_at) AS decided_at "
        "FROM human_decisions GROUP BY workflow, key) AS first "
        "WHERE first.workflow = review_items.workflow AND first.key = review_items.key"
    )
    # A decision of the gate, or the last one of a person on what the gate had held. Where the gate has decided anew, since the
    # output had changed, what people said before was about another output; a first decision of the gate may come after theirs.
    # Production systems read this view: columns may be added, never taken away.
    op.execute(
        "CREATE VIEW released_outputs AS "
        "SELECT gate.workflow, gate.key, gate.at, gate.decided_at AS released_at, gate.reason, gate.data_md5 "
        "FROM gate_decisions AS gate WHERE gate.released "
        "UNION ALL "
        "SELECT gate.workflow, gate.key, gate.at, greatest(gate.decided_at, person.decided_at), person.decision, gate.data_md5 "
        "FROM gate_decisions AS gate CROSS JOIN LATERAL ("
        "SELECT decision, decided_at FROM human_decisions AS one "
        "WHERE one.workflow = gate.workflow AND one.key = gate.key "
        "AND (jsonb_array_length(gate.earlier) = 0 OR one.decided_at >= gate.decided_at) "
        "ORDER BY decided_at DESC LIMIT 1) AS person "
        "WHERE NOT gate.released AND person.decision IN ('accepted', 'corrected')"
    )


def downgrade() -> None:
    op.execute("DROP VIEW released_outputs")
    op.drop_index("ix_runs_corrects", table_name="runs", postgresql_where=sa.text("corrects IS NOT NULL"))
    op.drop_column("runs", "corrects")
    op.drop_index(
        "ix_review_items_decided", table_name="review_items", postgresql_where=sa.text("decided_at IS NOT NULL")
    )
    op.drop_index("ix_review_items_waiting", table_name="review_items", postgresql_where=sa.text("decided_at IS NULL"))
    op.drop_column("review_items", "decided_by")
    op.drop_column("review_items", "decided_at")
    op.drop_column("review_items", "reserved_until")
    op.drop_column("review_items", "reserved_by")
    op.drop_column("review_items", "assigned_to")
    op.drop_column("review_items", "escalated_at")
    op.drop_column("review_items", "due_at")
    op.drop_index("ix_human_decisions_decided", table_name="human_decisions")
    op.drop_column("human_decisions", "seconds")
    op.drop_column("human_decisions", "decided_by")
    op.drop_column("human_decisions", "origin")
    op.drop_index("ix_write_backs_pending", table_name="write_backs", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("write_backs")
    op.drop_table("spot_check_rates")
    op.drop_table("pull_counts")
    op.drop_table("source_states")
    op.drop_index("ix_reopened_windows_run_id", table_name="reopened_windows")
    op.drop_index(
        "ix_reopened_windows_open", table_name="reopened_windows", postgresql_where=sa.text("corrected_by IS NULL")
    )
    op.drop_table("reopened_windows")
    op.drop_table("seen_columns")
    op.drop_table("seen_values")
    op.drop_index(
        "ix_releases_trouble",
        table_name="releases",
        postgresql_where=sa.text("state IN ('failed', 'overtaken')"),
    )
    op.drop_index("ix_releases_pending", table_name="releases", postgresql_where=sa.text("state = 'pending'"))
    op.drop_table("releases")

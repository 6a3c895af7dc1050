"""alerts: states of incidents, what becomes of messages, silences, lanes, heartbeats, failed tasks

Revision: 0005
Follows: 0004
Locks: new columns with constant defaults, no table is written anew; the check of outbox.state is made anew while it is read once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_STATES = "'pending', 'sent', 'dead', 'digest', 'digested', 'silenced', 'suppressed', 'superseded'"


def upgrade() -> None:
    _incidents()
    _outbox()
    _new_tables()


def _time(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _incidents() -> None:
    for column in (
        _time("acknowledged_at"),
        _time("waived_until"),
        _text("waived_by"),
        _text("waived_reason"),
        _text("hangs_on"),
        sa.Column("cause_id", sa.UUID(), nullable=True),
        sa.Column("reopened", sa.Integer(), server_default="0", nullable=False),
        sa.Column("flapping", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("good_runs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("escalation", sa.Integer(), server_default="0", nullable=False),
        _time("escalate_at"),
    ):
        op.add_column("incidents", column)
    op.create_foreign_key("fk_incidents_cause_id", "incidents", "incidents", ["cause_id"], ["id"])
    for name, column, where in (
        ("ix_incidents_hangs_on", "hangs_on", "state <> 'resolved' AND hangs_on <> ''"),
        ("ix_incidents_cause_id", "cause_id", "cause_id IS NOT NULL"),
        ("ix_incidents_escalate_at", "escalate_at", "escalate_at IS NOT NULL"),
        ("ix_incidents_waived_until", "waived_until", "state = 'waived'"),
    ):
        op.create_index(name, "incidents", [column], postgresql_where=sa.text(where))


def _outbox() -> None:
    op.add_column("outbox", _text("target", "slack"))
    op.add_column("outbox", _text("why"))
    op.add_column("outbox", sa.Column("gravity", sa.SmallInteger(), server_default="3", nullable=False))
    op.drop_constraint(op.f("ck_outbox_state"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_state"), "outbox", f"state IN ({_STATES})")
    op.create_index(
        "ix_outbox_lane",
        "outbox",
        ["target", "channel", "gravity", "created_at", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_outbox_digest", "outbox", ["not_before"], postgresql_where=sa.text("state = 'digest'"))
    op.create_index("ix_outbox_silenced", "outbox", ["created_at"], postgresql_where=sa.text("state = 'silenced'"))
    op.execute(
        "UPDATE outbox SET gravity = CASE incidents.severity WHEN 'critical' THEN 0 WHEN 'unknown' THEN 1 WHEN 'warning' THEN 2 "
        "ELSE 3 END FROM incidents WHERE incidents.id = outbox.incident_id AND outbox.state = 'pending'"
    )


def _new_tables() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        _text("workflow"),
        _text("kind"),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("starts_at", nullable=False),
        _time("ends_at", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        _text("ended_by"),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_silences_ends_after_start")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])
    op.create_table(
        "lanes",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        _time("free_at", nullable=False),
        sa.Column("lease", sa.UUID(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        _text("why"),
        _text("to_mend"),
        sa.PrimaryKeyConstraint("target", "channel", name=op.f("pk_lanes")),
    )
    op.create_table(
        "beats",
        sa.Column("name", sa.Text(), nullable=False),
        _time("at", nullable=False),
        sa.Column("every_seconds", sa.Integer(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_beats")),
    )
    op.create_table(
        "task_failures",
        sa.Column("dag_id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        _time("at", nullable=False),
        _text("label"),
        _text("error"),
        sa.Column("workflows", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        _time("over_at"),
        sa.PrimaryKeyConstraint("dag_id", "task_id", "run_id", "map_index", name=op.f("pk_task_failures")),
    )
    op.create_index("ix_task_failures_open", "task_failures", ["at"], postgresql_where=sa.text("over_at IS NULL"))
    op.create_table(
        "taken_requests",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("signature", name=op.f("pk_taken_requests")),
    )
    op.create_index("ix_taken_requests_at", "taken_requests", ["at"])


def downgrade() -> None:
    for table in ("taken_requests", "task_failures", "beats", "lanes", "silences"):
        op.drop_table(table)
    op.drop_index("ix_outbox_silenced", table_name="outbox")
    op.drop_index("ix_outbox_digest", table_name="outbox")
    op.drop_index("ix_outbox_lane", table_name="outbox")
    # What was never meant to be sent is not to be sent by an older version either.
    op.execute("UPDATE outbox SET state = 'dead', error = why WHERE state NOT IN ('pending', 'sent', 'dead')")
    op.drop_constraint(op.f("ck_outbox_state"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_state"), "outbox", "state IN ('pending', 'sent', 'dead')")
    for column in ("gravity", "why", "target"):
        op.drop_column("outbox", column)
    for column in (
        "escalate_at",
        "escalation",
        "good_runs",
        "flapping",
        "reopened",
        "cause_id",
        "hangs_on",
        "waived_reason",
        "waived_by",
        "waived_until",
        "acknowledged_at",
    ):
        op.drop_column("incidents", column)

"""first tables

Revision: 0001
Follows:
Locks: none, the tables are new.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "declarations",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("usable", sa.Boolean(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("problems", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("path", sa.Text(), server_default="", nullable=False),
        sa.Column("first_loaded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workflow", "sha256", name=op.f("pk_declarations")),
    )
    op.create_table(
        "gate_decisions",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("data_md5", sa.Text(), server_default="", nullable=False),
        sa.Column("earlier", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.PrimaryKeyConstraint("workflow", "key", name=op.f("pk_gate_decisions")),
    )
    op.create_index("ix_gate_decisions_run_id", "gate_decisions", ["run_id"], unique=False)
    op.create_index("ix_gate_decisions_workflow_at", "gate_decisions", ["workflow", "at"], unique=False)
    op.create_table(
        "human_decisions",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Numeric(precision=10, scale=3), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("workflow", "key", "decided_at", name=op.f("pk_human_decisions")),
    )
    op.create_table(
        "records",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("pulled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.PrimaryKeyConstraint("workflow", "key", "at", name=op.f("pk_records")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_records_workflow_at", "records", ["workflow", "at"], unique=False)
    op.create_table(
        "review_items",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("discrepancies", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("workflow", "key", name=op.f("pk_review_items")),
    )
    op.create_index("ix_review_items_at", "review_items", ["at", "workflow", "key"], unique=False)
    op.create_index("ix_review_items_run_id", "review_items", ["run_id"], unique=False)
    op.create_index("ix_review_items_workflow_at", "review_items", ["workflow", "at"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("versions", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("trigger", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("verdict IN ('PASS', 'WARN', 'FAIL', 'UNKNOWN')", name=op.f("ck_runs_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_finished", "runs", [sa.literal_column("finished_at DESC"), sa.literal_column("id")], unique=False
    )
    op.create_index(
        "ix_runs_not_passed",
        "runs",
        ["verdict", sa.literal_column("finished_at DESC")],
        unique=False,
        postgresql_where=sa.text("verdict <> 'PASS'"),
    )
    op.create_index(
        "ix_runs_workflow_finished", "runs", ["workflow", sa.literal_column("finished_at DESC"), "id"], unique=False
    )
    op.create_index(
        "ix_runs_workflow_stage", "runs", ["workflow", "stage", sa.literal_column("finished_at DESC")], unique=False
    )
    op.create_table(
        "samples",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("scores", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False),
        sa.Column("usage", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("cost", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("response", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("run_id", "case_id", "epoch", "at", name=op.f("pk_samples")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_table(
        "usage",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.Numeric(precision=20, scale=10), nullable=True),
        sa.Column("currency", sa.Text(), server_default="", nullable=False),
        sa.Column("price_version", sa.Text(), server_default="", nullable=False),
        sa.Column("unpriced_reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("workflow", "kind", "ref", "at", name=op.f("pk_usage")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_usage_workflow_at", "usage", ["workflow", "at"], unique=False)
    op.create_table(
        "watermarks",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("pulled_to", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_watermarks")),
    )
    op.create_table(
        "baselines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_baselines_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baselines")),
    )
    op.create_index(op.f("ix_baselines_workflow"), "baselines", ["workflow"], unique=False)
    op.create_table(
        "current_declarations",
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("usable_sha256", sa.Text(), nullable=True),
        sa.Column("present", sa.Boolean(), server_default="true", nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow", "sha256"],
            ["declarations.workflow", "declarations.sha256"],
            name=op.f("fk_current_declarations_workflow_sha256"),
        ),
        sa.PrimaryKeyConstraint("workflow", name=op.f("pk_current_declarations")),
    )
    op.create_table(
        "findings",
        sa.Column("run_id", sa.UUID(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), server_default="", nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_findings_run_id")),
        sa.PrimaryKeyConstraint("run_id", "fingerprint", name=op.f("pk_findings")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), server_default="", nullable=False),
        sa.Column("occurrences", sa.Integer(), server_default="1", nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'acknowledged', 'waived', 'resolved')", name=op.f("ck_incidents_state")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_incidents_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(
        "ix_incidents_fingerprint", "incidents", ["fingerprint", sa.literal_column("opened_at DESC")], unique=False
    )
    op.create_index("ix_incidents_opened", "incidents", [sa.literal_column("opened_at DESC")], unique=False)
    op.create_index(
        "uq_incidents_unresolved",
        "incidents",
        ["fingerprint"],
        unique=True,
        postgresql_where=sa.text("state <> 'resolved'"),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("figures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("chart", sa.LargeBinary(), nullable=True),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_reports_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    op.create_index("ix_reports_run_id", "reports", ["run_id"], unique=False)
    op.create_index("uq_reports_workflow_week_run", "reports", ["workflow", "week", "run_id"], unique=True)
    op.create_table(
        "incident_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("incident_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("run_id", sa.UUID(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_incident_events_incident_id")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_incident_events_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_events")),
    )
    op.create_index(op.f("ix_incident_events_incident_id"), "incident_events", ["incident_id"], unique=False)
    op.create_index("ix_incident_events_run_id", "incident_events", ["run_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("incident_id", sa.UUID(), nullable=True),
        sa.Column("report_id", sa.UUID(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.UUID(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("transport", sa.Text(), server_default="", nullable=False),
        sa.Column("posted_channel", sa.Text(), server_default="", nullable=False),
        sa.Column("posted_ts", sa.Text(), server_default="", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'sent', 'dead')", name=op.f("ck_outbox_state")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_outbox_incident_id")),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_outbox_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_outbox_dedupe_key")),
    )
    op.create_index("ix_outbox_created", "outbox", [sa.literal_column("created_at DESC"), "id"], unique=False)
    op.create_index("ix_outbox_incident_id", "outbox", ["incident_id"], unique=False)
    op.create_index(
        "ix_outbox_pending", "outbox", ["not_before"], unique=False, postgresql_where=sa.text("state = 'pending'")
    )
    op.create_index("ix_outbox_report_id", "outbox", ["report_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_outbox_report_id", table_name="outbox")
    op.drop_index("ix_outbox_pending", table_name="outbox", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index("ix_outbox_incident_id", table_name="outbox")
    op.drop_index("ix_outbox_created", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_incident_events_run_id", table_name="incident_events")
    op.drop_index(op.f("ix_incident_events_incident_id"), table_name="incident_events")
    op.drop_table("incident_events")
    op.drop_index("uq_reports_workflow_week_run", table_name="reports")
    op.drop_index("ix_reports_run_id", table_name="reports")
    op.drop_table("reports")
    op.drop_index("uq_incidents_unresolved", table_name="incidents", postgresql_where=sa.text("state <> 'resolved'"))
    op.drop_index("ix_incidents_opened", table_name="incidents")
    op.drop_index("ix_incidents_fingerprint", table_name="incidents")
    op.drop_table("incidents")
    op.drop_table("findings")
    op.drop_table("current_declarations")
    op.drop_index(op.f("ix_baselines_workflow"), table_name="baselines")
    op.drop_table("baselines")
    op.drop_table("watermarks")
    op.drop_index("ix_usage_workflow_at", table_name="usage")
    op.drop_table("usage")
    op.drop_table("samples")
    op.drop_index("ix_runs_workflow_stage", table_name="runs")
    op.drop_index("ix_runs_workflow_finished", table_name="runs")
    op.drop_index("ix_runs_not_passed", table_name="runs", postgresql_where=sa.text("verdict <> 'PASS'"))
    op.drop_index("ix_runs_finished", table_name="runs")
    op.drop_table("runs")
    op.drop_index("ix_review_items_workflow_at", table_name="review_items")
    op.drop_index("ix_review_items_run_id", table_name="review_items")
    op.drop_index("ix_review_items_at", table_name="review_items")
    op.drop_table("review_items")
    op.drop_index("ix_records_workflow_at", table_name="records")
    op.drop_table("records")
    op.drop_table("human_decisions")
    op.drop_index("ix_gate_decisions_workflow_at", table_name="gate_decisions")
    op.drop_index("ix_gate_decisions_run_id", table_name="gate_decisions")
    op.drop_table("gate_decisions")
    op.drop_table("declarations")

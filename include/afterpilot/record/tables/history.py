"""What was judged, and what became of it: declarations, runs, findings, incidents, messages and reports."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

# One row for each version of a declaration that was ever loaded, and for each way in which it was broken.
declarations = sa.Table(
    "declarations",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("usable", sa.Boolean, nullable=False),
    json_column("document"),
    json_column("problems", "[]"),
    text_column("path"),
    time_column("first_loaded_at", default_now=True),
)

# Which version each folder holds now; a folder that is gone keeps its last version with present = false.
current_declarations = sa.Table(
    "current_declarations",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("usable_sha256", sa.Text),  # the last version that could be used
    sa.Column("present", sa.Boolean, nullable=False, server_default="true"),
    time_column("loaded_at"),
    sa.ForeignKeyConstraint(["workflow", "sha256"], ["declarations.workflow", "declarations.sha256"]),
)

# Every run that there ever was: where its row is found by its id, and what keeps it from being written twice. Stays when
# retention drops the partition of the run.
run_ids = sa.Table(
    "run_ids",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    time_column("finished_at"),
)

# Nothing looks here by id alone, as every month would have to be searched: afterpilot.record.run_lookup gives the moment too.
# The list of runs reads the indexes alone, which therefore hold all that it filters by.
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", UUID(as_uuid=True), nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    time_column("window_start"),
    time_column("window_end"),
    sa.Column("verdict", sa.Text, nullable=False),
    text_column("summary"),
    json_column("reasons", "[]"),
    json_column("evidence"),
    json_column("versions"),  # declaration, code, model, prompt, cases
    json_column("trigger"),  # origin, run_id, dag_id, task_id, map_index, try_number
    time_column("started_at"),
    time_column("finished_at"),
    sa.Column("corrects", UUID(as_uuid=True)),  # the run whose window came up again: this one stands in its place
    text_column("actor"),  # who started it, as the ledger says: airflow:<dag>, cli
    sa.PrimaryKeyConstraint(
        "finished_at", "id", name="pk_runs", postgresql_include=["workflow", "stage", "verdict", "actor"]
    ),
    sa.CheckConstraint("verdict IN ('PASS', 'WARN', 'FAIL', 'UNKNOWN')", name="verdict"),
    sa.Index("ix_runs_corrects", "corrects", postgresql_where=sa.text("corrects IS NOT NULL")),
    sa.Index(
        "ix_runs_workflow_stage",
        "workflow",
        "stage",
        "finished_at",
        "id",
        postgresql_include=["verdict", "actor"],
    ),
    sa.Index(
        "ix_runs_stage_verdict",
        "stage",
        "verdict",
        "finished_at",
        "id",
        postgresql_include=["workflow", "actor"],
    ),
    sa.Index("ix_runs_actor", "actor", "finished_at", "id", postgresql_include=["workflow", "stage", "verdict"]),
    postgresql_partition_by="RANGE (finished_at)",
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    text_column("about"),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    text_column("detail"),
    json_column("evidence"),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),  # when its run was finished
    postgresql_partition_by="RANGE (at)",
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("title", sa.Text, nullable=False),
    text_column("detail"),
    time_column("opened_at"),
    time_column("last_seen_at"),
    time_column("resolved_at", nullable=True),
    text_column("acknowledged_by"),
    sa.Column("occurrences", sa.Integer, nullable=False, server_default="1"),
    sa.Column("run_id", UUID(as_uuid=True)),  # the run that saw it last
    time_column("acknowledged_at", nullable=True),
    time_column("waived_until", nullable=True),
    text_column("waived_by"),
    text_column("waived_reason"),
    text_column("hangs_on"),  # what it comes from, where others may hang on the same
    sa.Column("cause_id", UUID(as_uuid=True), sa.ForeignKey("incidents.id")),  # the incident that explains it
    sa.Column("reopened", sa.Integer, nullable=False, server_default="0"),
    sa.Column("flapping", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("good_runs", sa.Integer, nullable=False, server_default="0"),  # in a row, while it flaps
    sa.Column("escalation", sa.Integer, nullable=False, server_default="0"),  # 1: the deputy is called, 2: the channel
    time_column("escalate_at", nullable=True),  # when the next step is due unless somebody takes it up
    sa.CheckConstraint("state IN ('open', 'acknowledged', 'waived', 'resolved')", name="state"),
    sa.Index("ix_incidents_hangs_on", "hangs_on", postgresql_where=sa.text("state <> 'resolved' AND hangs_on <> ''")),
    sa.Index("ix_incidents_cause_id", "cause_id", postgresql_where=sa.text("cause_id IS NOT NULL")),
    sa.Index("ix_incidents_escalate_at", "escalate_at", postgresql_where=sa.text("escalate_at IS NOT NULL")),
    sa.Index("ix_incidents_waived_until", "waived_until", postgresql_where=sa.text("state = 'waived'")),
    sa.Index("uq_incidents_unresolved", "fingerprint", unique=True, postgresql_where=sa.text("state <> 'resolved'")),
    sa.Index("ix_incidents_opened", sa.text("opened_at DESC")),
    sa.Index("ix_incidents_workflow", "workflow", "opened_at", "id"),
    sa.Index("ix_incidents_state", "state", "opened_at", "id"),
    sa.Index("ix_incidents_severity", "severity", "opened_at", "id"),
    sa.Index("ix_incidents_fingerprint", "fingerprint", sa.text("opened_at DESC")),
)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("incident_id", UUID(as_uuid=True), sa.ForeignKey("incidents.id"), nullable=False, index=True),
    time_column("at"),
    # opened, seen, changed, gone (a flapping one was not found), reopened, flapping, resolved, acknowledged, waived, explained,
    # unexplained (its cause is over), escalated, answered …
    sa.Column("what", sa.Text, nullable=False),
    text_column("actor"),
    text_column("note"),
    sa.Column("run_id", UUID(as_uuid=True)),
    sa.Index("ix_incident_events_run_id", "run_id"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("dedupe_key", sa.Text, nullable=False, unique=True),  # the same news is never queued twice
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # incident, resolved, weekly, declaration
    sa.Column("incident_id", UUID(as_uuid=True), sa.ForeignKey("incidents.id")),
    sa.Column("report_id", UUID(as_uuid=True), sa.ForeignKey("reports.id")),
    text_column("target", "slack"),  # a declared target; slack: the workspace
    sa.Column("channel", sa.Text, nullable=False),  # the place there
    sa.Column("message", JSONB, nullable=False),  # Message.as_dict()
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),  # afterpilot.domain.alerting.Fate
    text_column("why"),  # it was not sent
    sa.Column(
        "gravity", sa.SmallInteger, nullable=False, server_default="3"
    ),  # 0 goes first: critical, unknown, warning, rest
    time_column("created_at", default_now=True),
    time_column("not_before", default_now=True),
    time_column("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempted", sa.Boolean, nullable=False, server_default="false"),  # a post was begun: reconcile first
    text_column("error"),
    text_column("transport"),
    text_column("posted_channel"),
    text_column("posted_ts"),
    time_column("sent_at", nullable=True),
    sa.CheckConstraint(
        "state IN ('pending', 'sent', 'dead', 'digest', 'digested', 'silenced', 'suppressed', 'superseded')",
        name="state",
    ),
    sa.Index("ix_outbox_pending", "not_before", postgresql_where=sa.text("state = 'pending'")),
    sa.Index(
        "ix_outbox_lane",
        "target",
        "channel",
        "gravity",
        "created_at",
        "id",
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("ix_outbox_digest", "not_before", postgresql_where=sa.text("state = 'digest'")),
    sa.Index("ix_outbox_silenced", "created_at", postgresql_where=sa.text("state = 'silenced'")),
    sa.Index("ix_outbox_incident_id", "incident_id"),
    sa.Index("ix_outbox_created", sa.text("created_at DESC"), "id"),
    sa.Index("ix_outbox_workflow", "workflow", "created_at", "id"),
    sa.Index("ix_outbox_kind", "kind", "created_at", "id"),
    sa.Index("ix_outbox_state", "state", "created_at", "id"),
    sa.Index("ix_outbox_report_id", "report_id"),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True, server_default=sa.text("gen_random_uuid()")),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("week", sa.Date, nullable=False),  # its Monday
    sa.Column("figures", JSONB, nullable=False),
    sa.Column("chart", sa.LargeBinary),  # PNG
    sa.Column("run_id", UUID(as_uuid=True)),
    time_column("created_at", default_now=True),
    sa.Index("uq_reports_workflow_week_run", "workflow", "week", "run_id", unique=True),
    sa.Index("ix_reports_run_id", "run_id"),
)

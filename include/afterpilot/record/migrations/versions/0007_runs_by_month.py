"""runs and findings by month, append-only; the directory of runs by id; who started a run

Revision: 0007
Follows: 0006
Locks: runs and findings are copied, some 35 seconds a million runs, in one transaction. Until it ends they, and the tables whose foreign
keys to runs go (incidents, incident_events, reports, baselines, eval_results), are locked ACCESS EXCLUSIVE, outbox against writes: stop
the DAGs before; pages wait too. One statement may take ten minutes. Where it fails, the database is as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_NAMING = ("incidents", "incident_events", "reports", "baselines", "eval_results")  # tables whose run_id names a run
_COPIED = """
id, workflow, stage, window_start, window_end, verdict, summary, reasons, evidence, versions, trigger, started_at, finished_at, corrects
"""
_FOUND = "run_id, fingerprint, workflow, stage, kind, about, severity, title, detail, evidence"
_RUNS = """
CREATE TABLE {name} (
    id UUID NOT NULL,
    workflow TEXT NOT NULL,
    stage TEXT NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    window_end TIMESTAMPTZ NOT NULL,
    verdict TEXT NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    reasons JSONB DEFAULT '[]' NOT NULL,
    evidence JSONB DEFAULT '{{}}' NOT NULL,
    versions JSONB DEFAULT '{{}}' NOT NULL,
    trigger JSONB DEFAULT '{{}}' NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    corrects UUID,
    {more}
    CONSTRAINT ck_runs_verdict CHECK (verdict IN ('PASS', 'WARN', 'FAIL', 'UNKNOWN'))
) {by}
"""
_FINDINGS = """
CREATE TABLE {name} (
    run_id UUID NOT NULL,
    fingerprint TEXT NOT NULL,
    workflow TEXT NOT NULL,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    about TEXT DEFAULT '' NOT NULL,
    severity TEXT NOT NULL,
    title TEXT NOT NULL,
    detail TEXT DEFAULT '' NOT NULL,
    evidence JSONB DEFAULT '{{}}' NOT NULL,
    {more}
) {by}
"""
_ACTOR = """
concat_ws(':', nullif(trigger->>'origin', ''), nullif(trigger->>'dag_id', ''))
"""


_OF_A_WORKFLOW = {
    "incidents": "opened_at",
    "outbox": "created_at",
}  # lists that owners see their part of, by their time


def upgrade() -> None:
    for table, at in _OF_A_WORKFLOW.items():
        op.create_index(f"ix_{table}_workflow", table, ["workflow", sa.text(f"{at} DESC"), "id"])
    for table in _NAMING:
        op.drop_constraint(f"fk_{table}_run_id", table, type_="foreignkey")
    op.execute("ALTER TABLE findings RENAME TO findings_before")
    op.execute("ALTER TABLE findings_before RENAME CONSTRAINT pk_findings TO pk_findings_before")
    op.execute("ALTER TABLE runs RENAME TO runs_before")
    op.execute("ALTER TABLE runs_before RENAME CONSTRAINT pk_runs TO pk_runs_before")
    for index in ("corrects", "finished", "workflow_stage", "workflow_finished", "not_passed"):
        op.drop_index(f"ix_runs_{index}", table_name="runs_before")
    _new_tables()
    for table, column, source in (("runs", "finished_at", "runs_before"), ("findings", "finished_at", "runs_before")):
        op.execute(
            f"SELECT afterpilot_partition('{table}', month) FROM "  # noqa: S608 - text of the project alone
            f"(SELECT DISTINCT date_trunc('month', {column} AT TIME ZONE 'UTC')::date AS month FROM {source}) AS months"
        )
    op.execute(f"INSERT INTO runs ({_COPIED}, actor) SELECT {_COPIED}, {_ACTOR} FROM runs_before")  # noqa: S608
    op.execute("INSERT INTO run_ids (id, finished_at) SELECT id, finished_at FROM runs_before")
    kept = ", ".join(f"found.{name}" for name in _FOUND.split(", "))
    op.execute(
        f"INSERT INTO findings ({_FOUND}, at) SELECT {kept}, run.finished_at "  # noqa: S608
        "FROM findings_before AS found JOIN runs_before AS run ON run.id = found.run_id"
    )
    op.execute("DROP TABLE findings_before")
    op.execute("DROP TABLE runs_before")
    _indexes()
    for table in ("runs", "findings", "run_ids"):
        op.execute(f"SELECT afterpilot_protect('{table}')")


def _new_tables() -> None:
    op.create_table(
        "run_ids",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run_ids"),
    )
    key = "CONSTRAINT pk_runs PRIMARY KEY (finished_at, id) INCLUDE (workflow, stage, verdict, actor),"
    actor = "actor TEXT DEFAULT '' NOT NULL,"
    op.execute(_RUNS.format(name="runs", more=f"{actor} {key}", by="PARTITION BY RANGE (finished_at)"))
    key = "at TIMESTAMPTZ NOT NULL, CONSTRAINT pk_findings PRIMARY KEY (run_id, fingerprint, at)"
    op.execute(_FINDINGS.format(name="findings", more=key, by="PARTITION BY RANGE (at)"))


def _indexes() -> None:
    for name, columns, more in (
        ("workflow_stage", ["workflow", "stage", "finished_at", "id"], ["verdict", "actor"]),
        ("stage_verdict", ["stage", "verdict", "finished_at", "id"], ["workflow", "actor"]),
        ("actor", ["actor", "finished_at", "id"], ["workflow", "stage", "verdict"]),
    ):
        op.create_index(f"ix_runs_{name}", "runs", columns, postgresql_include=more)
    op.create_index("ix_runs_corrects", "runs", ["corrects"], postgresql_where=sa.text("corrects IS NOT NULL"))


def downgrade() -> None:
    for table in _OF_A_WORKFLOW:
        op.drop_index(f"ix_{table}_workflow", table_name=table)
    op.execute(_RUNS.format(name="runs_after", more="CONSTRAINT pk_runs_after PRIMARY KEY (id),", by=""))
    key = "CONSTRAINT pk_findings_after PRIMARY KEY (run_id, fingerprint)"
    op.execute(_FINDINGS.format(name="findings_after", more=key, by=""))
    op.execute(f"INSERT INTO runs_after ({_COPIED}) SELECT {_COPIED} FROM runs")  # noqa: S608
    op.execute(
        f"INSERT INTO findings_after ({_FOUND}) SELECT {_FOUND} FROM findings "  # noqa: S608
        "WHERE EXISTS (SELECT FROM runs_after WHERE runs_after.id = findings.run_id)"
    )
    for table in ("findings", "runs"):
        op.execute(f"DROP TABLE {table}")
        op.execute(f"ALTER TABLE {table}_after RENAME TO {table}")
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT pk_{table}_after TO pk_{table}")
    op.execute("DROP TABLE run_ids")
    op.create_index("ix_runs_finished", "runs", [sa.text("finished_at DESC"), "id"])
    op.create_index("ix_runs_workflow_stage", "runs", ["workflow", "stage", sa.text("finished_at DESC")])
    op.create_index("ix_runs_workflow_finished", "runs", ["workflow", sa.text("finished_at DESC"), "id"])
    op.create_index("ix_runs_corrects", "runs", ["corrects"], postgresql_where=sa.text("corrects IS NOT NULL"))
    op.create_index(
        "ix_runs_not_passed",
        "runs",
        ["verdict", sa.text("finished_at DESC")],
        postgresql_where=sa.text("verdict <> 'PASS'"),
    )
    op.create_foreign_key("fk_findings_run_id", "findings", "runs", ["run_id"], ["id"])
    for table in _NAMING:  # some may name runs that retention has dropped: what stands is taken as it is
        op.create_foreign_key(f"fk_{table}_run_id", table, "runs", ["run_id"], ["id"], postgresql_not_valid=True)

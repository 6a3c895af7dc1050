"""What evals found: samples, results, suites, judges and approved runs."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from afterpilot.record.tables.base import json_column, metadata, text_column, time_column

samples = sa.Table(
    "samples",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column(
        "at", sa.DateTime(timezone=True), primary_key=True
    ),  # when the eval run began: one partition for each run
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("output", sa.Text),
    text_column("error"),
    sa.Column("passed", sa.Boolean),
    json_column("scores", "[]"),
    json_column("usage"),
    sa.Column("cost", sa.Numeric(20, 10)),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    json_column("request"),
    json_column("response"),
    json_column("fingerprint"),  # what answered: model, system_fingerprint, headers
    json_column("details"),  # tool_calls, sources, calls of scorers, pass_score, what replaced samples cost
    postgresql_partition_by="RANGE (at)",
)

# One row for each eval run that was stored, small enough to be kept for as long as runs are: what the regression alarm, the
# history of a case and the eval page read. ``outcomes`` is {case: [epochs passed, epochs scored]}.
eval_results = sa.Table(
    "eval_results",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    time_column("at"),  # when the run began
    sa.Column("origin", sa.Text, nullable=False),  # schedule, probe, cli
    sa.Column("valid", sa.Boolean, nullable=False),  # at least 95 % of the samples were scored
    sa.Column("suite", sa.Text, nullable=False),  # hash of cases and scorers: runs of one suite can be compared
    sa.Column("cases", sa.Integer, nullable=False),
    sa.Column("passed", sa.Integer, nullable=False),  # cases, of those scored and not waived
    sa.Column("scored", sa.Integer, nullable=False),  # cases, waived ones apart
    json_column("outcomes"),
    json_column(
        "verdicts"
    ),  # {case: passed} where the suite's reducer says otherwise than "all epochs passed"; null: too few scored
    json_column("rounds", "[]"),  # same-day re-runs to confirm: [{case: [passed, scored]}]
    json_column("slices"),  # {tag: {passed, of, share}}
    json_column("scorers"),  # {label: {passed, of, share, mean, advisory}}
    json_column("fingerprint"),  # prompt, cases, declaration, model, answered, data, judges, harness
    sa.Column("cost", sa.Numeric(20, 10)),
    text_column("currency"),
    sa.Column("latency_p50", sa.Integer),  # milliseconds
    sa.Column("latency_p95", sa.Integer),
    sa.Column("evidence", sa.Float),  # of the regression alarm; NULL where it could say nothing
    text_column("alarm"),  # none, watch, alarm, or empty without a baseline
    sa.Index("ix_eval_results_workflow_at", "workflow", sa.text("at DESC")),
)

# What a suite holds, one row for each that was ever run: a digest of each case, so that runs of another suite can be compared
# on the cases that both have.
eval_suites = sa.Table(
    "eval_suites",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("suite", sa.Text, primary_key=True),
    sa.Column("scorers", sa.Text, nullable=False),  # hash of what decides
    json_column("digests"),  # {case: digest}
    time_column("first_seen_at"),
)

# What answers for a workflow, one row for each change: by probes and by runs.
fingerprints = sa.Table(
    "fingerprints",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    json_column("fingerprint"),
    time_column("first_seen_at"),
    time_column("last_seen_at"),
    text_column("error"),  # of the latest probe; empty where it answered
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # probes in a row that nothing answered
    sa.Index("ix_fingerprints_workflow", "workflow", sa.text("id DESC")),
)

# What judges said of answers that people have decided on (label), and of frozen answers (no label).
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("judge", sa.Text, nullable=False),  # judge_sha256
    sa.Column("subject", sa.Text, nullable=False),
    time_column("at"),
    sa.Column("passed", sa.Boolean),
    sa.Column("value", sa.Float),
    text_column("reason"),
    text_column("error"),
    sa.Column("label", sa.Boolean),
    json_column("fingerprint"),
    sa.Index("ix_judgements_workflow_judge", "workflow", "judge", "subject", sa.text("id DESC")),
)

# People's corrections that were offered to the owner as new cases, and what became of each.
case_offers = sa.Table(
    "case_offers",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),  # the record's
    time_column("decided_at"),  # of the correction
    json_column("case"),  # as a line of cases.jsonl
    sa.Column("digest", sa.Text, nullable=False),  # of its question: an equal one is a duplicate
    sa.Column("state", sa.Text, nullable=False, server_default="offered"),  # offered, accepted, declined, duplicate
    time_column("offered_at", default_now=True),
    text_column("decided_by"),  # who accepted or declined it
    text_column("note"),
    time_column("answered_at", nullable=True),  # when it was accepted or declined
    sa.CheckConstraint("state IN ('offered', 'accepted', 'declined', 'duplicate')", name="state"),
    sa.Index("ix_case_offers_state", "workflow", "state"),
)

# The eval runs that a person approved as those to compare with: the one, and earlier ones of the same suite with it.
baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False, index=True),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),
    sa.Column("approved_by", sa.Text, nullable=False),
    time_column("approved_at", default_now=True),
    text_column("note"),
    sa.Column(
        "runs", sa.ARRAY(UUID(as_uuid=True)), nullable=False, server_default="{}"
    ),  # oldest first, run_id the last
    json_column("terms"),  # what the alarm is told, fixed here; empty for what was approved before it was kept
)

"""The tables of the ops database.

``records``, ``usage``, ``usage_sums`` and ``samples`` grow without bound: they are partitioned by month on ``at`` (see
:mod:`afterpilot.record.partitions`). Times are aware UTC. Money is NUMERIC with its currency beside it; NULL cost means
unknown, never 0.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_now = sa.text("now()")


def _time(name: str, *, nullable: bool = False, default_now: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=_now if default_now else None)


def _json(name: str, default: str = "{}") -> sa.Column[Any]:
    return sa.Column(name, JSONB, nullable=False, server_default=default)


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


# One row for each version of a declaration that was ever loaded, and for each way in which it was broken.
declarations = sa.Table(
    "declarations",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("usable", sa.Boolean, nullable=False),
    _json("document"),
    _json("problems", "[]"),
    _text("path"),
    _time("first_loaded_at", default_now=True),
)

# Which version each folder holds now; a folder that is gone keeps its last version with present = false.
current_declarations = sa.Table(
    "current_declarations",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("usable_sha256", sa.Text),  # the last version that could be used
    sa.Column("present", sa.Boolean, nullable=False, server_default="true"),
    _time("loaded_at"),
    sa.ForeignKeyConstraint(["workflow", "sha256"], ["declarations.workflow", "declarations.sha256"]),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    _time("window_start"),
    _time("window_end"),
    sa.Column("verdict", sa.Text, nullable=False),
    _text("summary"),
    _json("reasons", "[]"),
    _json("evidence"),
    _json("versions"),  # declaration, code, model, prompt, cases
    _json("trigger"),  # origin, run_id, dag_id, task_id, map_index, try_number
    _time("started_at"),
    _time("finished_at"),
    sa.Column("corrects", UUID(as_uuid=True)),  # the run whose window came up again: this one stands in its place
    sa.CheckConstraint("verdict IN ('PASS', 'WARN', 'FAIL', 'UNKNOWN')", name="verdict"),
    sa.Index("ix_runs_corrects", "corrects", postgresql_where=sa.text("corrects IS NOT NULL")),
    sa.Index("ix_runs_finished", sa.text("finished_at DESC"), sa.text("id")),
    sa.Index("ix_runs_workflow_stage", "workflow", "stage", sa.text("finished_at DESC")),
    sa.Index("ix_runs_workflow_finished", "workflow", sa.text("finished_at DESC"), "id"),
    sa.Index(
        "ix_runs_not_passed", "verdict", sa.text("finished_at DESC"), postgresql_where=sa.text("verdict <> 'PASS'")
    ),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    _text("about"),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    _text("detail"),
    _json("evidence"),
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
    _text("detail"),
    _time("opened_at"),
    _time("last_seen_at"),
    _time("resolved_at", nullable=True),
    _text("acknowledged_by"),
    sa.Column("occurrences", sa.Integer, nullable=False, server_default="1"),
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id")),  # the run that saw it last
    sa.CheckConstraint("state IN ('open', 'acknowledged', 'waived', 'resolved')", name="state"),
    sa.Index("uq_incidents_unresolved", "fingerprint", unique=True, postgresql_where=sa.text("state <> 'resolved'")),
    sa.Index("ix_incidents_opened", sa.text("opened_at DESC")),
    sa.Index("ix_incidents_fingerprint", "fingerprint", sa.text("opened_at DESC")),
)

incident_events = sa.Table(
    "incident_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("incident_id", UUID(as_uuid=True), sa.ForeignKey("incidents.id"), nullable=False, index=True),
    _time("at"),
    sa.Column("what", sa.Text, nullable=False),  # opened, seen, changed, resolved, notified
    _text("actor"),
    _text("note"),
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id")),
    sa.Index("ix_incident_events_run_id", "run_id"),
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    _json("data"),
    _time("pulled_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True)),  # the pull that wrote it last
    sa.Index("ix_records_workflow_at", "workflow", "at"),
    postgresql_partition_by="RANGE (at)",
)

# One row for each production record (kind "production", ref = record key), eval sample (kind "eval"), and question of a scorer to
# a judge or for embeddings (kind "judge") that made a call. In the order of time: a quarter of an hour is one stretch of the index, and new calls come at its end.
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True),
    _text("model"),
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
    _text("model"),
    _text("source"),
    _text("currency"),
    _text("reason"),
    _text("tier"),
    _text("region"),
    _text("provider"),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    sa.Column("from_input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("to_input_tokens", sa.BigInteger),
    _json("rates"),  # sort → amount for one unit, as text
    _text("note"),
    _time("first_used_at", default_now=True),
)

# Which quarters of an hour have calls that were written or changed since they were summed. Only ever added to and taken from:
# writers never wait for each other here.
usage_changes = sa.Table(
    "usage_changes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    _time("quarter"),
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
    _time("at", default_now=True),
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
    _time("period_start"),
    _time("period_end"),
    sa.Column("amount", sa.Numeric, nullable=False),  # the cap from now on, until the period ends
    sa.Column("currency", sa.Text, nullable=False),
    _text("reason"),
    _text("state", "pending"),  # pending: a second person is needed; approved; refused
    sa.Column("asked_by", sa.Text, nullable=False),
    _time("asked_at", default_now=True),
    _text("second_by"),
    _time("decided_at", nullable=True),
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
    _text("reason"),
    _json("said"),  # caps, stopped models, on_unknown, whom a stop is told: see record/allowances.py
    _time("since"),
    _time("as_of"),  # up to when the spend was looked at
    _time("until", nullable=True),  # when a stop ends by itself: the period's end
)

# Orders to stop or to go on, for call-backs and gateways: done once each, tried until they are.
stop_orders = sa.Table(
    "stop_orders",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),  # their order
    sa.Column("workflow", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    _json("target"),  # whom it goes to, as declared when it was given
    _json("said"),  # reason, until, models
    _text("state", "pending"),
    _time("created_at", default_now=True),
    _time("not_before", default_now=True),
    _time("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _text("error"),
    sa.Column("refused", sa.Boolean, nullable=False, server_default="false"),  # somebody must mend something first
    _time("done_at", nullable=True),
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
    _time("first_seen_at", default_now=True),
    _time("changed_at", default_now=True),
    sa.Index("ix_bill_lines_day", "day"),
)

# Which days of an account were read, and when last: a day without lines cost nothing only if it was read.
bill_days = sa.Table(
    "bill_days",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    _time("read_at", default_now=True),
)

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
    _text("error"),
    sa.Column("passed", sa.Boolean),
    _json("scores", "[]"),
    _json("usage"),
    sa.Column("cost", sa.Numeric(20, 10)),
    sa.Column("latency_ms", sa.Integer),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _json("request"),
    _json("response"),
    _json("fingerprint"),  # what answered: model, system_fingerprint, headers
    _json("details"),  # tool_calls, sources, calls of scorers, pass_score, what replaced samples cost
    postgresql_partition_by="RANGE (at)",
)

# One row for each eval run that was stored, small enough to be kept for as long as runs are: what the regression alarm, the
# history of a case and the eval page read. ``outcomes`` is {case: [epochs passed, epochs scored]}.
eval_results = sa.Table(
    "eval_results",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    _time("at"),  # when the run began
    sa.Column("origin", sa.Text, nullable=False),  # schedule, probe, cli
    sa.Column("valid", sa.Boolean, nullable=False),  # at least 95 % of the samples were scored
    sa.Column("suite", sa.Text, nullable=False),  # hash of cases and scorers: runs of one suite can be compared
    sa.Column("cases", sa.Integer, nullable=False),
    sa.Column("passed", sa.Integer, nullable=False),  # cases, of those scored and not waived
    sa.Column("scored", sa.Integer, nullable=False),  # cases, waived ones apart
    _json("outcomes"),
    _json(
        "verdicts"
    ),  # {case: passed} where the suite's reducer says otherwise than "all epochs passed"; null: too few scored
    _json("rounds", "[]"),  # same-day re-runs to confirm: [{case: [passed, scored]}]
    _json("slices"),  # {tag: {passed, of, share}}
    _json("scorers"),  # {label: {passed, of, share, mean, advisory}}
    _json("fingerprint"),  # prompt, cases, declaration, model, answered, data, judges, harness
    sa.Column("cost", sa.Numeric(20, 10)),
    _text("currency"),
    sa.Column("latency_p50", sa.Integer),  # milliseconds
    sa.Column("latency_p95", sa.Integer),
    sa.Column("evidence", sa.Float),  # of the regression alarm; NULL where it could say nothing
    _text("alarm"),  # none, watch, alarm, or empty without a baseline
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
    _json("digests"),  # {case: digest}
    _time("first_seen_at"),
)

# What answers for a workflow, one row for each change: by probes and by runs.
fingerprints = sa.Table(
    "fingerprints",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    _json("fingerprint"),
    _time("first_seen_at"),
    _time("last_seen_at"),
    _text("error"),  # of the latest probe; empty where it answered
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
    _time("at"),
    sa.Column("passed", sa.Boolean),
    sa.Column("value", sa.Float),
    _text("reason"),
    _text("error"),
    sa.Column("label", sa.Boolean),
    _json("fingerprint"),
    sa.Index("ix_judgements_workflow_judge", "workflow", "judge", "subject", sa.text("id DESC")),
)

# People's corrections that were offered to the owner as new cases, and what became of each.
case_offers = sa.Table(
    "case_offers",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),  # the record's
    _time("decided_at"),  # of the correction
    _json("case"),  # as a line of cases.jsonl
    sa.Column("digest", sa.Text, nullable=False),  # of its question: an equal one is a duplicate
    sa.Column("state", sa.Text, nullable=False, server_default="offered"),  # offered, accepted, declined, duplicate
    _time("offered_at", default_now=True),
    _text("decided_by"),  # who accepted or declined it
    _text("note"),
    _time("answered_at", nullable=True),  # when it was accepted or declined
    sa.CheckConstraint("state IN ('offered', 'accepted', 'declined', 'duplicate')", name="state"),
    sa.Index("ix_case_offers_state", "workflow", "state"),
)

# The eval runs that a person approved as those to compare with: the one, and earlier ones of the same suite with it.
baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False, index=True),
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("approved_by", sa.Text, nullable=False),
    _time("approved_at", default_now=True),
    _text("note"),
    sa.Column(
        "runs", sa.ARRAY(UUID(as_uuid=True)), nullable=False, server_default="{}"
    ),  # oldest first, run_id the last
    _json("terms"),  # what the alarm is told, fixed here; empty for what was approved before it was kept
)

# What the gate decided on each output. An output that was released and then changed at its source is decided again; what
# went to a person stays with that person.
gate_decisions = sa.Table(
    "gate_decisions",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _time("at"),  # the record's time
    sa.Column("released", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),  # passed, failed_check, spot_check
    _time("decided_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # written while that run is still under way
    _text("data_md5"),  # of the data that was judged, as PostgreSQL writes it
    _json(
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
    _time("at"),  # the record's time
    sa.Column("reason", sa.Text, nullable=False),  # failed_check, spot_check
    _json("discrepancies", "[]"),  # [{check, field, said, expected, source, text}]
    _time("opened_at", default_now=True),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # written while that run is still under way
    _time("due_at", nullable=True),
    _time("escalated_at", nullable=True),  # when the deputy was asked
    _text("assigned_to"),
    _text("reserved_by"),
    _time("reserved_until", nullable=True),
    _time("decided_at", nullable=True),  # set once, by who decided first
    _text("decided_by"),
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
    _text("note"),
    _json("corrected"),  # what the output should have been, by field
    _text("origin", "source"),  # source, review
    _text("decided_by"),
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
    _time("at"),  # the record's time
    sa.Column("effect", sa.Text, nullable=False),  # released, held
    _text("reason"),  # passed, failed_check, spot_check; accepted, corrected: by a person
    _time("decided_at", default_now=True),
    _text(
        "state", "pending"
    ),  # pending, done, failed, overtaken (production had moved on), superseded (by a later one)
    _time("not_before", default_now=True),
    _time("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "unsure", sa.Boolean, nullable=False, server_default="false"
    ),  # an attempt may have got through unnoticed
    sa.Column("refused", sa.Boolean, nullable=False, server_default="false"),  # somebody has to mend something first
    _text("error"),
    _time("done_at", nullable=True),  # when it was done, or given up
    sa.CheckConstraint("effect IN ('released', 'held')", name="effect"),
    sa.CheckConstraint("state IN ('pending', 'done', 'failed', 'overtaken', 'superseded')", name="state"),
    sa.Index("ix_releases_pending", "workflow", "not_before", postgresql_where=sa.text("state = 'pending'")),
    sa.Index(
        "ix_releases_trouble", "workflow", "done_at", postgresql_where=sa.text("state IN ('failed', 'overtaken')")
    ),
)

# What records have said before, for the check not_seen_before: found without reading the records.
seen_values = sa.Table(
    "seen_values",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("digest", UUID(as_uuid=True), primary_key=True),  # MD5 of the columns' names and their plain values
    sa.Column("key", sa.Text, primary_key=True),
    _text("repeats"),  # the key of the record that it was found to repeat
)

# For which columns seen_values holds all earlier records of a workflow.
seen_columns = sa.Table(
    "seen_columns",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("columns", sa.ARRAY(sa.Text), primary_key=True),
    _time("filled_at", default_now=True),
)

# Decisions of the review queue that flow back to the source, each exactly once.
write_backs = sa.Table(
    "write_backs",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("decided_at", sa.DateTime(timezone=True), primary_key=True),
    _text("state", "pending"),  # pending, done, failed
    _time("not_before", default_now=True),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _text("error"),
    _time("done_at", nullable=True),
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
    _time("since", nullable=True),  # in the first period: what was made before has no chance
    _time("set_at", default_now=True),
)

# What a source looked like when it was read last: a column that goes, a type that changes and rows that vanish are noticed.
source_states = sa.Table(
    "source_states",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    _json("columns"),  # {column: {type, declared}}, as they were when they were declared so
    _json("lost"),  # {column: since}: declared columns that are gone, and from when on rows lack them
    _json("days"),  # {day: {rows, kept}}, of the days that were counted last: at the source and on record
    _time("newest_at", nullable=True),
    _time("seen_at"),
)

# What the attempts of a pull that is under way have written: an attempt that was killed is counted by the one that goes on.
pull_counts = sa.Table(
    "pull_counts",
    metadata,
    sa.Column("run_id", UUID(as_uuid=True), primary_key=True),
    _json("counts"),  # {what: how many}
    _time("changed_at", default_now=True),
)

# Windows that were judged already when rows of them came late or changed, until their checks and reports are corrected.
reopened_windows = sa.Table(
    "reopened_windows",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("workflow", sa.Text, nullable=False),
    _time("window_start"),
    _time("window_end"),
    sa.Column("rows", sa.Integer, nullable=False),  # that came late or changed
    _time("noticed_at"),
    sa.Column("run_id", UUID(as_uuid=True), nullable=False),  # the pull that noticed
    sa.Column("judged_by", UUID(as_uuid=True)),  # the check whose verdict is in question
    sa.Column("corrected_by", UUID(as_uuid=True)),  # the check that judged the window again
    sa.Index("ix_reopened_windows_open", "workflow", postgresql_where=sa.text("corrected_by IS NULL")),
    sa.Index("ix_reopened_windows_run_id", "run_id"),
)

# Up to which moment a source has been pulled.
watermarks = sa.Table(
    "watermarks",
    metadata,
    sa.Column("workflow", sa.Text, primary_key=True),
    _time("pulled_to"),
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
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("message", JSONB, nullable=False),  # Message.as_dict()
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),  # pending, sent, dead
    _time("created_at", default_now=True),
    _time("not_before", default_now=True),
    _time("leased_until", nullable=True),
    sa.Column("lease", UUID(as_uuid=True)),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempted", sa.Boolean, nullable=False, server_default="false"),  # a post was begun: reconcile first
    _text("error"),
    _text("transport"),
    _text("posted_channel"),
    _text("posted_ts"),
    _time("sent_at", nullable=True),
    sa.CheckConstraint("state IN ('pending', 'sent', 'dead')", name="state"),
    sa.Index("ix_outbox_pending", "not_before", postgresql_where=sa.text("state = 'pending'")),
    sa.Index("ix_outbox_incident_id", "incident_id"),
    sa.Index("ix_outbox_created", sa.text("created_at DESC"), "id"),
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
    sa.Column("run_id", UUID(as_uuid=True), sa.ForeignKey("runs.id")),
    _time("created_at", default_now=True),
    sa.Index("uq_reports_workflow_week_run", "workflow", "week", "run_id", unique=True),
    sa.Index("ix_reports_run_id", "run_id"),
)

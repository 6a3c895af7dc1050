"""Runs: the list, one run, and what was found, decided and touched in it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch, moment, one_row, run_id
from afterpilot.record.run_lookup import finished_at, found_by, is_run
from afterpilot.record.tables import (
    baselines,
    findings,
    gate_decisions,
    incident_events,
    incidents,
    outbox,
    reopened_windows,
    reports,
    runs,
)

MOST = 200


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: empty text or None means any. ``since`` ≤ finished_at < ``until``."""

    workflow: str = ""
    stage: str = ""
    verdict: str = ""
    since: datetime | None = None
    until: datetime | None = None


_ORDER = (Key("finished_at", runs.c.finished_at, moment, newest_first=True), Key("id", runs.c.id, run_id))
_BRIEF = (
    runs.c.id,
    runs.c.workflow,
    runs.c.stage,
    runs.c.window_start,
    runs.c.window_end,
    runs.c.verdict,
    runs.c.summary,
    runs.c.finished_at,
    runs.c.corrects,
)
_CORRECTION = runs.alias("correction")
_IS_CORRECTED = sa.exists().where(_CORRECTION.c.corrects == runs.c.id)


def list_runs(connection: sa.Connection, wanted: RunFilter, *, after: str = "", limit: int = 50) -> Page:
    """Runs, newest first, without their evidence; ``corrected`` says that another one stands in the place of a run.

    Raises ValueError for a cursor that is none.
    """
    statement = sa.select(*_BRIEF, _IS_CORRECTED.label("corrected"))
    for column, value in (
        (runs.c.workflow, wanted.workflow),
        (runs.c.stage, wanted.stage),
        (runs.c.verdict, wanted.verdict),
    ):
        if value:
            statement = statement.where(column == value)
    if wanted.since is not None:
        statement = statement.where(runs.c.finished_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(runs.c.finished_at < wanted.until)
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_run(connection: sa.Connection, which: uuid.UUID) -> Row | None:
    """A run with everything that stands in its row."""
    return one_row(connection, sa.select(runs).where(is_run(which)))


def corrections(connection: sa.Connection, run: Row) -> Sequence[Row]:
    """The run that first said what this one says and all its corrections, oldest first; empty where there is none."""
    first = run["corrects"] or run["id"]
    since = finished_at(first)
    either = sa.union_all(
        sa.select(*_BRIEF).where(is_run(first)),
        sa.select(*_BRIEF).where(runs.c.corrects == first, runs.c.finished_at >= since),
    ).subquery()
    found = all_rows(connection, sa.select(either).order_by(either.c.finished_at, either.c.id).limit(MOST))
    return found if len(found) > 1 else ()


def reopened_by(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """The windows that a pull has opened again, oldest first, with the check that judged each and the one that did it again."""
    statement = sa.select(reopened_windows).where(reopened_windows.c.run_id == which)
    return all_rows(connection, statement.order_by(reopened_windows.c.window_start).limit(MOST))


def findings_of(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """The findings of a run, gravest first."""
    gravity = sa.case({"critical": 0, "unknown": 1, "warning": 2}, value=findings.c.severity, else_=3)
    statement = sa.select(findings).where(found_by(which)).order_by(gravity, findings.c.fingerprint)
    return all_rows(connection, statement.limit(MOST))


def gate_counts(connection: sa.Connection, workflow: str, which: uuid.UUID) -> Row:
    """What the gate decided in a run: ``released``, ``routed``, and ``spot_checked`` among the released."""
    count = sa.func.count()
    statement = sa.select(
        count.filter(gate_decisions.c.released).label("released"),
        count.filter(~gate_decisions.c.released).label("routed"),
        count.filter(gate_decisions.c.reason == "spot_check").label("spot_checked"),
    ).where(gate_decisions.c.workflow == workflow, gate_decisions.c.run_id == which)
    return one_row(connection, statement) or {}


def incidents_of(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """Incidents that a run opened, saw again or resolved, with what it did (``what``) in the order in which it did it."""
    statement = (
        sa.select(incidents, incident_events.c.what, incident_events.c.at)
        .join(incident_events, incident_events.c.incident_id == incidents.c.id)
        .where(incident_events.c.run_id == which)
        .order_by(incident_events.c.id)
    )
    return all_rows(connection, statement.limit(MOST))


def messages_about(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """Messages about the incidents that a run touched and the reports that it made, newest first."""
    touched = sa.select(incident_events.c.incident_id).where(incident_events.c.run_id == which)
    made = sa.select(reports.c.id).where(reports.c.run_id == which)
    statement = (
        sa.select(outbox)
        .where(sa.or_(outbox.c.incident_id.in_(touched), outbox.c.report_id.in_(made)))
        .order_by(outbox.c.created_at.desc(), outbox.c.id)
    )
    return all_rows(connection, statement.limit(20))


def approvals_as_baseline(connection: sa.Connection, which: uuid.UUID, workflow: str) -> Sequence[Row]:
    """Who approved this eval run as the one to compare with, and when."""
    statement = (
        sa.select(baselines)
        .where(baselines.c.workflow == workflow, baselines.c.run_id == which)
        .order_by(baselines.c.id.desc())
    )
    return all_rows(connection, statement.limit(20))


def chart(connection: sa.Connection, report: uuid.UUID, *, only: Only = None) -> bytes | None:
    """The picture of a report (PNG), or None."""
    row = one_row(connection, sa.select(reports.c.chart).where(reports.c.id == report, among(reports.c.workflow, only)))
    return bytes(row["chart"]) if row is not None and row["chart"] is not None else None

"""Runs: the list, one run, and what was found, decided and touched in it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.record.history.looking import MOST as MOST_LOOKED
from afterpilot.record.history.looking import Place, look
from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, all_rows, cursor, moment, one_row, place, run_id
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
    """Which runs: empty text or None means any. ``since`` ≤ finished_at < ``until``; ``only`` of these workflows."""

    workflow: str = ""
    stage: str = ""
    verdict: str = ""
    actor: str = ""  # who started it: airflow:<dag>, cli
    since: datetime | None = None
    until: datetime | None = None
    only: frozenset[str] | None = None

    @property
    def allowed(self) -> Mapping[str, Sequence[str]]:
        """The values that are asked for in each column that is not free."""
        asked = {name: getattr(self, name) for name in ("workflow", "stage", "verdict", "actor")}
        found: dict[str, Sequence[str]] = {name: [value] for name, value in asked.items() if value}
        if self.only is not None:
            found["workflow"] = sorted(self.only & {self.workflow} if self.workflow else self.only)
        return found


_KEYS = (Key("finished_at", runs.c.finished_at, moment, newest_first=True), Key("id", runs.c.id, run_id))
_NEWEST = Place(datetime.max.replace(tzinfo=UTC), uuid.UUID(int=0))
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
    runs.c.actor,
)
_WHOLE = (*_BRIEF, runs.c.started_at, runs.c.reasons, runs.c.versions, runs.c.trigger)  # of the evidence nothing


def list_runs(
    connection: sa.Connection,
    wanted: RunFilter,
    *,
    after: str = "",
    limit: int = 50,
    whole: bool = False,
    most: int = MOST_LOOKED,
) -> Page:
    """Runs, newest first, without their evidence; ``corrected`` says that another one stands in the place of a run.

    A look reads no more index entries than ``most`` and may end before the page is full; the page says so. ``whole`` adds reasons,
    versions and trigger. Raises ValueError for a cursor that is none.
    """
    start = Place(*place(after, _KEYS)) if after else _NEWEST
    if wanted.until is not None:
        start = min(start, Place(wanted.until, uuid.UUID(int=0)))
    if "workflow" in wanted.allowed and not wanted.allowed["workflow"]:
        return Page(())
    looked = look(connection, wanted.allowed, since=wanted.since, start=start, wanted=limit + 1, most=most)
    rows = _at(connection, looked.found[:limit], _WHOLE if whole else _BRIEF)
    if len(looked.found) > limit:
        return Page(rows, cursor(rows[-1], _KEYS))
    if looked.stopped is None:
        return Page(rows)
    stopped = {"finished_at": looked.stopped.finished_at, "id": looked.stopped.id}
    return Page(rows, cursor(stopped, _KEYS), looked_to=looked.stopped.finished_at)


def _at(connection: sa.Connection, places: Sequence[Place], columns: Sequence[sa.ColumnElement[Any]]) -> Sequence[Row]:
    """The runs at these places, in their order."""
    if not places:
        return ()
    # The bounds stand in the text, so that only the partitions between them are planned for.
    newest, oldest = (sa.literal(at.finished_at, literal_execute=True) for at in (places[0], places[-1]))
    at = sa.values(sa.column("at", sa.DateTime(timezone=True)), sa.column("run", sa.UUID), name="at")
    at = at.data([(one.finished_at, one.id) for one in places])
    here = sa.and_(runs.c.finished_at == at.c.at, runs.c.id == at.c.run)
    statement = sa.select(*columns).join(at, here).where(runs.c.finished_at.between(oldest, newest))
    rows = {row["id"]: row for row in all_rows(connection, statement)}
    again = sa.select(runs.c.corrects).where(runs.c.corrects.in_(list(rows)), runs.c.finished_at >= oldest)
    corrected = set(connection.scalars(again))
    return [{**rows[one.id], "corrected": one.id in corrected} for one in places]


def actors(connection: sa.Connection, *, limit: int = 50) -> Sequence[str]:
    """Who has started runs, by name, for the suggestions of a filter: each is found by one step in the index."""
    return list(connection.scalars(sa.text(_ACTORS), {"limit": limit}))


_ACTORS = """
WITH RECURSIVE known(actor) AS (
  SELECT min(actor) FROM runs UNION ALL SELECT (SELECT min(actor) FROM runs WHERE runs.actor > known.actor) FROM known
  WHERE known.actor IS NOT NULL
) SELECT actor FROM known WHERE actor <> '' LIMIT :limit
"""


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

"""Where what incidents have found still stands: no later run over the same window has looked and missed it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from afterpilot.domain.incident import IncidentState
from afterpilot.domain.window import Window
from afterpilot.record.run_lookup import is_run
from afterpilot.record.tables import findings, incident_events, incidents, runs

_UNSURE = ("quality.no_rows", "quality.could_not_run")  # findings of checks that could not say
_SEEN = ("opened", "seen", "changed", "reopened")  # events of runs that found it


def failing_windows(connection: sa.Connection, workflow: str) -> Mapping[uuid.UUID, Sequence[Window]]:
    """By open incident of the check, the windows whose records failed and that no later check has judged again without
    finding it: its trouble is not over there, whatever newer records say.
    """
    found = runs
    ended = incident_events.alias("ended")
    last_end = (
        sa.select(sa.func.max(ended.c.id))
        .where(ended.c.incident_id == incidents.c.id, ended.c.what == "resolved")
        .scalar_subquery()
    )
    statement = (
        sa.select(incidents.c.id, found.c.window_start, found.c.window_end)
        .distinct()
        .select_from(incidents)
        .join(incident_events, incident_events.c.incident_id == incidents.c.id)
        .join(found, is_run(incident_events.c.run_id))
        .join(findings, _finding_of(found) & (findings.c.fingerprint == incidents.c.fingerprint))
        .where(
            incidents.c.workflow == workflow,
            incidents.c.state != IncidentState.RESOLVED,
            incidents.c.stage == "check",
            incident_events.c.what.in_(_SEEN),
            incident_events.c.id > sa.func.coalesce(last_end, 0),
            sa.func.jsonb_array_length(sa.func.coalesce(findings.c.evidence["failing_keys"], sa.text("'[]'"))) > 0,
            ~_judged_again(found),
        )
        .order_by(found.c.window_start)
    )
    windows: dict[uuid.UUID, list[Window]] = {}
    for row in connection.execute(statement):
        windows.setdefault(row.id, []).append(Window(row.window_start, row.window_end))
    return windows


def unmended(connection: sa.Connection, workflow: str) -> Collection[uuid.UUID]:
    """The incidents that are not over and whose last sighting stands: no later run over its window has missed it."""
    statement = (
        sa.select(incidents.c.id)
        .select_from(incidents)
        .join(runs, is_run(incidents.c.run_id))
        .join(findings, _finding_of(runs) & (findings.c.fingerprint == incidents.c.fingerprint))
        .where(incidents.c.workflow == workflow, incidents.c.state != IncidentState.RESOLVED, ~_judged_again(runs))
    )
    return set(connection.scalars(statement))


def _finding_of(run: sa.FromClause, finding: sa.FromClause = findings) -> sa.ColumnElement[bool]:
    return sa.and_(finding.c.run_id == run.c.id, finding.c.at == run.c.finished_at)


def _judged_again(found: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a later run over the window of ``found`` could look for what it found (``findings``), and did not find it."""
    later, other = runs.alias("later"), findings.alias("other")
    unsure = other.c.kind.in_(_UNSURE) | ((other.c.kind == findings.c.kind) & (other.c.severity == "unknown"))
    return sa.exists().where(
        later.c.workflow == found.c.workflow,
        later.c.stage == found.c.stage,
        later.c.finished_at > found.c.finished_at,
        later.c.window_start <= found.c.window_start,
        later.c.window_end >= found.c.window_end,
        later.c.evidence["ran"].astext.is_distinct_from("false"),
        ~sa.exists().where(_finding_of(later, other), (other.c.fingerprint == findings.c.fingerprint) | unsure),
    )

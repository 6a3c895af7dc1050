"""Incidents: findings with one fingerprint over time."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.window import Window
from afterpilot.record.tables import findings, incident_events, incidents, runs

_UNSURE = ("quality.no_rows", "quality.could_not_run")  # findings of checks that could not say


class Incidents:
    """The incidents of all workflows, and their time lines."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def unresolved(self, workflow: str | None = None) -> Sequence[Incident]:
        """Incidents that are not over, oldest first; of one workflow or of all."""
        statement = (
            sa.select(incidents).where(incidents.c.state != IncidentState.RESOLVED).order_by(incidents.c.opened_at)
        )
        if workflow is not None:
            statement = statement.where(incidents.c.workflow == workflow)
        return [_incident(row) for row in self._connection.execute(statement)]

    def standing(self, stage: str) -> Sequence[tuple[str, str, str]]:
        """The incidents of a stage that are not over, of all workflows: slug, kind, and what each is about, as it was found."""
        statement = (
            sa.select(incidents.c.workflow, incidents.c.kind, findings.c.about)
            .distinct()
            .join(
                findings,
                (findings.c.run_id == incidents.c.run_id) & (findings.c.fingerprint == incidents.c.fingerprint),
            )
            .where(incidents.c.state != IncidentState.RESOLVED, incidents.c.stage == stage)
        )
        return [(row.workflow, row.kind, row.about) for row in self._connection.execute(statement)]

    def failing_windows(self, workflow: str) -> Mapping[uuid.UUID, Sequence[Window]]:
        """By open incident of the check, the windows whose records failed and that no later check has judged again without
        finding it: its trouble is not over there, whatever newer records say.
        """
        found, later, other = runs, runs.alias("later"), findings.alias("other")
        unsure = other.c.kind.in_(_UNSURE) | ((other.c.kind == findings.c.kind) & (other.c.severity == "unknown"))
        judged_again = sa.exists().where(
            later.c.workflow == found.c.workflow,
            later.c.stage == found.c.stage,
            later.c.finished_at > found.c.finished_at,
            later.c.window_start <= found.c.window_start,
            later.c.window_end >= found.c.window_end,
            later.c.evidence["ran"].astext.is_distinct_from("false"),
            ~sa.exists().where(other.c.run_id == later.c.id, (other.c.fingerprint == findings.c.fingerprint) | unsure),
        )
        statement = (
            sa.select(incidents.c.id, found.c.window_start, found.c.window_end)
            .distinct()
            .join(incident_events, incident_events.c.incident_id == incidents.c.id)
            .join(found, found.c.id == incident_events.c.run_id)
            .join(findings, (findings.c.run_id == found.c.id) & (findings.c.fingerprint == incidents.c.fingerprint))
            .where(
                incidents.c.workflow == workflow,
                incidents.c.state != IncidentState.RESOLVED,
                incidents.c.stage == "check",
                incident_events.c.what.in_(("opened", "seen", "changed")),
                sa.func.jsonb_array_length(sa.func.coalesce(findings.c.evidence["failing_keys"], sa.text("'[]'"))) > 0,
                ~judged_again,
            )
            .order_by(found.c.window_start)
        )
        windows: dict[uuid.UUID, list[Window]] = {}
        for row in self._connection.execute(statement):
            windows.setdefault(row.id, []).append(Window(row.window_start, row.window_end))
        return windows

    def lock(self, workflow: str) -> None:
        """Let no other transaction change incidents of this workflow until this one ends."""
        self._connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(hashtext('incidents'), hashtext(:workflow))"), {"workflow": workflow}
        )

    def open(self, finding: Finding, *, run_id: uuid.UUID | None, at: datetime) -> Incident:
        """Begin an incident."""
        row = self._connection.execute(
            sa.insert(incidents)
            .values(
                fingerprint=finding.fingerprint,
                workflow=finding.workflow,
                stage=finding.stage,
                kind=finding.kind,
                severity=str(finding.severity),
                title=finding.title,
                detail=finding.detail,
                hangs_on=finding.hangs_on,
                opened_at=at,
                last_seen_at=at,
                run_id=run_id,
            )
            .returning(incidents)
        ).one()
        self.note(row.id, "opened", at=at, run_id=run_id, text=finding.title)
        return _incident(row)

    def see_again(self, incident: Incident, finding: Finding, *, run_id: uuid.UUID | None, at: datetime) -> Incident:
        """The trouble was found again, perhaps in other words or gravity."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(
                severity=str(finding.severity),
                title=finding.title,
                detail=finding.detail,
                last_seen_at=at,
                occurrences=incidents.c.occurrences + 1,
                run_id=run_id,
            )
            .returning(incidents)
        ).one()
        changed = (incident.title, incident.severity) != (finding.title, finding.severity)
        self.note(incident.id, "changed" if changed else "seen", at=at, run_id=run_id, text=finding.title)
        return _incident(row)

    def resolve(
        self,
        incident: Incident,
        *,
        at: datetime,
        run_id: uuid.UUID | None = None,
        actor: str = "afterpilot",
        text: str = "",
    ) -> Incident:
        """The trouble is over, as a run has found or a person says."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(state=str(IncidentState.RESOLVED), resolved_at=at, last_seen_at=incident.last_seen_at)
            .returning(incidents)
        ).one()
        self.note(incident.id, "resolved", at=at, run_id=run_id, actor=actor, text=text)
        return _incident(row)

    def note(
        self,
        incident_id: uuid.UUID,
        what: str,
        *,
        at: datetime,
        run_id: uuid.UUID | None = None,
        actor: str = "afterpilot",
        text: str = "",
    ) -> None:
        """Add to the time line."""
        self._connection.execute(
            sa.insert(incident_events).values(
                incident_id=incident_id, at=at, what=what, actor=actor, note=text, run_id=run_id
            )
        )


def _incident(row: sa.Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        fingerprint=row.fingerprint,
        workflow=row.workflow,
        stage=row.stage,
        kind=row.kind,
        severity=Severity(row.severity),
        state=IncidentState(row.state),
        title=row.title,
        detail=row.detail,
        opened_at=row.opened_at,
        last_seen_at=row.last_seen_at,
        occurrences=row.occurrences,
        resolved_at=row.resolved_at,
        acknowledged_by=row.acknowledged_by,
        run_id=row.run_id,
        acknowledged_at=row.acknowledged_at,
        waived_until=row.waived_until,
        waived_by=row.waived_by,
        waived_reason=row.waived_reason,
        hangs_on=row.hangs_on,
        cause_id=row.cause_id,
        reopened=row.reopened,
        flapping=row.flapping,
        good_runs=row.good_runs,
        escalation=row.escalation,
    )

"""Incidents: findings with one fingerprint over time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.record.tables import incident_events, incidents


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

    def resolve(self, incident: Incident, *, run_id: uuid.UUID | None, at: datetime) -> Incident:
        """The trouble is over."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(state=str(IncidentState.RESOLVED), resolved_at=at, last_seen_at=incident.last_seen_at)
            .returning(incidents)
        ).one()
        self.note(incident.id, "resolved", at=at, run_id=run_id)
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
    )

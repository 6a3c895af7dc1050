"""Incidents: findings with one fingerprint over time."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding
from afterpilot.record.alerts.answers import incident_of
from afterpilot.record.ledger.entries import on_time_line
from afterpilot.record.run_lookup import found_by
from afterpilot.record.tables import findings, incident_events, incidents


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
        return [incident_of(row) for row in self._connection.execute(statement)]

    def standing(self, stage: str) -> Sequence[tuple[str, str, str]]:
        """The incidents of a stage that are not over, of all workflows: slug, kind, and what each is about, as it was found."""
        statement = (
            sa.select(incidents.c.workflow, incidents.c.kind, findings.c.about)
            .select_from(incidents)
            .distinct()
            .join(
                findings,
                found_by(incidents.c.run_id) & (findings.c.fingerprint == incidents.c.fingerprint),
            )
            .where(incidents.c.state != IncidentState.RESOLVED, incidents.c.stage == stage)
        )
        return [(row.workflow, row.kind, row.about) for row in self._connection.execute(statement)]

    def ended(self, marks: Collection[str], since: datetime) -> Sequence[tuple[Incident, int]]:
        """The newest incident of each fingerprint that ended since then, with how often it was re-opened since then; nothing where
        one of its kind stands.
        """
        again = (
            sa.select(sa.func.count())
            .where(
                incident_events.c.incident_id == incidents.c.id,
                incident_events.c.what == "reopened",
                incident_events.c.at >= since,
            )
            .scalar_subquery()
        )
        statement = (
            sa.select(incidents, again.label("reopenings"))
            .distinct(incidents.c.fingerprint)
            .where(
                incidents.c.fingerprint.in_(list(marks)),
                incidents.c.state == IncidentState.RESOLVED,
                incidents.c.resolved_at >= since,
            )
            .order_by(incidents.c.fingerprint, incidents.c.resolved_at.desc())
        )
        return [(incident_of(row), row.reopenings) for row in self._connection.execute(statement)]

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
                **_said(finding),
                opened_at=at,
                last_seen_at=at,
                run_id=run_id,
            )
            .returning(incidents)
        ).one()
        self.note(row.id, "opened", at=at, run_id=run_id, text=finding.title)
        return incident_of(row)

    def see_again(self, incident: Incident, finding: Finding, *, run_id: uuid.UUID | None, at: datetime) -> Incident:
        """The trouble was found again, perhaps in other words or gravity."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(
                **_said(finding),
                last_seen_at=at,
                occurrences=incidents.c.occurrences + 1,
                run_id=run_id,
                good_runs=0,
            )
            .returning(incidents)
        ).one()
        changed = (incident.title, incident.severity) != (finding.title, finding.severity)
        self.note(incident.id, "changed" if changed else "seen", at=at, run_id=run_id, text=finding.title)
        return incident_of(row)

    def reopen(
        self,
        incident: Incident,
        finding: Finding,
        *,
        state: IncidentState,
        flaps: bool,
        run_id: uuid.UUID | None,
        at: datetime,
    ) -> Incident:
        """It is back soon after its end: nobody has taken this up yet, and nobody was called about it."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(
                state=str(state),
                **_said(finding),
                last_seen_at=at,
                occurrences=incidents.c.occurrences + 1,
                run_id=run_id,
                resolved_at=None,
                acknowledged_by="",
                acknowledged_at=None,
                cause_id=None,
                reopened=incidents.c.reopened + 1,
                flapping=flaps,
                good_runs=0,
                escalation=0,
                escalate_at=None,
                **({} if state is IncidentState.WAIVED else {"waived_until": None}),
            )
            .returning(incidents)
        ).one()
        self.note(incident.id, "reopened", at=at, run_id=run_id, text=finding.title)
        if flaps:
            self.note(incident.id, "flapping", at=at, run_id=run_id, text="it came and went too often within a day")
        return incident_of(row)

    def calm(self, incident: Incident, *, run_id: uuid.UUID | None, at: datetime) -> None:
        """A run did not find a flapping one: one more in a row. That is on its time line, as it is not told."""
        values: dict[str, object] = {"good_runs": incidents.c.good_runs + 1}
        if run_id is None and not incident.good_runs:
            values["last_seen_at"] = at  # until now sweeps have seen it, which write nothing while nothing changes
        self._connection.execute(sa.update(incidents).where(incidents.c.id == incident.id).values(values))
        text = f"not found; {incident.good_runs + 1} good in a row"
        self.note(incident.id, "gone", at=at, run_id=run_id, text=text)

    def resolve(
        self,
        incident: Incident,
        *,
        at: datetime,
        run_id: uuid.UUID | None = None,
        text: str = "",
    ) -> Incident:
        """The trouble is over, as was found; a person who says so settles it (:class:`~afterpilot.record.alerts.answers.Answers`)."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(
                state=str(IncidentState.RESOLVED),
                resolved_at=at,
                flapping=False,
                good_runs=0,
                escalate_at=None,
            )
            .returning(incidents)
        ).one()
        self.note(incident.id, "resolved", at=at, run_id=run_id, text=text)
        return incident_of(row)

    def note(
        self,
        incident_id: uuid.UUID,
        what: str,
        *,
        at: datetime,
        run_id: uuid.UUID | None = None,
        actor: str = "afterpilot",
        text: str = "",
        about: str = "",
    ) -> None:
        """Add to the time line. ``about``: the person of whom the text speaks, where it is not the one who acts."""
        event = {"incident_id": incident_id, "at": at, "what": what, "actor": actor, "note": text, "run_id": run_id}
        on_time_line(self._connection, [event], about=about)


def _said(finding: Finding) -> Mapping[str, str]:
    """What a run has found, in the columns of its incident."""
    return {
        "severity": str(finding.severity),
        "title": finding.title,
        "detail": finding.detail,
        "hangs_on": finding.hangs_on,
    }

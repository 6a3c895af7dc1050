"""What people say of incidents: who has taken one up, until when one is waived; and how an incident is found by its id."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.incident import Incident, IncidentState
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.record.ledger.entries import on_time_line
from afterpilot.record.run_lookup import found_by
from afterpilot.record.tables import findings, incidents, outbox

_FIELDS = tuple(field.name for field in fields(Incident))
_MOST = 11  # that a few first digits may fit before whoever typed them has to say more
_NO_WAIVER: Mapping[str, Any] = {"waived_until": None, "waived_by": "", "waived_reason": ""}


class Answers:
    """People's answers to the incidents of all workflows. Whoever changes one holds the lock of its workflow."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def find(self, digits: str) -> Sequence[Incident]:
        """Incidents whose id begins with these digits, at most eleven: those that are not over first, then the newest. No id begins
        with anything else, and not all of that can be asked of a database.
        """
        if not digits.isascii() or not digits.isprintable():
            return ()
        if (whole := _identity(digits)) is not None:
            fits: sa.ColumnElement[bool] = incidents.c.id == whole
        else:
            fits = sa.cast(incidents.c.id, sa.Text).startswith(digits, autoescape=True)
        over = incidents.c.state == IncidentState.RESOLVED
        statement = sa.select(incidents).where(fits).order_by(over, incidents.c.opened_at.desc(), incidents.c.id)
        return [incident_of(row) for row in self._connection.execute(statement.limit(_MOST))]

    def explained_by(self, cause: uuid.UUID) -> Sequence[Incident]:
        """The incidents that are not over and that another one explains, by workflow."""
        statement = sa.select(incidents).where(
            incidents.c.cause_id == cause, incidents.c.state != IncidentState.RESOLVED
        )
        return [incident_of(row) for row in self._connection.execute(statement.order_by(incidents.c.workflow))]

    def last_finding(self, incident: Incident) -> Finding | None:
        """What the last run that saw it has found, or None where no run did."""
        row = self._connection.execute(
            sa.select(findings).where(found_by(incident.run_id), findings.c.fingerprint == incident.fingerprint)
        ).first()
        if row is None:
            return None
        return Finding(
            workflow=row.workflow,
            stage=row.stage,
            kind=row.kind,
            severity=Severity(row.severity),
            title=row.title,
            about=row.about,
            detail=row.detail,
            evidence=row.evidence,
            hangs_on=incident.hangs_on,
        )

    def acknowledge(self, incident: Incident, *, by: str, note: str, at: datetime) -> Incident:
        """Somebody has it: nobody else is called any more, and a waiver is over."""
        return self._change(
            incident,
            "acknowledged",
            by=by,
            note=note,
            at=at,
            acknowledged_by=by,
            acknowledged_at=at,
            **_NO_WAIVER,
        )

    def waive(self, incident: Incident, *, by: str, until: datetime, reason: str, at: datetime) -> Incident:
        """It is known and need not be told before ``until``."""
        note = f"until {until:%Y-%m-%d %H:%M} UTC: {reason}"
        return self._change(
            incident, "waived", by=by, note=note, at=at, waived_until=until, waived_by=by, waived_reason=reason
        )

    def settle(self, incident: Incident, *, by: str, note: str, at: datetime) -> Incident:
        """It is over, as a person says, and so is a waiver: should it be back, that is news."""
        return self._change(
            incident, "resolved", by=by, note=note, at=at, resolved_at=at, flapping=False, good_runs=0, **_NO_WAIVER
        )

    def end_waiver(self, incident: Incident, *, at: datetime) -> Incident:
        """It is open again, as the time is over and it is still there, or as it is graver now than what was waived; somebody has to
        take it up anew.
        """
        return self._change(
            incident,
            "open",
            word="waiver_over",
            about=incident.waived_by,
            by="afterpilot",
            note=f"waived by {incident.waived_by}: {incident.waived_reason}",
            at=at,
            waived_until=None,
            acknowledged_by="",
            acknowledged_at=None,
            escalation=0,
        )

    def waivers_over(self, at: datetime) -> Sequence[Incident]:
        """Incidents that are not over and whose waiver is, the longest over first."""
        statement = sa.select(incidents).where(
            incidents.c.state == IncidentState.WAIVED, incidents.c.waived_until <= at
        )
        return [incident_of(row) for row in self._connection.execute(statement.order_by(incidents.c.waived_until))]

    def untold(self, which: uuid.UUID | None = None) -> Sequence[tuple[Incident, uuid.UUID]]:
        """Incidents that are open or taken up, that nothing explains, and whose newest message was silenced, each with that message's
        id, the gravest first. ``which`` narrows it down to one. What is over is not among them: that is said in spite of a silence
        where it was told before, and nowhere else.
        """
        newest = (
            sa.select(outbox.c.id, outbox.c.state, outbox.c.gravity)
            .where(outbox.c.incident_id == incidents.c.id)
            .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
            .limit(1)
            .lateral("newest")
        )
        statement = (
            sa.select(incidents, newest.c.id.label("message_id"))
            .join(newest, newest.c.state == "silenced")
            .where(incidents.c.state.in_(("open", "acknowledged")), incidents.c.cause_id.is_(None))
            .order_by(newest.c.gravity, incidents.c.opened_at)
        )
        if which is not None:
            statement = statement.where(incidents.c.id == which)
        return [(incident_of(row), row.message_id) for row in self._connection.execute(statement)]

    def _change(
        self,
        incident: Incident,
        state: str,
        *,
        by: str,
        note: str,
        at: datetime,
        word: str = "",
        about: str = "",
        **values: Any,  # noqa: ANN401 - a column's value
    ) -> Incident:
        """Write a state and its line on the time line; whatever state it is, no escalation of an earlier one goes on."""
        row = self._connection.execute(
            sa.update(incidents)
            .where(incidents.c.id == incident.id)
            .values(state=state, escalate_at=None, **values)
            .returning(incidents)
        ).one()
        event = {"incident_id": incident.id, "at": at, "what": word or state, "actor": by, "note": note}
        on_time_line(self._connection, [event], about=about)
        return incident_of(row)


def incident_of(row: sa.Row[Any]) -> Incident:
    """An incident of its row."""
    values = {name: getattr(row, name) for name in _FIELDS}
    return Incident(
        **{**values, "severity": Severity(values["severity"]), "state": IncidentState(values["state"])},
    )


def _identity(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

"""Incidents and their time lines."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import sqlalchemy as sa

from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch, moment, one_row, run_id
from afterpilot.record.run_lookup import found_by, is_run
from afterpilot.record.tables import findings, incident_events, incidents, outbox, runs

MOST_EVENTS = 500
MOST_MESSAGES = 100
MOST_EXPLAINED = 100

_ORDER = (Key("opened_at", incidents.c.opened_at, moment, newest_first=True), Key("id", incidents.c.id, run_id))


def list_incidents(
    connection: sa.Connection,
    *,
    workflow: str = "",
    state: str = "",
    severity: str = "",
    told: str = "",
    only: Only = None,
    after: str = "",
    limit: int = 50,
) -> Page:
    """Incidents, newest first, each with what became of its newest message (``told``).

    ``state`` is a state, ``unresolved``, or empty for all; ``told`` a fate of the newest message. Raises ValueError for a bad
    cursor.
    """
    newest = _newest_fate()
    statement = sa.select(incidents, newest.label("told")).where(among(incidents.c.workflow, only))
    if severity:
        statement = statement.where(incidents.c.severity == severity)
    if told:  # the few that ever had such a message first: looking for the newest of each of them takes longer
        ever = sa.select(outbox.c.incident_id).where(outbox.c.state == told)
        statement = statement.where(incidents.c.id.in_(ever), newest == told)
    if workflow:
        statement = statement.where(incidents.c.workflow == workflow)
    if state == "unresolved":
        statement = statement.where(incidents.c.state != "resolved")
    elif state:
        statement = statement.where(incidents.c.state == state)
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_incident(connection: sa.Connection, which: uuid.UUID) -> Row | None:
    """An incident, or None."""
    return one_row(connection, sa.select(incidents).where(incidents.c.id == which))


def unresolved(connection: sa.Connection, workflow: str) -> Sequence[Row]:
    """Incidents of a workflow that are not over, the newest first; at most 50."""
    table = incidents.c
    statement = (
        sa.select(table.id, table.kind, table.title)
        .where(table.workflow == workflow, table.state != "resolved")
        .order_by(table.opened_at.desc(), table.id)
        .limit(50)
    )
    return all_rows(connection, statement)


def events_of(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """The newest events of an incident in the order of their time, each with its run's verdict and stage where there is one."""
    newest = (
        sa.select(incident_events, runs.c.stage, runs.c.verdict, runs.c.summary)
        .select_from(incident_events)
        .outerjoin(runs, is_run(incident_events.c.run_id))
        .where(incident_events.c.incident_id == which)
        .order_by(incident_events.c.id.desc())
        .limit(MOST_EVENTS)
    )
    return sorted(all_rows(connection, newest), key=lambda event: (event["at"], event["id"]))


def messages_of(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """The newest messages about an incident, newest first."""
    statement = (
        sa.select(outbox)
        .where(outbox.c.incident_id == which)
        .order_by(outbox.c.created_at.desc(), outbox.c.id)
        .limit(MOST_MESSAGES)
    )
    return all_rows(connection, statement)


def others_like_it(connection: sa.Connection, fingerprint: str, but: uuid.UUID) -> Sequence[Row]:
    """Other incidents with the same fingerprint: the same trouble at other times, newest first."""
    statement = (
        sa.select(incidents)
        .where(incidents.c.fingerprint == fingerprint, incidents.c.id != but)
        .order_by(incidents.c.opened_at.desc())
        .limit(20)
    )
    return all_rows(connection, statement)


def explained_by(connection: sa.Connection, which: uuid.UUID, *, only: Only = None) -> Sequence[Row]:
    """The incidents that this one explains, those that are not over first."""
    statement = (
        sa.select(incidents)
        .where(incidents.c.cause_id == which, among(incidents.c.workflow, only))
        .order_by(incidents.c.state == "resolved", incidents.c.workflow, incidents.c.id)
        .limit(MOST_EXPLAINED)
    )
    return all_rows(connection, statement)


def hanging_on(connection: sa.Connection, incident: Row, *, only: Only = None) -> Sequence[Row]:
    """Other incidents that are not over, come from the same (a source, a model), and stand beside this one."""
    if not incident["hangs_on"]:
        return ()
    statement = (
        sa.select(incidents)
        .where(
            incidents.c.hangs_on == incident["hangs_on"],
            incidents.c.state != "resolved",
            incidents.c.id != incident["id"],
            incidents.c.cause_id.is_distinct_from(incident["id"]),
            among(incidents.c.workflow, only),
        )
        .order_by(incidents.c.workflow, incidents.c.id)
        .limit(MOST_EXPLAINED)
    )
    return all_rows(connection, statement)


def evidence_of(connection: sa.Connection, incident: Row) -> Row | None:
    """What the last run that saw it has found, or None where no run did."""
    return one_row(
        connection,
        sa.select(findings).where(found_by(incident["run_id"]), findings.c.fingerprint == incident["fingerprint"]),
    )


def _newest_fate() -> sa.ScalarSelect[str]:
    """What became of the newest message of an incident."""
    return (
        sa.select(outbox.c.state)
        .where(outbox.c.incident_id == incidents.c.id)
        .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )

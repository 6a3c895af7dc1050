"""Incidents and their time lines."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from afterpilot.domain.incident import IncidentState
from afterpilot.record.history.bounded import MOST, Looked, Order, look, these
from afterpilot.record.history.narrowing import Only, among, narrowed
from afterpilot.record.history.paging import Key, Page, Row, all_rows, fetch, moment, one_row, run_id
from afterpilot.record.run_lookup import found_by, is_run
from afterpilot.record.tables import findings, incident_events, incidents, outbox, runs

MOST_EVENTS = 500
MOST_MESSAGES = 100
MOST_EXPLAINED = 100

_MOST_TOLD = 1_000  # incidents whose newest message is looked up for a page
_NOT_OVER = tuple(str(state) for state in IncidentState if state is not IncidentState.RESOLVED)
_ORDER = Order(
    incidents,
    (
        Key("opened_at", incidents.c.opened_at, moment, newest_first=True),
        Key("id", incidents.c.id, run_id, newest_first=True),
    ),
    leads=("workflow", "state", "severity"),
)


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
    most: int = MOST,
) -> Page:
    """Incidents, newest first, each with what became of its newest message (``told``).

    ``state`` is a state, ``unresolved``, or empty for all; ``told`` a fate of the newest message. A page looks through at most
    ``most`` of them, and may end before it is full; it says so. Raises ValueError for a bad cursor.
    """
    allowed: dict[str, Sequence[str]] = {"severity": [severity]} if severity else {}
    if state:
        allowed["state"] = _NOT_OVER if state == "unresolved" else [state]
    allowed |= narrowed(workflow, only)
    if not told:
        looked = look(connection, _ORDER, allowed, after=after, limit=limit, most=most)
        return _listed(connection, looked)
    few = _ever_told(connection, told)
    if few is not None:
        return _of_few(connection, few, allowed, told, after=after, limit=limit)
    last = _newest_fate() == told
    return _listed(connection, look(connection, _ORDER, allowed, after=after, limit=limit, fits=last, most=_MOST_TOLD))


def _listed(connection: sa.Connection, looked: Looked) -> Page:
    statement = sa.select(incidents, _newest_fate().label("told")).where(these(_ORDER, looked))
    rows = {row["id"]: row for row in all_rows(connection, statement)}
    return Page([rows[one] for one in looked.ids if one in rows], looked.after, looked.looked_to)


def _ever_told(connection: sa.Connection, told: str) -> Sequence[uuid.UUID] | None:
    """The incidents of messages that this became of, where these are few; None where they are many."""
    statement = sa.select(outbox.c.incident_id).where(outbox.c.state == told).order_by(outbox.c.created_at.desc())
    found = connection.scalars(statement.limit(_MOST_TOLD + 1)).all()
    return None if len(found) > _MOST_TOLD else sorted({one for one in found if one is not None})


def _of_few(
    connection: sa.Connection,
    few: Sequence[uuid.UUID],
    allowed: Mapping[str, Sequence[str]],
    told: str,
    *,
    after: str,
    limit: int,
) -> Page:
    newest = _newest_fate()
    wanted = [incidents.c[name].in_(values) for name, values in allowed.items()]
    statement = sa.select(incidents, newest.label("told")).where(these(_ORDER, Looked(few)), newest == told, *wanted)
    return fetch(connection, statement, keys=_ORDER.keys, after=after, limit=limit)


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

"""Regressions: what the runs under an alarm said of them, in findings, evidence and incidents."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.record.history.paging import Row, all_rows
from afterpilot.record.run_lookup import among, found_by
from afterpilot.record.tables import findings, incident_events, incidents, runs

_KIND = "evals.regressed"


def findings_of(connection: sa.Connection, which: uuid.UUID) -> Sequence[Row]:
    """The findings of a run that say that it is worse than the baseline."""
    statement = sa.select(findings).where(found_by(which), findings.c.kind == _KIND)
    return all_rows(connection, statement.order_by(findings.c.fingerprint).limit(10))


def said_by(connection: sa.Connection, which: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Any]:
    """What each of these runs said of a regression (its evidence, as JSON), by run; one that said nothing is not there."""
    said = runs.c.evidence["regression"]
    statement = sa.select(runs.c.id, said.label("said")).select_from(among(which)).where(said.is_not(None))
    return {row["id"]: row["said"] for row in all_rows(connection, statement)} if which else {}


def incidents_of(connection: sa.Connection, which: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, Row]:
    """The incident of a regression that each of these runs opened or saw again (``id``, ``title``, ``state``), by run."""
    statement = (
        sa.select(incident_events.c.run_id, incidents.c.id, incidents.c.title, incidents.c.state)
        .join(incidents, incidents.c.id == incident_events.c.incident_id)
        .where(incident_events.c.run_id.in_(which), incidents.c.kind == _KIND)
        .order_by(incident_events.c.id)
    )
    return {row["run_id"]: row for row in all_rows(connection, statement)} if which else {}

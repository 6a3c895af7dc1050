"""What is on record of a workflow in a period, kind by kind: how many up to a bound, and the newest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from afterpilot.record.history.paging import Row, one_row
from afterpilot.record.tables import declarations, runs

MOST = 200  # counted of each kind

_WITHIN = "{at} >= :since AND {at} < :until"
_RUNS = "SELECT finished_at AS at FROM runs WHERE workflow = :workflow AND {within}{and_}"
_EVENT = (
    "SELECT e.at FROM incident_events e JOIN incidents i ON i.id = e.incident_id"
    " WHERE i.workflow = :workflow AND {within} AND e.what IN ({whats})"
)
_LEDGER = "SELECT at FROM ledger WHERE workflow = :workflow AND {within} AND action = '{action}'"


def _runs(and_: str = "") -> str:
    return _RUNS.format(within=_WITHIN.format(at="finished_at"), and_=and_)


def _of(table: str, at: str, and_: str = "") -> str:
    return f"SELECT {at} AS at FROM {table} WHERE workflow = :workflow AND {_WITHIN.format(at=at)}{and_}"  # noqa: S608 - names of ours


_QUERIES: Mapping[str, str] = {
    "runs": _runs(),
    "versions": _runs(" AND stage = 'evaluate' AND versions ? 'model' AND versions ? 'prompt'"),
    "evals": _runs(" AND stage = 'evaluate' AND verdict <> 'UNKNOWN'"),
    "spend": _runs(" AND stage = 'spend' AND verdict <> 'UNKNOWN'"),
    "reports": _of("reports", "created_at"),
    "gate": _of("gate_decisions", "at"),
    "people": _of("human_decisions", "decided_at"),
    "overrides": _of("human_decisions", "decided_at", " AND decision IN ('corrected', 'rejected')"),
    "incidents": _of("incidents", "opened_at"),
    "resolved": _of("incidents", "resolved_at"),
    "messages": _of("outbox", "sent_at", " AND transport <> 'preview'"),
    "answers": _EVENT.format(within=_WITHIN.format(at="e.at"), whats="'acknowledged', 'waived', 'answered'"),
    "changes": _of("declarations", "first_loaded_at"),
    "baselines": _of("baselines", "approved_at"),
    "raises": _of("cap_raises", "asked_at"),
    "views": _LEDGER.format(within=_WITHIN.format(at="recorded_at"), action="web:evidence:viewed"),
    "heads": f"SELECT at FROM ledger_heads WHERE {_WITHIN.format(at='at')} AND key_id <> ''",  # noqa: S608 - no value of others
    "published": f"SELECT at FROM ledger_publications WHERE {_WITHIN.format(at='at')}",  # noqa: S608 - no value of others
}


def on_record(connection: sa.Connection, workflow: str, since: datetime, until: datetime) -> Mapping[str, Row]:
    """By kind: ``count``, at most one more than :data:`MOST`, and ``newest``. One statement for each kind, each bounded."""
    given = {"workflow": workflow, "since": since, "until": until, "most": MOST + 1}
    found: dict[str, Row] = {}
    for kind, query in _QUERIES.items():
        bounded = f"SELECT count(*) AS count, max(at) AS newest FROM ({query} ORDER BY 1 DESC LIMIT :most) AS those"  # noqa: S608 - texts of ours
        found[kind] = dict(connection.execute(sa.text(bounded), given).mappings().one())
    return found


def oldest_run(connection: sa.Connection, workflow: str) -> datetime | None:
    """When the oldest run that is kept of a workflow ended."""
    at: datetime | None = connection.scalar(
        sa.select(runs.c.finished_at).where(runs.c.workflow == workflow).order_by(runs.c.finished_at).limit(1)
    )
    return at


def first_declared(connection: sa.Connection, workflow: str) -> datetime | None:
    """When a version of it was loaded for the first time."""
    at: datetime | None = connection.scalar(
        sa.select(sa.func.min(declarations.c.first_loaded_at)).where(declarations.c.workflow == workflow)
    )
    return at


def last_version(connection: sa.Connection, workflow: str, until: datetime) -> Row | None:
    """The newest version that could be used, first loaded before ``until``, with its document."""
    here = declarations.c
    statement = sa.select(declarations).where(here.workflow == workflow, here.usable, here.first_loaded_at < until)
    return one_row(connection, statement.order_by(here.first_loaded_at.desc(), here.sha256))

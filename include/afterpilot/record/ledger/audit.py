"""What stands in a table and has no entry in the ledger: every row that was written by Afterpilot has one.

Rows from before there was a ledger (``ledger_identity.began_at``) have none. Which those are is told by the time that stands in a
row, which is that of whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """One row without its entry: in which table, how the entry would name it, and when it was written."""

    table: str
    subject: str
    action: str
    workflow: str
    at: datetime


# Of each table: its rows as (subject, action, workflow, at), and what else must hold for those that have an entry.
OUTPUT = (
    "'output:' || left(encode(sha256(convert_to(workflow, 'UTF8') || '\\x00' || convert_to(key, 'UTF8')), 'hex'), 32)"
)
_SOURCES = {
    "runs": (
        "SELECT 'run:' || id || CASE WHEN EXISTS (SELECT FROM run_ids WHERE run_ids.id = runs.id "
        "  AND run_ids.finished_at = runs.finished_at) THEN '' ELSE ' a second time' END AS subject, "
        "stage || '\\:run\\:recorded' AS action, workflow, finished_at AS at FROM runs"
    ),
    # A run is found by the one row that the directory knows; another of its id would stand in lists, and no document would hold it.
    "findings": (
        "SELECT 'finding of run:' || run_id AS subject, '' AS action, workflow, at FROM findings WHERE NOT EXISTS "
        "(SELECT FROM run_ids WHERE run_ids.id = findings.run_id AND run_ids.finished_at = findings.at)"
    ),
    "incidents": (
        "SELECT 'incident:' || id AS subject, 'alerts:incident:' AS action, workflow, opened_at AS at FROM incidents"
    ),
    "incident_events": (
        "SELECT 'incident:' || incident_id AS subject, 'alerts:incident:' || what AS action, incidents.workflow, at "
        "FROM incident_events JOIN incidents ON incidents.id = incident_id WHERE what <> 'seen'"
    ),
    "outbox": (
        "SELECT 'message:' || id AS subject, 'alerts:message:' AS action, workflow, created_at AS at FROM outbox"  # any state
    ),
    "declarations": (
        "SELECT 'declaration:' || sha256 AS subject, 'declare:version:loaded' AS action, workflow, first_loaded_at AS at "
        "FROM declarations"
    ),
    "human_decisions": (
        f"SELECT {OUTPUT} AS subject, 'review:decision:made' AS action, workflow, decided_at AS at "  # noqa: S608 - constants
        "FROM human_decisions WHERE origin = 'review'"
    ),
    "baselines": (
        "SELECT 'run:' || run_id AS subject, 'evals:baseline:approved' AS action, workflow, approved_at AS at FROM baselines"
    ),
    "cap_raises": "SELECT 'raise:' || id AS subject, 'spend:raise:' AS action, workflow, asked_at AS at FROM cap_raises",
    "case_offers": (
        f"SELECT {OUTPUT} AS subject, 'evals:case:' || state AS action, workflow, answered_at AS at FROM case_offers "  # noqa: S608 - constants
        "WHERE state IN ('accepted', 'declined')"
    ),
    "prices": (
        "SELECT 'price:' || id AS subject, 'spend:price:added' AS action, '_fleet' AS workflow, first_used_at AS at FROM prices"
    ),
    "repricings": (
        "SELECT 'price:' || new_price AS subject, 'spend:price:changed' AS action, workflow, at FROM repricings"
    ),
    # Of the others the run itself has its line above; one without a run keeps a run of that id from ever being written.
    "run_ids": (
        "SELECT 'run:' || id AS subject, '' AS action, '_fleet' AS workflow, finished_at AS at FROM run_ids WHERE NOT EXISTS "
        "(SELECT FROM runs WHERE runs.finished_at = run_ids.finished_at AND runs.id = run_ids.id)"
    ),
    "silences": (
        "SELECT 'silence:' || id AS subject, 'alerts:silence:set' AS action, workflow, created_at AS at FROM silences"
    ),
    "stop_orders": (
        "SELECT 'stop:' || id AS subject, 'spend:stop:ordered' AS action, workflow, created_at AS at FROM stop_orders"
    ),
    "holds": "SELECT 'hold:' || id AS subject, 'retention:hold:set' AS action, workflow, set_at AS at FROM holds",
    "removals": (
        "SELECT CASE how WHEN 'dropped' THEN 'partition:' || table_name || to_char(month, '_YYYY_MM') "
        "  WHEN 'deleted' THEN 'table:' || table_name ELSE subject END AS subject, "
        "CASE how WHEN 'dropped' THEN 'retention\\:partition\\:dropped' WHEN 'deleted' THEN 'retention\\:rows\\:deleted' "
        "  ELSE 'retention\\:' || split_part(subject, ':', 1) || '\\:erased' END AS action, workflow, at FROM removals"
    ),
}
_AT_THE_SAME_MOMENT = {"incident_events", "human_decisions", "baselines"}  # a subject has many of these
_OF_THE_SAME_WORKFLOW = {
    "baselines",
    "declarations",
    "repricings",
    "runs",
}  # a subject of one can be that of another's row, too
_NO_ENTRY = "NOT EXISTS (SELECT FROM ledger WHERE ledger.subject = written.subject AND starts_with(ledger.action, written.action){same})"
_MISSING = f"""
SELECT * FROM ({{source}}) AS written
WHERE at >= greatest(:since, (SELECT began_at FROM ledger_identity)) AND at < :until AND {_NO_ENTRY}
ORDER BY at LIMIT :limit
"""  # noqa: S608 - constants
_OLDER = (
    f"SELECT count(*) FROM ({{source}}) AS written WHERE at < (SELECT began_at FROM ledger_identity) AND {_NO_ENTRY}"  # noqa: S608 - constants
)
TABLES = tuple(_SOURCES)


def older(connection: sa.Connection) -> int:
    """How many rows without an entry say that they are from before there was a ledger: whether they are cannot be known.

    What was written later about an earlier time has its entry, and does not count.
    """
    return sum(connection.scalar(_asked(_OLDER, table)) or 0 for table in _SOURCES)


def missing(
    connection: sa.Connection, *, since: datetime, until: datetime, limit: int = _LIMIT, tables: Sequence[str] = TABLES
) -> Sequence[Unrecorded]:
    """Rows of a span of time that have no entry, of each table the oldest ``limit``. Each row is one look into an index."""
    found = []
    given = {"since": since, "until": until, "limit": limit}
    for table in tables:
        found += [Unrecorded(table, *row) for row in connection.execute(_asked(_MISSING, table), given)]
    return found


def _asked(statement: str, table: str) -> sa.TextClause:
    same = " AND ledger.at = written.at" if table in _AT_THE_SAME_MOMENT else ""
    same += " AND ledger.workflow = written.workflow" if table in _OF_THE_SAME_WORKFLOW else ""
    return sa.text(statement.format(source=_SOURCES[table], same=same))

"""Rows that are older than their class is kept, in tables without months: removed in batches of one transaction each.

What still waits, stands or is referred to stays whatever its age; so does what a hold covers. The database refuses by itself to
delete what is held, or a row of the log that is younger than the legal minimum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.ledger import output
from afterpilot.domain.retention import CLASSES
from afterpilot.record.retention.erasure import keep_holds

BATCH = 5_000  # rows of one transaction

_NO_RECORD = "NOT EXISTS (SELECT FROM records WHERE records.workflow = old.workflow AND records.key = old.key)"
_NOT_WAITING = (
    "NOT EXISTS (SELECT FROM review_items AS item WHERE item.workflow = old.workflow AND item.key = old.key "
    "AND item.decided_at IS NULL)"
)
_TOLD = (
    "NOT EXISTS (SELECT FROM releases WHERE releases.workflow = old.workflow AND releases.key = old.key "
    "AND releases.state IN ('pending', 'failed'))"
)
_WRITTEN_BACK = (
    "NOT EXISTS (SELECT FROM write_backs AS back WHERE back.workflow = old.workflow AND back.key = old.key "
    "AND back.state <> 'done')"
)
_OF_OUTPUT = f"{_NO_RECORD} AND {_NOT_WAITING} AND {_TOLD} AND {_WRITTEN_BACK}"


@dataclass(frozen=True, slots=True)
class Rows:
    """How old rows of a table are found. ``time`` is what they are dated by; ``only`` says which may go."""

    time: str
    only: str = "true"
    workflow: str = "old.workflow"


# In the order in which they may go: what refers to a row before the row. What the ledger still tells of stays, as the trigger says
# that keeps the rows of the log: its entries are dated by the database.
TABLES: Mapping[str, Rows] = {
    "records": Rows("old.at", f"{_NOT_WAITING} AND {_TOLD} AND {_WRITTEN_BACK}"),
    "repricings": Rows("old.at"),
    "stop_orders": Rows("old.created_at", "old.state <> 'pending'"),
    "bill_lines": Rows("CAST(old.day AS timestamptz)", workflow="''"),
    "bill_days": Rows("CAST(old.day AS timestamptz)", workflow="''"),
    # Of frozen answers, and of records that are kept, the newest word of a judge is what it is compared with.
    "judgements": Rows(
        "old.at",
        "(old.label IS NOT NULL OR EXISTS (SELECT FROM judgements AS newer WHERE newer.workflow = old.workflow "
        "AND newer.judge = old.judge AND newer.subject = old.subject AND newer.id > old.id))",
    ),
    "eval_results": Rows(
        "old.at",
        "EXISTS (SELECT FROM eval_results AS newer WHERE newer.workflow = old.workflow AND newer.at > old.at) "
        "AND NOT EXISTS (SELECT FROM baselines WHERE baselines.workflow = old.workflow "
        "  AND (baselines.run_id = old.run_id OR old.run_id = ANY (baselines.runs)) "
        "  AND baselines.id = (SELECT max(id) FROM baselines AS b WHERE b.workflow = old.workflow)) "
        "AND NOT EXISTS (SELECT FROM incidents WHERE incidents.run_id = old.run_id AND state <> 'resolved')",
    ),
    "reopened_windows": Rows("old.noticed_at", "old.corrected_by IS NOT NULL"),
    "fingerprints": Rows(
        "old.last_seen_at",
        "EXISTS (SELECT FROM fingerprints AS newer WHERE newer.workflow = old.workflow AND newer.id > old.id)",
    ),
    "outbox": Rows(
        "old.created_at",
        "old.state NOT IN ('pending', 'digest') AND NOT EXISTS (SELECT FROM incidents "
        "WHERE incidents.id = old.incident_id AND incidents.state <> 'resolved') "
        "AND NOT afterpilot_still_told('message:' || old.id)",
    ),
    "reports": Rows(
        "old.created_at",
        "NOT EXISTS (SELECT FROM outbox WHERE outbox.report_id = old.id) "
        "AND EXISTS (SELECT FROM reports AS newer WHERE newer.workflow = old.workflow AND newer.week > old.week)",
    ),
    "incidents": Rows(
        "old.resolved_at",
        "old.state = 'resolved' AND NOT EXISTS (SELECT FROM outbox WHERE outbox.incident_id = old.id) "
        "AND NOT EXISTS (SELECT FROM incidents AS other WHERE other.cause_id = old.id) "
        "AND NOT afterpilot_still_told('incident:' || old.id)",
    ),
    "silences": Rows("old.ends_at", "NOT afterpilot_still_told('silence:' || old.id)"),
    "task_failures": Rows("old.at", "old.over_at IS NOT NULL", workflow="''"),
    "write_backs": Rows("old.decided_at", f"old.state = 'done' AND {_NO_RECORD}"),
    "releases": Rows("old.decided_at", f"old.state NOT IN ('pending', 'failed') AND {_OF_OUTPUT}"),
    "case_offers": Rows("greatest(old.offered_at, old.answered_at)", f"old.state <> 'offered' AND {_NO_RECORD}"),
    # With them goes a key, which a hold keeps whatever time it is over.
    "human_decisions": Rows(
        "old.decided_at",
        f"{_OF_OUTPUT} AND NOT EXISTS (SELECT FROM holds WHERE ended_at IS NULL AND holds.workflow IN ('', old.workflow)) "
        "AND NOT afterpilot_still_told(afterpilot_output_subject(old.workflow, old.key))",
    ),
    "review_items": Rows("greatest(old.decided_at, old.opened_at)", f"old.decided_at IS NOT NULL AND {_OF_OUTPUT}"),
    # While there is a record without one, the gate would decide on it anew.
    "gate_decisions": Rows("old.decided_at", _OF_OUTPUT),
    "spot_check_rates": Rows("CAST(old.period AS timestamptz)"),
    "cap_raises": Rows("old.period_end", "old.state <> 'pending' AND NOT afterpilot_still_told('raise:' || old.id)"),
}
_HELD = (
    "EXISTS (SELECT FROM holds WHERE ended_at IS NULL AND holds.workflow IN ('', {workflow}) "
    "AND {time} >= coalesce(from_at, '-infinity') AND {time} < coalesce(to_at, 'infinity'))"
)
_LEAST = {table: one.minimum for one in CLASSES.values() for table in one.tables}  # days, by the database's clock
_FOUND = (
    "FROM {table} AS old WHERE {time} < :before AND {time} < now() - interval '{least} days' AND (:workflow = '' OR {workflow} = :workflow) "
    "AND {only} AND NOT {held}"
)
_DELETE = (
    "WITH gone AS (SELECT tableoid, ctid {found} LIMIT :most FOR UPDATE SKIP LOCKED) "
    "DELETE FROM {table} AS old USING gone WHERE old.tableoid = gone.tableoid AND old.ctid = gone.ctid RETURNING {workflow}"
)
_EVENTS = sa.text(
    "DELETE FROM incident_events WHERE incident_id IN (SELECT id FROM incidents AS old WHERE id = ANY(:incidents))"
)
_DAYS = sa.text("DELETE FROM usage_days WHERE day < CAST(:before AS date) RETURNING workflow")
_SEEN = sa.text(
    "SELECT digest, key FROM seen_values WHERE workflow = :workflow "
    "AND (CAST(:digest AS uuid) IS NULL OR (digest, key) > (CAST(:digest AS uuid), :key)) ORDER BY digest, key LIMIT :most"
)
_UNSEEN = sa.text(
    "DELETE FROM seen_values AS old USING unnest(CAST(:digests AS uuid[]), CAST(:keys AS text[])) AS page (digest, key) "
    "WHERE old.workflow = :workflow AND old.digest = page.digest AND old.key = page.key "
    "AND NOT EXISTS (SELECT FROM records WHERE records.workflow = :workflow AND records.key = old.key)"
)
_SHRED = sa.text(
    "UPDATE subjects SET key = NULL, name = NULL, digest = NULL, erased_at = clock_timestamp() WHERE digest = ANY(:digests)"
)


def expired(connection: sa.Connection, table: str, *, before: datetime, workflow: str = "") -> int:
    """How many rows would go now."""
    statement = sa.text(f"SELECT count(*) {_filled(_FOUND, table)}")
    return connection.scalar(statement, {"before": before, "workflow": workflow}) or 0


def expire(connection: sa.Connection, table: str, *, before: datetime, workflow: str = "") -> Mapping[str, int]:
    """Delete one batch of rows older than ``before``, of one workflow or of all: how many of which workflow.

    With a decision goes the key under which the ledger's personal values about its output are sealed.
    """
    given = {"before": before, "workflow": workflow, "most": BATCH}
    keep_holds(connection)
    if table == "incidents":
        return _incidents(connection, given)
    key = ", old.key" if table == "human_decisions" else ""
    gone = connection.execute(sa.text(_filled(_DELETE, table) + key), given).all()
    if key:
        connection.execute(_SHRED, {"digests": [output(row[0], row[1]).digest for row in gone]})
    return Counter(row[0] for row in gone)


def forget_days(connection: sa.Connection, *, before: datetime) -> Mapping[str, int]:
    """Delete the daily sums of calls that are gone themselves."""
    return Counter(connection.scalars(_DAYS, {"before": before}).all())


def forget_seen(connection: sa.Connection, workflow: str) -> int:
    """Delete what records have said that are gone; nothing looks for it any more. In pages, each of which is soon read."""
    gone, last = 0, {"digest": None, "key": ""}
    while page := connection.execute(_SEEN, {"workflow": workflow, "most": BATCH, **last}).all():
        digests, keys = [row.digest for row in page], [row.key for row in page]
        gone += connection.execute(_UNSEEN, {"workflow": workflow, "digests": digests, "keys": keys}).rowcount
        last = {"digest": digests[-1], "key": keys[-1]}
    return gone


def _incidents(connection: sa.Connection, given: Mapping[str, object]) -> Mapping[str, int]:
    """Incidents go with their events."""
    found = sa.text(f"SELECT id, workflow {_filled(_FOUND, 'incidents')} LIMIT :most FOR UPDATE SKIP LOCKED")
    rows = connection.execute(found, given).all()
    ids = [row.id for row in rows]
    connection.execute(_EVENTS, {"incidents": ids})
    connection.execute(sa.text("DELETE FROM incidents WHERE id = ANY(:incidents)"), {"incidents": ids})
    return Counter(row.workflow for row in rows)


def _filled(statement: str, table: str) -> str:
    rows = TABLES[table]
    held = _HELD.format(workflow=rows.workflow, time=rows.time)
    given = {"table": table, "time": rows.time, "workflow": rows.workflow, "only": rows.only, "held": held}
    given["least"] = str(_LEAST[table])
    return statement.format(found=_FOUND.format(**given), **given)

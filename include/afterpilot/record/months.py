"""The months of partitioned tables: which there are, why one has to stay, and how one is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from afterpilot.domain.retention import DataClass, Removal, month_end
from afterpilot.record.ledger.removed import with_month
from afterpilot.record.spend.metering import LOCK as OF_USAGE

_LOCK_WAIT = "3s"  # for who reads the table: a drop that waits for longer would make all others wait behind it
_NOT_NOW, _REFUSED = (
    "55P03",
    "42501",
)  # SQLSTATE of a lock that was not to be had, and of what the database does not allow
_MONTHS = sa.text(
    "SELECT child.relname AS name, child.reltuples AS rows, pg_total_relation_size(child.oid) AS size "
    "FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid "
    "WHERE inhparent = CAST(:table AS regclass) ORDER BY child.relname"
)
_KEPT = sa.text("SELECT afterpilot_kept(:table, :month)")
_DROP = sa.text("SELECT afterpilot_drop_partition(:table, :month)")

# What still stands on runs, by the moment at which these were finished.
_RUNS = sa.text(
    "WITH standing AS (SELECT DISTINCT ON (workflow) workflow, run_id, runs FROM baselines ORDER BY workflow, id DESC), "
    "needed (id, why) AS ("
    "  SELECT run_id, 'the incident ' || left(CAST(id AS text), 8) || ' is not resolved' FROM incidents "
    "    WHERE state <> 'resolved' "
    "  UNION ALL SELECT event.run_id, 'the incident ' || left(CAST(incident_id AS text), 8) || ' is not resolved' "
    "    FROM incident_events AS event JOIN incidents ON incidents.id = incident_id AND state <> 'resolved' "
    "  UNION ALL SELECT run_id, 'an output of ' || workflow || ' waits for a person' FROM review_items WHERE decided_at IS NULL "
    "  UNION ALL SELECT unnest(runs || run_id), 'evals of ' || workflow || ' are compared with a run of it' FROM standing "
    "  UNION ALL SELECT unnest(ARRAY[run_id, judged_by]), 'a window of ' || workflow || ' is to be judged again' "
    "    FROM reopened_windows WHERE corrected_by IS NULL) "
    "SELECT min(why) FROM needed JOIN run_ids USING (id) WHERE finished_at >= :start AND finished_at < :end"
)
# Samples stand at the moment when their run began.
_SAMPLES = sa.text(
    "WITH standing AS (SELECT DISTINCT ON (workflow) workflow, run_id, runs FROM baselines ORDER BY workflow, id DESC), "
    "needed (run_id, why) AS ("
    "  SELECT unnest(runs || run_id), 'evals of ' || workflow || ' are compared with a run of it' FROM standing "
    "  UNION ALL SELECT run_id, 'the incident ' || left(CAST(id AS text), 8) || ' is not resolved' FROM incidents "
    "    WHERE state <> 'resolved') "
    "SELECT min(why) FROM needed JOIN eval_results USING (run_id) WHERE at >= :start AND at < :end"
)
_RECORDS = sa.text(
    "SELECT min(why) FROM ("
    "  SELECT at, 'an output of ' || workflow || ' waits for a person' FROM review_items WHERE decided_at IS NULL "
    "  UNION ALL SELECT at, 'production of ' || workflow || ' is not told yet' FROM releases WHERE state IN ('pending', 'failed')"
    ") AS needed (at, why) WHERE at >= :start AND at < :end"
)
_NEEDED = {"runs": _RUNS, "samples": _SAMPLES, "records": _RECORDS}
# How a workflow stands is told by the newest run of each of its stages, whatever its age.
_NEWEST = (
    "SELECT 'the newest run of ' || stage || ' of ' || workflow || ' is among it' FROM (SELECT DISTINCT workflow, stage FROM {part}) AS here "
    "WHERE (workflow = '_fleet' OR EXISTS (SELECT FROM current_declarations AS now JOIN declarations USING (workflow, sha256) "
    "    WHERE now.workflow = here.workflow AND present AND document ->> 'stage' IS DISTINCT FROM 'retired')) "
    "  AND NOT EXISTS (SELECT FROM runs AS later WHERE later.workflow = here.workflow AND later.stage = here.stage "
    "    AND later.finished_at >= :end) ORDER BY 1 LIMIT 1"
)
# One look into the index for each workflow, however many rows it has.
_WORKFLOWS = (
    "WITH RECURSIVE found (workflow) AS ((SELECT workflow FROM {part} ORDER BY workflow LIMIT 1) UNION ALL "
    "  SELECT (SELECT workflow FROM {part} AS next WHERE next.workflow > found.workflow ORDER BY workflow LIMIT 1) "
    "  FROM found WHERE found.workflow IS NOT NULL) "
    "SELECT workflow FROM found WHERE workflow IS NOT NULL"
)


class Month(NamedTuple):
    """One month of a table: an estimate of its rows, and bytes with its indexes."""

    table: str
    month: date
    rows: int
    size: int


def months(connection: sa.Connection, table: str) -> Sequence[Month]:
    """The months that there are of a table, the oldest first."""
    return [
        Month(table, _month_of(row.name), _rows(connection, row.name, row.rows), row.size)
        for row in connection.execute(_MONTHS, {"table": table}).all()
    ]


def workflows_in(connection: sa.Connection, table: str, month: date) -> Sequence[str]:
    """Whose rows a month of ``records`` holds."""
    return connection.scalars(sa.text(_WORKFLOWS.format(part=_part(table, month)))).all()


def needed_by(connection: sa.Connection, data_class: DataClass, month: date) -> str:
    """Why a month has to stay though it is old enough; empty where nothing needs it."""
    tables = [table for table in data_class.partitions if _there(connection, table, month)]
    for table in tables:
        if why := connection.scalar(_KEPT, {"table": table, "month": month}):
            return str(why)
    span = {"start": datetime(month.year, month.month, 1, tzinfo=UTC), "end": month_end(month)}
    if (asked := _NEEDED.get(data_class.name)) is not None and (why := connection.scalar(asked, span)):
        return str(why)
    if "runs" in tables:
        return str(connection.scalar(sa.text(_NEWEST.format(part=_part("runs", month))), {"end": span["end"]}) or "")
    return ""


def drop(connection: sa.Connection, data_class: DataClass, month: date) -> tuple[Sequence[Removal], str]:
    """Drop a month of all tables of a class, in the transaction of ``connection``: what went, or why nothing did."""
    sizes = {
        one.table: one for table in data_class.partitions for one in months(connection, table) if one.month == month
    }
    if "usage" in sizes:
        connection.execute(OF_USAGE)  # nobody makes sums of calls that are going
    ended = with_month(connection, month) if "ledger" in sizes else None
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'")
            gone = [table for table in sizes if connection.scalar(_DROP, {"table": table, "month": month})]
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    except sa.exc.DBAPIError as error:
        if (why := _why_not(error)) is None:
            raise
        return (), why
    removed = [Removal(data_class.name, one, sizes[one].rows, month, size=sizes[one].size, gone=ended) for one in gone]
    return removed, ""


def _why_not(error: sa.exc.DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", "")
    if state == _NOT_NOW:
        return "somebody is reading it just now; the next pass tries again"
    return str(error.orig).splitlines()[0] if state == _REFUSED else None


def _month_of(name: str) -> date:
    _, year, month = name.rsplit("_", 2)
    return date(int(year), int(month), 1)


def _part(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def _there(connection: sa.Connection, table: str, month: date) -> bool:
    return connection.scalar(sa.text("SELECT to_regclass(:name)"), {"name": _part(table, month)}) is not None


def _rows(connection: sa.Connection, name: str, estimated: float) -> int:
    """The estimate, or where nobody has made one yet the count."""
    if estimated >= 0:
        return int(estimated)
    return connection.scalar(sa.text(f'SELECT count(*) FROM "{name}"')) or 0  # noqa: S608 - PostgreSQL's own name

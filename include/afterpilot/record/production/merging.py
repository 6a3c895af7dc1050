"""Writes many records at once: straight where none of them is known, else by COPY into a table of the transaction's own and from
there with a few statements.

What stands afterwards is what writing row by row would leave: the newest of a key, with its call; changed data replaces what
was there; a record whose time was corrected stands once. Merges of one workflow come one after the other.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from afterpilot.domain.record import Record, Usage
from afterpilot.domain.record_lines import COLUMNS, RecordLines, line_of
from afterpilot.domain.window import Window
from afterpilot.record import partitions
from afterpilot.record.plain import as_text
from afterpilot.record.production.adding import Split, add, copy, split
from afterpilot.record.production.displaced import Displaced, Stood
from afterpilot.record.spend import prices
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.spend.quarters import QUARTER


class Written(NamedTuple):
    """What a write did.

    ``new`` counts keys that were not there before, ``late`` those of them that are older than ``since``, ``changed`` records
    whose data or time was corrected (less those of earlier batches that turn out not to be), ``repeated`` rows that gave way to a newer one with their key. ``left``
    holds where records stood until their time was corrected, one moment for each minute.
    """

    new: int = 0
    late: int = 0
    changed: int = 0
    repeated: int = 0
    left: tuple[datetime, ...] = ()


_TABLES = """
CREATE TEMPORARY TABLE pulled (key text NOT NULL, at timestamptz NOT NULL, data jsonb NOT NULL, model text NOT NULL,
  input_tokens bigint, output_tokens bigint, cached_tokens bigint NOT NULL, details jsonb, price_id bigint, cost numeric) ON COMMIT DROP;
CREATE TEMPORARY TABLE known (key text NOT NULL, at timestamptz NOT NULL, was_at timestamptz NOT NULL, run_id uuid,
  changed boolean NOT NULL) ON COMMIT DROP
"""
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended('records of ' || :workflow, 0))")
_REPEATED = sa.text(
    "SELECT (SELECT count(*) FROM pulled) - (SELECT count(*) FROM (SELECT FROM pulled GROUP BY key) AS k)"
)
_KEEP_NEWEST = sa.text(
    "DELETE FROM pulled USING (SELECT ctid AS place, "
    "  row_number() OVER (PARTITION BY key ORDER BY at DESC, ctid DESC) AS age FROM pulled) AS ranked "
    "WHERE pulled.ctid = ranked.place AND ranked.age > 1"
)
# LATERAL with OFFSET: one look into each index for each key, whatever the planner thinks of tables it has not analysed yet.
_KEEP_LOST = sa.text(
    "UPDATE pulled SET data = pulled.data || standing.data FROM (SELECT place.ctid AS place, ("
    "    SELECT coalesce(jsonb_object_agg(field, value), '{}') FROM jsonb_each(kept.data) AS each (field, value) "
    "    WHERE field = ANY(:lost)) AS data "
    "  FROM pulled AS place CROSS JOIN LATERAL "
    "    (SELECT data FROM records WHERE workflow = :workflow AND key = place.key LIMIT 1) AS kept) AS standing "
    "WHERE pulled.ctid = standing.place"
)
_KNOWN = sa.text(
    "INSERT INTO known SELECT pulled.key, pulled.at, kept.at, kept.run_id, "
    "  kept.at = pulled.at AND kept.data IS DISTINCT FROM pulled.data "
    "FROM pulled CROSS JOIN LATERAL (SELECT at, run_id, data FROM records "
    "  WHERE workflow = :workflow AND key = pulled.key OFFSET 0) AS kept"
)
# Where the newer row was read by this very run, or lies in no window that is read now, it is at the source as far as anybody knows.
_GIVE_WAY = sa.text(
    "WITH newer AS (DELETE FROM known WHERE was_at > at AND (run_id = CAST(:run_id AS uuid) OR key = ANY(:seen) OR "
    "  (cardinality(CAST(:starts AS timestamptz[])) > 0 AND NOT EXISTS (SELECT FROM "
    "    unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS span (start, until) "
    "    WHERE was_at >= start AND was_at < until))) RETURNING key) "
    "DELETE FROM pulled USING newer WHERE pulled.key = newer.key"
)
_UNCHANGED = sa.text("SELECT key, at FROM known WHERE was_at = at AND NOT changed")
_OLDER = sa.text("SELECT key, was_at FROM known WHERE was_at > at")
_DISPLACED = sa.text(
    "SELECT known.key, known.was_at, kept.run_id, md5(CAST(kept.data AS text)) AS data_md5 FROM known CROSS JOIN LATERAL "
    "  (SELECT run_id, data FROM records WHERE workflow = :workflow AND key = known.key AND at = known.was_at OFFSET 0) AS kept "
    "WHERE known.was_at > known.at"
)
_NEWER_AGAIN = sa.text(
    "SELECT pulled.key, pulled.at, md5(CAST(pulled.data AS text)) AS data_md5 FROM known JOIN pulled USING (key, at) "
    "WHERE known.was_at < known.at AND known.run_id = CAST(:run_id AS uuid)"
)
_AS_IT_STOOD = sa.text(
    "UPDATE records SET run_id = :b_run WHERE workflow = :b_workflow AND key = :b_key AND at = :b_at"
)
_COUNTED = sa.text(
    "SELECT count(DISTINCT key) AS keys, count(*) FILTER (WHERE was_at <> at) AS moved, "
    "  count(*) FILTER (WHERE changed) AS changed, "
    "  count(DISTINCT key) FILTER (WHERE was_at <> at AND run_id IS DISTINCT FROM CAST(:run_id AS uuid)) AS corrected, "
    "  count(*) FILTER (WHERE was_at < at AND run_id = CAST(:run_id AS uuid)) AS repeated FROM known"
)
# Rows are found again by their primary keys alone: a join would be planned by what is known of tables that nobody may have
# analysed yet, and then reads all of them.
_MOVED = sa.text("SELECT key AS b_key, was_at AS b_at FROM known WHERE was_at <> at")
_FORGET = (
    sa.text("DELETE FROM usage WHERE workflow = :b_workflow AND kind = 'production' AND ref = :b_key AND at = :b_at"),
    sa.text("DELETE FROM records WHERE workflow = :b_workflow AND key = :b_key AND at = :b_at"),
)
_CHANGE = sa.text(
    "INSERT INTO records (workflow, key, at, data, run_id) "
    "SELECT :workflow, key, at, data, CAST(:run_id AS uuid) FROM pulled JOIN known USING (key, at) WHERE known.changed "
    "ON CONFLICT (workflow, key, at) DO UPDATE SET data = excluded.data, run_id = excluded.run_id, pulled_at = now()"
)
_ADD = sa.text(
    "INSERT INTO records (workflow, key, at, data, run_id) SELECT :workflow, key, at, data, CAST(:run_id AS uuid) FROM pulled "
    "WHERE NOT EXISTS (SELECT FROM known WHERE known.key = pulled.key AND known.was_at = pulled.at)"
)
_USED = ("model", "input_tokens", "output_tokens", "cached_tokens", "details")
_CALL = ", ".join([*_USED, "price_id", "cost"])
_NEW = (
    f"INSERT INTO usage (workflow, kind, ref, at, {_CALL}) SELECT :workflow, 'production', key, at, {_CALL} FROM pulled"  # noqa: S608
)
# A call that is known already keeps its price unless its usage changed.
_OR_CHANGED = (
    f" ON CONFLICT (workflow, at, kind, ref) DO UPDATE SET ({_CALL}) = "
    f"  ({', '.join(f'excluded.{name}' for name in (*_USED, 'price_id', 'cost'))}) "
    f"WHERE ({', '.join(f'usage.{name}' for name in _USED)}) IS DISTINCT FROM "
    f"  ({', '.join(f'excluded.{name}' for name in _USED)})"
)
_MARKED = f"INSERT INTO usage_changes (workflow, quarter) SELECT DISTINCT :workflow, {QUARTER.format('at')} FROM "  # noqa: S608 - text of this module alone
_NEW_CALLS = sa.text(f"WITH written AS ({_NEW} RETURNING at) {_MARKED} written")
_CALLS = sa.text(f"WITH written AS ({_NEW}{_OR_CHANGED} RETURNING at) {_MARKED} written")
_MARK_LEFT = sa.text(f"{_MARKED} (SELECT was_at FROM known WHERE was_at <> at) AS gone (at)")  # noqa: S608
_LATE = sa.text(
    "SELECT count(*) FROM pulled WHERE at < :since AND NOT EXISTS (SELECT FROM known WHERE known.key = pulled.key)"
)
_LEFT = sa.text(
    "SELECT min(was_at) FROM known WHERE was_at < at AND run_id IS DISTINCT FROM CAST(:run_id AS uuid) "
    "GROUP BY date_trunc('minute', was_at)"
)
_DONE = "DROP TABLE pulled, known"


def merge(
    connection: sa.Connection,
    lines: RecordLines,
    run_id: uuid.UUID,
    *,
    since: datetime | None,
    lost: Collection[str] = (),
    spans: Sequence[Window] = (),
    pricing: Pricing | None = None,
    displaced: Displaced | None = None,
    ordered: bool = False,
) -> Written:
    """Write the records and their usage in the transaction of ``connection``; ``since`` is where what is new should begin.
    Fields that the source has ``lost`` keep what is on record. A row gives way to a newer one of its key on record that lies
    in none of the ``spans`` that are read: it comes twice there, and has not moved. Without spans all is read. Without
    ``pricing``, calls are priced when they are summed. ``displaced`` is what earlier batches of the pull have displaced; where it
    is given, it says in the end where records stood that moved back in time. ``ordered`` rows come by their time.
    """
    given: dict[str, Any] = {"workflow": lines.workflow, "run_id": run_id, "lost": sorted(lost), "since": since}
    given |= {"starts": [one.start for one in spans], "ends": [one.end for one in spans]}
    run = _Statements(connection, given)
    run(_LOCK)
    calls = split(lines, pricing, since=since)
    for table in ("records", "usage"):  # before they are read: two writers who have read would wait for each other
        partitions.ensure(connection, table, calls.quarters)
    if add(connection, calls, run_id):
        written = Written(new=lines.rows, late=calls.late)
    else:
        known = Displaced() if displaced is None else displaced
        written = _merged(connection, calls, run, known, ordered=ordered)
        if displaced is None:
            written = written._replace(left=(*written.left, *known.left()))
    if pricing is not None:  # last: whoever waits for a new price waits for nobody who still waits for a call
        prices.keep(connection, pricing.taken())
    return written


def _merged(
    connection: sa.Connection, calls: Split, run: _Statements, displaced: Displaced, *, ordered: bool
) -> Written:
    """Write records of which some are known, or come twice."""
    _stage(connection, calls)
    given, rows = run.given, len(calls.keys)
    repeated = int(connection.scalar(_REPEATED) or 0)
    if repeated:
        run(_KEEP_NEWEST)
    if given["lost"]:
        run(_KEEP_LOST)
    run(_KNOWN)
    if not (ordered or displaced.full):
        displaced.see((row.key, row.at) for row in run(_UNCHANGED))
    given["seen"] = [row.key for row in run(_OLDER) if displaced.seen(row.key, row.was_at)]
    older = run(_GIVE_WAY).rowcount
    for row in run(_DISPLACED):
        displaced.remember(row.key, Stood(row.was_at, row.data_md5, row.run_id))
    back = [(row, stood) for row in run(_NEWER_AGAIN) if (stood := displaced.again(row.key, row.at, row.data_md5))]
    found = run(_COUNTED).one()
    written = Written(
        new=rows - repeated - older - found.keys,
        late=int(run(_LATE).scalar_one()) if given["since"] else 0,
        changed=found.changed + found.corrected - len(back),
        repeated=repeated + older + found.repeated,
        left=tuple(run(_LEFT).scalars()) if found.moved else (),
    )
    if found.moved:
        run(_MARK_LEFT)
        moved = [{"b_workflow": calls.workflow, **row} for row in run(_MOVED).mappings()]
        for forget in _FORGET:
            connection.execute(forget, moved)
    if found.changed:
        run(_CHANGE)
    run(_ADD)
    if back:
        as_it_stood = [
            {"b_workflow": calls.workflow, "b_key": row.key, "b_at": row.at, "b_run": stood.run_id}
            for row, stood in back
        ]
        connection.execute(_AS_IT_STOOD, as_it_stood)
    if found.keys or not _all_new(connection, run):
        run(_CALLS)
    connection.exec_driver_sql(_DONE)
    return written


def lines_of(batch: Sequence[Record]) -> RecordLines:
    """Records of one workflow as lines."""
    text = b"".join(line_of(_values(record)) + b"\n" for record in batch)
    return RecordLines(batch[0].workflow if batch else "", text, len(batch))


def _values(record: Record) -> Sequence[str | None]:
    used = record.usage or Usage("", None, None)
    counts = (used.input_tokens, used.output_tokens, used.cached_tokens)
    tokens = (None if count is None else str(count) for count in counts)
    details = None if used.details.plain else as_text(used.details.as_json())
    at = record.at.astimezone(UTC).isoformat()
    return (record.key, at, as_text(dict(record.data)), used.model, *tokens, details)


class _Statements:
    """Statements that take what they name of the parameters."""

    def __init__(self, connection: sa.Connection, given: dict[str, Any]) -> None:
        self._connection = connection
        self.given = given

    def __call__(self, statement: sa.TextClause) -> sa.CursorResult[Any]:
        named = statement.compile().params
        return self._connection.execute(statement, {name: self.given[name] for name in named})


def _all_new(connection: sa.Connection, run: _Statements) -> bool:
    """Add calls as if none was known, which takes half as long; False where one was: then nothing was added."""
    try:
        with connection.begin_nested():
            run(_NEW_CALLS)
    except IntegrityError:
        return False
    return True


def _stage(connection: sa.Connection, lines: Split) -> None:
    for statement in _TABLES.split(";"):
        connection.exec_driver_sql(statement)
    copy(connection, f"COPY pulled ({', '.join((*COLUMNS, 'price_id', 'cost'))}) FROM STDIN", lines.whole())

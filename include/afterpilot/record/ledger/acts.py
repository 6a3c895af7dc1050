"""What was done, row by row, as the tables say it, held against its entry: pages read the tables, heads vouch for entries.

Rows are read in the order of their subjects through a cursor of the server's: memory does not grow with their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import ITSELF
from afterpilot.record.ledger.audit import OUTPUT
from afterpilot.record.ledger.removed import Removed
from afterpilot.record.ledger.standing import Flaws
from afterpilot.record.ledger.words import Words, same

MOST = 100  # of each table and look
AT_ONCE = 1_000  # rows that are held in memory
# Of each table: its rows as (subject, action, at, id, by, said, words). ``said`` are values of the payload, ``words`` those that an
# erasure may have taken a name out of. What a row has to be told from others of the same moment is its ``id``.
_ACTS: Mapping[str, str] = {
    "human_decisions": (
        f"SELECT {OUTPUT} AS subject, 'review\\:decision\\:made' AS action, decided_at AS at, '' AS id, decided_by AS by, "  # noqa: S608 - constants
        "json_build_object('decision', decision, 'minutes', minutes, 'seconds', seconds) AS said, "
        "json_build_object('note', note, 'corrected', corrected) AS words FROM human_decisions WHERE origin = 'review'"
    ),
    "incident_events": (
        "SELECT 'incident:' || incident_id AS subject, 'alerts\\:incident\\:' || what AS action, at, CAST(id AS text) AS id, "
        "actor AS by, json_build_object('run', run_id) AS said, json_build_object('note', note) AS words "
        "FROM incident_events WHERE what <> 'seen'"
    ),
    "baselines": (
        "SELECT 'run:' || run_id AS subject, 'evals\\:baseline\\:approved' AS action, approved_at AS at, CAST(id AS text) AS id, "
        "approved_by AS by, json_build_object('runs', runs, 'terms', terms) AS said, json_build_object('note', note) AS words "
        "FROM baselines"
    ),
    "silences": (
        "SELECT 'silence:' || id AS subject, 'alerts\\:silence\\:set' AS action, starts_at AS at, '' AS id, by, "
        "json_build_object('workflow', workflow, 'kind', kind) AS said, json_build_object('reason', reason) AS words FROM silences"
    ),
}
_ENTRIES: Mapping[str, str] = {
    "human_decisions": "l.action = 'review\\:decision\\:made'",
    "incident_events": "starts_with(l.action, 'alerts\\:incident\\:')",
    "baselines": "l.action = 'evals\\:baseline\\:approved'",
    "silences": "l.action = 'alerts\\:silence\\:set'",
}
_WITH = {"incident_events": "incidents"}  # what goes with the rows of another table
_TOLD = (
    "SELECT w.*, l.payload, l.actor FROM ({rows}) AS w "
    "JOIN ledger l ON l.subject = w.subject AND l.action = w.action AND l.at = w.at ORDER BY w.subject, w.action, w.at, w.id"
)
_LOST = (
    "SELECT l.subject, l.at, min(l.workflow) AS workflow, min(CAST(l.payload AS json) ->> 'workflow') AS whose, "
    "count(*) AS entries, coalesce(min(w.rows), 0) AS rows "
    "FROM ledger l LEFT JOIN (SELECT subject, action, at, count(*) AS rows FROM ({rows}) AS w GROUP BY 1, 2, 3) AS w "
    "ON w.subject = l.subject AND w.action = l.action AND w.at = l.at WHERE {which} "
    "GROUP BY l.subject, l.action, l.at HAVING count(*) <> coalesce(min(w.rows), 0) ORDER BY min(l.id)"
)
# Found again, which has no entry of its own: a run says so that is on record, in the words that were told last.
_SEEN = (
    "SELECT 'incident:' || e.incident_id AS subject, e.at, e.actor, e.note, l.payload, "
    "  e.run_id IS NULL OR EXISTS (SELECT FROM run_ids r WHERE r.id = e.run_id) AS run_known "
    "FROM incident_events e CROSS JOIN LATERAL ("
    "  SELECT payload FROM ledger WHERE subject = 'incident:' || e.incident_id AND at <= e.at AND action IN "
    "    ('alerts\\:incident\\:opened', 'alerts\\:incident\\:changed', 'alerts\\:incident\\:reopened') "
    "  ORDER BY id DESC LIMIT 1) AS l WHERE e.what = 'seen' ORDER BY e.id"
)


def look(connection: sa.Connection) -> Flaws:
    """Hold each row against its entry, and each entry against its row."""
    flaws, removed, words = Flaws(), Removed(connection), Words(connection)
    for table, rows in _ACTS.items():
        flaws.problems += islice(_changed(connection, words, table, rows), MOST)
        flaws.problems += islice(_lost(connection, removed, table, rows), MOST)
    flaws.problems += islice(_seen(connection, words), MOST)
    return flaws


def streamed(connection: sa.Connection, statement: str, **given: object) -> Iterator[Any]:
    """The rows of a statement, a thousand at once."""
    options = {"stream_results": True, "yield_per": AT_ONCE}
    with connection.execute(sa.text(statement), given, execution_options=options) as rows:
        yield from rows


def _changed(connection: sa.Connection, words: Words, table: str, rows: str) -> Iterator[str]:
    """Rows that say something else than each entry of their subject, action and time."""
    found = streamed(connection, _TOLD.format(rows=rows))
    for (subject, action, at, _), pairs in groupby(found, lambda row: (row.subject, row.action, row.at, row.id)):
        wrong = [_difference(words, pair) for pair in pairs]
        if all(wrong):
            yield f"{table}: {subject} of {at:%Y-%m-%d %H:%M} UTC has another {wrong[0]} than its entry {action}"


def _lost(connection: sa.Connection, removed: Removed, table: str, rows: str) -> Iterator[str]:
    """Entries whose row is gone, and no entry says that retention has removed it; and rows that stand there more often."""
    for row in streamed(connection, _LOST.format(rows=rows, which=_ENTRIES[table])):
        if row.rows > row.entries:
            yield (
                f"{table}: what {row.subject} of {row.workflow} tells of {row.at:%Y-%m-%d %H:%M} UTC stands there "
                f"{row.rows} times, and was recorded {row.entries} times"
            )
        elif not removed.rows(_WITH.get(table, table), row.whose or row.workflow, row.at):
            yield f"{table}: what {row.subject} of {row.workflow} tells of {row.at:%Y-%m-%d %H:%M} UTC is not there any more"


def _seen(connection: sa.Connection, words: Words) -> Iterator[str]:
    """What is said to have been found again by nobody, or otherwise than it was told."""
    for row in streamed(connection, _SEEN):
        if wrong := _seen_otherwise(words, row):
            yield f"incident_events: {row.subject} of {row.at:%Y-%m-%d %H:%M} UTC, seen again, has another {wrong} than the ledger tells"


def _seen_otherwise(words: Words, row: Any) -> str:  # noqa: ANN401 - a row
    if not row.run_known:
        return "run"
    if row.actor != ITSELF:
        return "name"
    payload = json.loads(row.payload)
    return "" if words.said(payload.get("title", payload.get("note")), row.note) else "note"


def _difference(words: Words, row: Any) -> str:  # noqa: ANN401 - a row
    """What the row says differently from the entry, of which it is the first; empty where nothing is."""
    payload = json.loads(row.payload)
    if not words.named(row.actor, row.by):
        return "name"
    for name, value in row.said.items():
        if name in payload and not same(payload[name], value):
            return str(name)
    for name, value in row.words.items():
        if name not in payload and row.action.endswith(":opened"):  # whose entry has the title instead
            continue
        if not words.said(payload.get(name), value) and (value or not words.output_erased(row.subject)):
            return str(name)
    return ""

"""Writes records of which none is known yet, the usual case, straight into their tables by COPY: half the work of a merge."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import NamedTuple

import psycopg
import sqlalchemy as sa

from afterpilot.domain.record_lines import RecordLines, line_of, values_of
from afterpilot.record import partitions

_RECORDS = "COPY records (key, at, data, workflow, run_id) FROM STDIN"
_CALLS = "COPY usage (ref, at, model, input_tokens, output_tokens, cached_tokens, workflow, kind) FROM STDIN"
_AT_ONCE = 500
# One look into the index where the keys ascend, as most do: between the least and the greatest of them nothing is on record.
_BETWEEN = sa.text(
    "WITH given AS (SELECT min(key) AS least, max(key) AS most FROM unnest(CAST(:keys AS text[])) AS each (key)) "
    "SELECT coalesce((SELECT key FROM records WHERE workflow = :workflow AND key >= (SELECT least FROM given) "
    "  ORDER BY workflow, key, at LIMIT 1) <= (SELECT most FROM given), false)"
)
# OFFSET: one look for each key, whatever the planner thinks of tables that nobody has analysed yet.
_AMONG = sa.text(
    "SELECT EXISTS (SELECT FROM unnest(CAST(:keys AS text[])) AS each (key) CROSS JOIN LATERAL "
    "  (SELECT FROM records WHERE workflow = :workflow AND key = each.key OFFSET 0) AS kept)"
)


class _Split(NamedTuple):
    """The lines, apart: what goes into ``records`` and into ``usage``, each still without its workflow."""

    records: list[bytes]
    calls: list[bytes]
    keys: list[str]
    moments: list[datetime]


def add(connection: sa.Connection, lines: RecordLines, run_id: uuid.UUID, *, since: datetime | None) -> int | None:
    """How many of the records are older than ``since``; None where a key or call is known already, or comes twice: then nothing
    was written. Nobody else may write records of the workflow meanwhile.
    """
    given = _split(lines)
    if len(set(given.keys)) < lines.rows or _known(connection, lines.workflow, given.keys):
        return None
    months = {(moment.year, moment.month): moment for moment in given.moments}
    for table in ("records", "usage"):
        partitions.ensure(connection, table, months.values())
    try:
        with connection.begin_nested():
            copy(connection, _RECORDS, _ended(given.records, lines.workflow, str(run_id)))
            copy(connection, _CALLS, _ended(given.calls, lines.workflow, "production"))
    except psycopg.errors.UniqueViolation:
        return None
    return sum(moment < since for moment in given.moments) if since else 0


def copy(connection: sa.Connection, statement: str, texts: Iterable[bytes]) -> None:
    """Send lines to a COPY in the transaction of ``connection``.

    Raises:
        psycopg.Error: a line cannot be taken.
    """
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):  # pragma: no cover - the ops database is always written by psycopg
        raise TypeError(f"records cannot be copied through {type(raw).__name__}")
    with raw.cursor() as cursor, cursor.copy(statement) as sent:
        for text in texts:
            sent.write(text)


def _split(lines: RecordLines) -> _Split:
    records, calls, keys, moments = [], [], [], []
    for line in BytesIO(lines.text):  # one line at a time: a list of all would be as large as the text
        record, model, given, answered, cached = line[:-1].rsplit(b"\t", 4)
        key, at, _ = record.split(b"\t", 2)
        records.append(record)
        calls.append(b"\t".join((key, at, model, given, answered, cached)))
        keys.append(key.decode() if b"\\" not in key else values_of(key)[0] or "")
        moments.append(datetime.fromisoformat(at.decode()))
    return _Split(records, calls, keys, moments)


def _known(connection: sa.Connection, workflow: str, keys: Sequence[str]) -> bool:
    given = {"workflow": workflow, "keys": list(keys)}
    return bool(connection.scalar(_BETWEEN, given)) and bool(connection.scalar(_AMONG, given))


def _ended(lines: Sequence[bytes], *ends: str) -> Iterator[bytes]:
    """The lines with what they all end in, some at a time."""
    end = b"\t" + line_of(ends) + b"\n"
    for start in range(0, len(lines), _AT_ONCE):
        yield end.join([*lines[start : start + _AT_ONCE], b""])

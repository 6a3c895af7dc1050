"""Writes records of which none is known yet, the usual case, straight into their tables by COPY: half the work of a merge."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import psycopg
import sqlalchemy as sa

from afterpilot.domain.record_lines import RecordLines, line_of, values_of
from afterpilot.record.spend.priced_lines import PricedLines
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.spend.quarters import mark

_RECORDS = "COPY records (key, at, data, workflow, run_id) FROM STDIN"
_CALLS = (
    "COPY usage (ref, at, model, input_tokens, output_tokens, cached_tokens, details, price_id, cost, workflow, kind) "
    "FROM STDIN"
)
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


@dataclass(frozen=True, slots=True)
class Split:
    """Lines apart, in their order: what goes into ``records`` (key, at, data) and into ``usage``, each still without its workflow.

    ``heads`` hold key and at, ``calls`` the rest of the call with its price and cost. ``quarters`` are those that the calls lie
    in, ``late`` counts what is older than it should be.
    """

    workflow: str
    records: Sequence[bytes]
    heads: Sequence[bytes]
    calls: Sequence[bytes]
    keys: Sequence[bytes]
    quarters: frozenset[datetime]
    late: int

    def whole(self) -> Iterator[bytes]:
        """Each line with its price and cost, in the order of ``record_lines.COLUMNS``."""
        for record, call in zip(self.records, self.calls, strict=True):
            yield record + call + b"\n"


def split(lines: RecordLines, pricing: Pricing | None, *, since: datetime | None) -> Split:
    """Take lines apart and price their calls; without ``pricing`` they have no price yet."""
    records, heads, calls, keys = [], [], [], []
    priced = PricedLines(pricing, since)
    for line in BytesIO(lines.text):  # one line at a time: a list of all would be as large as the text
        record, *call = line[:-1].rsplit(b"\t", 5)
        end = record.index(b"\t")
        place = record.index(b"\t", end + 1)
        records.append(record)
        keys.append(record[:end])
        heads.append(record[:place])
        calls.append(priced.call(record[end + 1 : place], *call))
    return Split(lines.workflow, records, heads, calls, keys, priced.quarters, priced.late)


def add(connection: sa.Connection, given: Split, run_id: uuid.UUID) -> bool:
    """Write records and calls; False where a key or call is known already, or comes twice: then nothing was written. Nobody
    else may write records of the workflow meanwhile, and the partitions must be there.
    """
    if len(set(given.keys)) < len(given.keys) or _known(connection, given.workflow, given.keys):
        return False
    try:
        with connection.begin_nested():
            copy(connection, _RECORDS, _ended(given.records, given.workflow, str(run_id)))
            calls = list(map(bytes.__add__, given.heads, given.calls))
            copy(connection, _CALLS, _ended(calls, given.workflow, "production"))
    except psycopg.errors.UniqueViolation:
        return False
    mark(connection, given.workflow, given.quarters)
    return True


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


def _known(connection: sa.Connection, workflow: str, keys: Sequence[bytes]) -> bool:
    given = {"workflow": workflow, "keys": _texts(keys)}
    return bool(connection.scalar(_BETWEEN, given)) and bool(connection.scalar(_AMONG, given))


def _texts(keys: Sequence[bytes]) -> list[str]:
    together = b"\t".join(keys)  # there is no tab in a value: it would be escaped
    if b"\\" in together:
        return [values_of(key)[0] or "" for key in keys]
    return together.decode().split("\t")


def _ended(lines: Sequence[bytes], *ends: str) -> Iterator[bytes]:
    """The lines with what they all end in, some at a time."""
    end = b"\t" + line_of(ends) + b"\n"
    for start in range(0, len(lines), _AT_ONCE):
        yield end.join([*lines[start : start + _AT_ONCE], b""])

"""Verifies the whole ledger in the database: the tree and all that it vouches for, what stands beside it, and every row that has entries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.counting import plural
from afterpilot.domain.errors import ConfigurationError
from afterpilot.record.ledger import acts, heads, letters, standing, states
from afterpilot.record.ledger.audit import missing, older
from afterpilot.record.ledger.heads import Head
from afterpilot.record.ledger.standing import kept_since
from afterpilot.record.ledger.walk import PIECE, Checked, Walk

_SAMPLED = 1_000  # documents that are made again, unless all are asked for
_UNSEALED = sa.text(
    "SELECT count(*) AS waiting, count(*) FILTER (WHERE l.xid < CAST(:horizon AS xid8)) AS late, "
    "count(*) FILTER (WHERE sha256(convert_to(l.payload, 'UTF8')) <> l.payload_hash) AS changed "
    "FROM ledger l WHERE NOT EXISTS (SELECT FROM ledger_leaves s WHERE s.entry_id = l.id)"
)
_HORIZON = sa.text(
    "SELECT CASE WHEN cluster = CAST((SELECT system_identifier FROM pg_control_system()) AS text) "
    "THEN CAST(horizon AS text) ELSE '0' END FROM ledger_heads ORDER BY entries DESC LIMIT 1"
)

Progress = Callable[[int, int, Head | None], None]  # entries read, of how many, and the last head up to which they were


def check_ledger(
    connection: sa.Connection,
    *,
    everything: bool = False,
    head: str = "",
    start: str = "",
    progress: Progress | None = None,
) -> Checked:
    """Verify all of it. ``head`` is one that was published, which the ledger must have; ``everything``: each document is made again,
    and each row held against its entries. ``start`` is a head up to which it was verified before: entries below it are not read.

    ``connection`` has begun a transaction of isolation REPEATABLE READ.

    Raises:
        ConfigurationError: ``start`` is no head of this ledger, or what is below it is not whole.
    """
    found = Checked(ledger=heads.ledger_id(connection), head=heads.last_head(connection))
    begun = heads.head_by_hash(connection, start) if start else None
    if start and begun is None:
        raise ConfigurationError(f"{start!r} is no head of this ledger: begin from its first entry")
    total = found.head.entries if found.head else 0
    every = 1 if everything else max(total // _SAMPLED, 1)
    walk = Walk(connection, found, every, start=begun)
    for first in range(begun.entries if begun else 0, total, PIECE):
        walk.piece(first, min(first + PIECE, total))
        if progress:
            progress(min(first + PIECE, total), total, found.reached)
    walk.end(total)
    found.add(standing.look(connection, found.ledger, total))
    _check_proven(found, begun)
    _check_unsealed(connection, found)
    if everything:
        _check_rows(connection, found)
    if head and heads.head_by_hash(connection, head) is None:
        found.problem(f"the published head {head} is none of this ledger's: it was cut off or rewritten")
    return found


def _check_proven(found: Checked, begun: Head | None) -> None:
    if begun is not None:
        found.notes.append(
            f"the first {plural(begun.entries, 'entry')} were not read again: the head {begun.hash} is taken to be verified"
        )
    if found.head is None:
        found.notes.append("nothing is sealed yet")
    elif not found.head.key_id:
        found.notes.append("the last head is not signed: there is no key")
    if found.gone:
        found.notes.append(
            f"the rows of {plural(found.gone, 'entry')} are gone by retention; the hashes stand in the tree"
        )


def _check_rows(connection: sa.Connection, found: Checked) -> None:
    """Whether what is on record has its entries, whatever time stands in a row: both were written in one transaction."""
    until = datetime.max.replace(tzinfo=UTC)
    connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")  # of a cursor, too, all rows are read
    for one in missing(connection, since=kept_since(connection), until=until):
        found.problem(
            f"{one.subject} of {one.workflow} stands in {one.table} since {one.at:%Y-%m-%d %H:%M} UTC and has no entry"
        )
    for look in (acts.look, states.look, letters.look):
        found.add(look(connection))
    if rows := older(connection):
        found.notes.append(
            f"{plural(rows, 'row')} of before the ledger began {'has' if rows == 1 else 'have'} no entry: nothing is proven of them"
        )


def _check_unsealed(connection: sa.Connection, found: Checked) -> None:
    horizon = connection.scalar(_HORIZON) or "0"
    row: Any = connection.execute(_UNSEALED, {"horizon": horizon}).one()
    found.waiting = row.waiting
    if row.late:
        found.problem(
            f"{plural(row.late, 'entry')} came into the ledger without a transaction of {'its' if row.late == 1 else 'their'} own time: put in later"
        )
    if row.changed:
        found.problem(f"not sealed yet, and not as recorded: the payload of {plural(row.changed, 'entry')}")

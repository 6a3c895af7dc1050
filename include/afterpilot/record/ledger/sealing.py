"""Seals the ledger: entries become leaves of a Merkle tree (RFC 9162), in order, and a signed head says what the tree is.

An entry may be sealed as soon as no transaction is open any more that began before its own: numbers of rows are given out before
their transactions commit, so a lower one may still appear. Nothing sealed is ever changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from afterpilot.domain.errors import LedgerBroken
from afterpilot.domain.ledger import Entry
from afterpilot.record import merkle, partitions
from afterpilot.record.ledger import heads, leaves
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.heads import Head, Key, Tree
from afterpilot.record.ledger.leaves import Sealable
from afterpilot.record.ledger.signing_keys import SigningKey
from afterpilot.record.tables import ledger_heads, ledger_keys, ledger_leaves

BATCH = 20_000  # entries in one transaction: about a second, and some 20 MB
_MONTHS_AHEAD = 2
_WRITTEN_NOW = ("ledger", "runs", "findings")  # what every writer adds to, in the month that it is
_MONTH = timedelta(days=31)
_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(hashtext('afterpilot seals the ledger'))")
_WAIT = sa.text("SELECT pg_advisory_xact_lock(hashtext('afterpilot seals the ledger'))")
_NOW = sa.text(
    "SELECT CAST(pg_snapshot_xmin(s) AS text), CAST(pg_snapshot_xmax(s) AS text), CAST(c.system_identifier AS text) "
    "FROM pg_current_snapshot() s, pg_control_system() c"
)
_LAST = sa.text(
    "SELECT entries, CAST(horizon AS text) AS horizon, cluster, horizon > pg_snapshot_xmax(pg_current_snapshot()) AS ahead "
    "FROM ledger_heads ORDER BY entries DESC LIMIT 1"
)
_TAKE = (
    f"SELECT {leaves.COLUMNS} FROM ledger l WHERE l.id > :after AND ({{ended}}) "  # noqa: S608 - own text
    "AND NOT EXISTS (SELECT FROM ledger_leaves s WHERE s.entry_id = l.id) ORDER BY l.id LIMIT :most"
)
_USUAL = sa.text(_TAKE.format(ended="l.xid < CAST(:xmin AS xid8) AND l.xid >= CAST(:since AS xid8)"))
# The last head is of another cluster: what came from there has numbers that say nothing here, and has ended.
_MOVED = sa.text(_TAKE.format(ended="l.xid < CAST(:xmin AS xid8) OR l.xid >= CAST(:xmax AS xid8)"))
_NUMBERS = sa.text(
    "SELECT w, (SELECT number FROM ledger_leaves s WHERE s.workflow = w ORDER BY number DESC LIMIT 1) "
    "FROM unnest(CAST(:workflows AS text[])) w"
)
_NODES = sa.text('INSERT INTO ledger_nodes (level, "index", hash) VALUES (:level, :place, :hash)')
_UNSEALED = "FROM ledger l WHERE {} AND NOT EXISTS (SELECT FROM ledger_leaves s WHERE s.entry_id = l.id)"
_WAITING = f"SELECT min(l.recorded_at), count(*) {_UNSEALED}"
_OLDEST = sa.text(_WAITING.format("l.xid >= CAST(:since AS xid8)"))
_OLDEST_OF_ALL = sa.text(_WAITING.format("true"))
# Whoever may not see the activity of others sees their locks, and to which database and role a process belongs.
_OPEN = sa.text(
    "SELECT coalesce(a.pid, 0) AS pid, coalesce(a.datname, '') AS datname, coalesce(a.usename, '') AS usename "
    "FROM pg_locks k LEFT JOIN pg_stat_activity a ON a.pid = k.pid "
    "WHERE k.locktype = 'transactionid' AND k.mode = 'ExclusiveLock' AND k.granted "
    "AND k.pid IS DISTINCT FROM pg_backend_pid() ORDER BY age(k.transactionid) DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one pass has done. ``busy``: another one seals, and this one left at once."""

    new: int = 0
    head: Head | None = None
    busy: bool = False


class Horizon(NamedTuple):
    """Every transaction of this cluster before ``xmin`` has ended, and none from ``xmax`` on had begun."""

    xmin: str
    xmax: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Lag:
    """How far sealing is behind: since when the oldest entry waits, how many do, and the oldest transaction that is open, if one is."""

    oldest: datetime | None = None
    waiting: int = 0
    held_by: str = ""


def seal(engine: sa.Engine, key: SigningKey | None, *, batch: int = BATCH) -> Sealed:
    """Seal all entries that can be, in transactions of ``batch`` entries, each with a head that is signed where there is a key.

    Raises:
        LedgerBroken: what is stored does not fit the last head, or that one the last that was published. Nothing is sealed.
    """
    with engine.begin() as connection:
        if not connection.scalar(_LOCK):
            return Sealed(busy=True)
        _make_room(connection)
        if key is not None:
            introduce(connection, key)
    with engine.begin() as connection:
        horizon = Horizon(*connection.execute(_NOW).one())
    new, head, after = 0, None, 0
    while True:
        with engine.begin() as connection:
            if not connection.scalar(_LOCK):
                return Sealed(new, head, busy=True)
            part = _batch(connection, horizon, key, after=after, most=batch)
        if part is None:
            return Sealed(new, head)
        new, head, after = new + part.new, part.head, part.last_id
        if part.new < batch:
            return Sealed(new, head)


def one_sealer(connection: sa.Connection) -> None:
    """Wait until nobody else seals, and keep others from it until the transaction ends."""
    connection.execute(_WAIT)


def introduce(connection: sa.Connection, key: SigningKey, *, by: SigningKey | None = None) -> bool:
    """Put the key's public half on record where it is new, endorsed ``by`` the one before it; False where it is known."""
    known = heads.keys(connection)
    if key.id in known:
        return False
    new = Key(key.id, key.public, datetime.now(UTC), by.id if by else "")
    endorsement = by.sign(heads.endorsed(new, heads.ledger_id(connection))) if by else None
    connection.execute(
        sa.insert(ledger_keys).values(
            key_id=new.id,
            public_key=new.public,
            since=new.since,
            endorsed_by=new.endorsed_by,
            endorsement=endorsement,
        )
    )
    payload = {"endorsed_by": new.endorsed_by, "first": not known, "key": key.id, "public": key.public.hex()}
    Ledger(connection).append(Entry("seal:key:added", f"key:{key.id}", new.since, payload=payload))
    return True


def lag(connection: sa.Connection) -> Lag:
    """How far sealing is behind, and the transaction that holds it up: another database's of the same server may, too."""
    last: Any = connection.execute(_LAST).one_or_none()
    here = Horizon(*connection.execute(_NOW).one())
    usual = last is not None and last.cluster == here.cluster and not last.ahead
    asked = (_OLDEST, {"since": last.horizon}) if usual else (_OLDEST_OF_ALL, {})
    oldest, waiting = connection.execute(*asked).one()
    if oldest is None:
        return Lag()
    holder: Any = connection.execute(_OPEN).one_or_none()
    return Lag(oldest, waiting, _held_by(holder) if holder else "")


def _held_by(holder: Any) -> str:  # noqa: ANN401 - a row
    if not holder.pid:
        return "a prepared transaction"
    return f"an open transaction of process {holder.pid}, role {holder.usename}, database {holder.datname}"


class _Part(NamedTuple):
    new: int
    last_id: int
    head: Head


def _make_room(connection: sa.Connection) -> None:
    """Months ahead get their partitions, so that no writer has to make one."""
    now = datetime.now(UTC)
    for table in _WRITTEN_NOW:
        partitions.ready(connection, table, [now + month * _MONTH for month in range(_MONTHS_AHEAD + 1)])


def _batch(connection: sa.Connection, now: Horizon, key: SigningKey | None, *, after: int, most: int) -> _Part | None:
    """Seal one batch; None where there is nothing to seal."""
    last: Any = connection.execute(_LAST).one_or_none()
    usual = last is not None and last.cluster == now.cluster
    if usual and last.ahead:  # what is recorded before it would never be looked at
        raise LedgerBroken(
            f"the head over {last.entries} entries says that it knows of transactions that are still to come"
        )
    asked = {"after": after, "xmin": now.xmin, "most": most}
    more = {"since": last.horizon} if usual else {"xmax": now.xmax}
    rows = [Sealable(*row) for row in connection.execute(_USUAL if usual else _MOVED, {**asked, **more})]
    if not rows:
        return None
    tree = _tree(connection, heads.last_head(connection))
    _add(connection, tree, rows)
    # Until all that had ended is sealed, the next one has to look as far back as this one.
    whole = len(rows) < most
    before = (last.horizon, last.cluster) if last else ("0", "")
    horizon, cluster = (_later(now.xmin, before[0] if usual else "0"), now.cluster) if whole else before
    head = _head(connection, tree, key, horizon, cluster)
    return _Part(len(rows), rows[-1].id, head)


def _later(one: str, other: str) -> str:
    return max(one, other, key=int)


def _tree(connection: sa.Connection, last: Head | None) -> merkle.CompactRange:
    """The tree as it stands, once it has shown to be that of the last head, and this one to go on from the last published one."""
    leaf_count = (connection.scalar(sa.select(sa.func.max(ledger_leaves.c.leaf_index))) or 0) + 1 if last else 0
    if last is None:
        if connection.scalar(sa.select(sa.func.count()).select_from(ledger_leaves)):
            raise LedgerBroken("entries are sealed and no head says so: heads were removed")
        return merkle.CompactRange()
    if leaf_count != last.entries:
        raise LedgerBroken(f"the last head is over {last.entries} entries, and {leaf_count} are sealed")
    tiles = Tree(connection).tiles
    try:
        tree = merkle.CompactRange(last.entries, [tiles(*node) for node in merkle.cover(0, last.entries)])
    except ValueError as error:
        raise LedgerBroken(f"the tree has a hole: {error}") from error
    if tree.root() != last.root:
        raise LedgerBroken(f"the tree of {last.entries} entries is not that of its head")
    must_fit(connection, last)
    return tree


def must_fit(connection: sa.Connection, last: Head) -> None:
    """See that the newest head says what it stands for, is signed by its key, and goes on from the last published one.

    Raises:
        LedgerBroken: it does not.
    """
    if last.statement != heads.statement_of(last, heads.ledger_id(connection)):
        raise LedgerBroken(f"the head over {last.entries} entries does not say what it stands for")
    if last.key_id and not heads.is_signed(last, heads.keys(connection)):
        raise LedgerBroken(f"the head over {last.entries} entries is not signed by its key {last.key_id}")
    newest = heads.most_published(connection)
    if not newest:
        return
    if newest > last.entries:
        raise LedgerBroken(f"a head over {newest} entries was published, and the last is over {last.entries}")
    published = heads.head_at(connection, newest)
    if published is None:
        raise LedgerBroken(f"a head over {newest} entries was published, and is not there any more")
    if not heads.consistency(connection, published, last).good:
        raise LedgerBroken(
            f"the ledger of {last.entries} entries does not go on from the published head over {published.entries}"
        )


def _add(connection: sa.Connection, tree: merkle.CompactRange, rows: Sequence[Sealable]) -> None:
    """Write the leaves, and the subtrees that they have made complete."""
    workflows = sorted({row.workflow for row in rows})
    numbers = {workflow: number or 0 for workflow, number in connection.execute(_NUMBERS, {"workflows": workflows})}
    hashes = []
    raw: Any = connection.connection.driver_connection
    with (
        raw.cursor() as cursor,
        cursor.copy("COPY ledger_leaves (leaf_index, entry_id, workflow, number, leaf_hash) FROM STDIN") as copy,
    ):
        for index, row in enumerate(rows, tree.size):
            number = numbers[row.workflow] = numbers[row.workflow] + 1
            leaf = merkle.leaf_hash(leaves.leaf_bytes(row, index=index, number=number))
            copy.write_row((index, row.id, row.workflow, number, leaf))
            hashes.append(leaf)
    nodes = [{"level": level, "place": index, "hash": hash_} for level, index, hash_ in tree.extend(hashes)]
    if nodes:
        connection.execute(_NODES, nodes)


def _head(
    connection: sa.Connection, tree: merkle.CompactRange, key: SigningKey | None, horizon: str, cluster: str
) -> Head:
    root, workflows_root = tree.root(), merkle.root(heads.workflows_leaves(heads.counts(connection)))
    at: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    key_id = key.id if key else ""
    statement = heads.head_statement(tree.size, root, workflows_root, at, heads.ledger_id(connection), key_id)
    signature = key.sign(statement.encode()) if key else None
    head = Head(tree.size, root, workflows_root, at, statement, key_id, signature)
    connection.execute(
        sa.insert(ledger_heads).values(
            entries=head.entries,
            root=root,
            workflows_root=workflows_root,
            at=at,
            statement=statement,
            key_id=head.key_id,
            signature=signature,
            horizon=sa.cast(horizon, ledger_heads.c.horizon.type),
            cluster=cluster,
        )
    )
    return head

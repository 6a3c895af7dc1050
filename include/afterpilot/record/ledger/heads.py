"""The sealed ledger as it is read: heads, and proofs from an entry to a head and from one head to another, with few reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.record import merkle
from afterpilot.record.bundle.writing import endorsement_statement
from afterpilot.record.ledger import leaves
from afterpilot.record.ledger.canonical import canonical, stamp
from afterpilot.record.ledger.leaves import Sealable
from afterpilot.record.ledger.signing_keys import fits
from afterpilot.record.tables import (
    ledger_heads,
    ledger_identity,
    ledger_keys,
    ledger_leaves,
    ledger_nodes,
    ledger_publications,
)

_ENTRY = sa.text(
    f"SELECT {leaves.COLUMNS}, s.leaf_index, s.number FROM ledger l LEFT JOIN ledger_leaves s ON s.entry_id = l.id "  # noqa: S608 - own text
    "WHERE l.id = :id"
)
# One look into the index for each workflow, however many entries there are.
_COUNTS = sa.text(
    "WITH RECURSIVE each (workflow) AS ("
    "  (SELECT workflow FROM ledger_leaves ORDER BY workflow LIMIT 1) UNION ALL"
    "  SELECT (SELECT workflow FROM ledger_leaves WHERE workflow > each.workflow ORDER BY workflow LIMIT 1)"
    "  FROM each WHERE each.workflow IS NOT NULL) "
    "SELECT workflow, (SELECT number FROM ledger_leaves s WHERE s.workflow = each.workflow AND s.leaf_index < :entries "
    "  ORDER BY number DESC LIMIT 1) AS number FROM each WHERE workflow IS NOT NULL"
)
_PAGE = 50


@dataclass(frozen=True, slots=True)
class Publication:
    """Where and when a head was told outside of the database."""

    place: str
    at: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What the tree was at a moment. ``statement`` is what is signed, and what :attr:`hash` stands for."""

    entries: int
    root: bytes
    workflows_root: bytes
    at: datetime
    statement: str
    key_id: str
    signature: bytes | None
    publications: tuple[Publication, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 of the statement in hex: what is published."""
        return hashlib.sha256(self.statement.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that heads are signed with. ``endorsed_by`` is empty for the first key, and for one that no earlier one has signed."""

    id: str
    public: bytes
    since: datetime
    endorsed_by: str = ""
    endorsement: bytes | None = None


@dataclass(frozen=True, slots=True)
class EntryProof:
    """The proof that an entry is the ``number``-th of its workflow, at ``index`` of the tree, in a head.

    ``head`` is None while it is not sealed. ``wrong`` says what does not fit, and is empty where everything does.
    """

    entry: Sealable
    index: int | None = None
    number: int | None = None
    leaf: bytes = b""
    path: tuple[bytes, ...] = ()
    head: Head | None = None
    wrong: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the entry is proven."""
        return self.head is not None and not self.wrong


@dataclass(frozen=True, slots=True)
class Consistency:
    """The proof that the ledger at ``first`` is the beginning of that at ``second``."""

    first: Head
    second: Head
    path: tuple[bytes, ...]
    good: bool


@dataclass(frozen=True, slots=True)
class Tree:
    """The tree as it is stored: any complete subtree's hash with a few reads, kept for as long as this is."""

    connection: sa.Connection
    tiles: merkle.Tiles = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tiles", merkle.Tiles(self._row))

    def _row(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """The hashes of a level from the ``first`` on; a gap ends them, so that nothing stands in a wrong place."""
        table = ledger_nodes if level else ledger_leaves
        place, hash_ = (table.c.index, table.c.hash) if level else (table.c.leaf_index, table.c.leaf_hash)
        wanted = sa.select(place, hash_).where(place >= first, place < first + count).order_by(place)
        if level:
            wanted = wanted.where(table.c.level == level)
        found = []
        for at, (index, value) in enumerate(self.connection.execute(wanted), first):
            if index != at:
                break
            found.append(bytes(value))
        return found


def ledger_id(connection: sa.Connection) -> str:
    """Which ledger this is."""
    return str(connection.execute(sa.select(ledger_identity.c.ledger)).scalar_one())


def last_head(connection: sa.Connection) -> Head | None:
    """The newest head; None where nothing was sealed yet."""
    return next(iter(heads(connection, limit=1)), None)


def head_at(connection: sa.Connection, entries: int) -> Head | None:
    """The head of so many entries, with where it was published."""
    return next(iter(_heads(connection, ledger_heads.c.entries == entries, limit=1)), None)


def head_by_hash(connection: sa.Connection, head_hash: str) -> Head | None:
    """The head that a published hash (hex) stands for."""
    digest = sa.func.encode(sa.func.sha256(sa.func.convert_to(ledger_heads.c.statement, "UTF8")), "hex")
    return next(iter(_heads(connection, digest == head_hash.strip().lower(), limit=1)), None)


def head_over(connection: sa.Connection, index: int) -> Head | None:
    """The first head that has the leaf of this index."""
    wanted = sa.select(sa.func.min(ledger_heads.c.entries)).where(ledger_heads.c.entries > index)
    entries = connection.scalar(wanted)
    return None if entries is None else head_at(connection, entries)


def heads(connection: sa.Connection, *, before: int | None = None, limit: int = _PAGE) -> Sequence[Head]:
    """Heads from the newest on, or from below so many entries on, each with where it was published."""
    where = sa.true() if before is None else ledger_heads.c.entries < before
    return _heads(connection, where, limit=limit)


def heads_after(connection: sa.Connection, entries: int, *, limit: int = 500) -> Sequence[Head]:
    """Heads over more entries than that, the smallest first."""
    wanted = sa.select(ledger_heads.c.entries).where(ledger_heads.c.entries > entries)
    some = connection.scalars(wanted.order_by(ledger_heads.c.entries).limit(limit)).all()
    return _heads(connection, ledger_heads.c.entries.in_(some), limit=limit)[::-1] if some else ()


def last_signed(connection: sa.Connection) -> Head | None:
    """The newest head that is signed."""
    return next(iter(_heads(connection, ledger_heads.c.signature.is_not(None), limit=1)), None)


def most_published(connection: sa.Connection) -> int:
    """Over how many entries the newest head is that was told outside of the database, whether or not it is still there; 0 for none."""
    return connection.scalar(sa.select(sa.func.max(ledger_publications.c.entries))) or 0


def published_heads(connection: sa.Connection, *, limit: int = _PAGE) -> Sequence[Head]:
    """The heads that were told outside, from the newest on."""
    told = sa.exists().where(ledger_publications.c.entries == ledger_heads.c.entries)
    return _heads(connection, told, limit=limit)


def _heads(connection: sa.Connection, where: sa.ColumnElement[bool], *, limit: int) -> Sequence[Head]:
    wanted = sa.select(ledger_heads).where(where).order_by(ledger_heads.c.entries.desc()).limit(limit)
    rows = connection.execute(wanted).all()
    told = _publications(connection, [row.entries for row in rows])
    return [
        Head(
            row.entries,
            bytes(row.root),
            bytes(row.workflows_root),
            row.at,
            row.statement,
            row.key_id,
            None if row.signature is None else bytes(row.signature),
            told.get(row.entries, ()),
        )
        for row in rows
    ]


def _publications(connection: sa.Connection, entries: Sequence[int]) -> Mapping[int, tuple[Publication, ...]]:
    table, found = ledger_publications, dict[int, tuple[Publication, ...]]()
    if entries:
        wanted = sa.select(table).where(table.c.entries.in_(entries)).order_by(table.c.id)
        for row in connection.execute(wanted):
            found[row.entries] = (*found.get(row.entries, ()), Publication(row.place, row.at, row.reference))
    return found


def keys(connection: sa.Connection) -> Mapping[str, Key]:
    """Every public key by its id, the oldest first."""
    wanted = sa.select(ledger_keys).order_by(ledger_keys.c.since, ledger_keys.c.key_id)
    return {
        row.key_id: Key(row.key_id, bytes(row.public_key), row.since, row.endorsed_by, row.endorsement)
        for row in connection.execute(wanted)
    }


def endorsed(key: Key, ledger: str) -> bytes:
    """What the key before this one signs to say that this one comes after it."""
    return endorsement_statement(
        ledger=ledger, key_id=key.id, public_key=key.public, since=key.since, endorsed_by=key.endorsed_by
    )


def is_endorsed(key: Key, known: Mapping[str, Key], ledger: str) -> bool:
    """Whether an earlier key has signed that this one comes after it. The first one needs none."""
    if not key.endorsed_by:
        return bool(known) and next(iter(known)) == key.id
    before = known.get(key.endorsed_by)
    return before is not None and fits(before.public, key.endorsement, endorsed(key, ledger))


def is_signed(head: Head, known: Mapping[str, Key]) -> bool:
    """Whether a key on record has signed the head."""
    key = known.get(head.key_id)
    return key is not None and fits(key.public, head.signature, head.statement.encode())


def counts(connection: sa.Connection, entries: int | None = None) -> Mapping[str, int]:
    """How many sealed entries each workflow has, among the first so many of the tree where a number is given."""
    asked = {"entries": merkle.LARGEST_TREE >> 1 if entries is None else entries}
    return {row.workflow: row.number for row in connection.execute(_COUNTS, asked) if row.number}


def workflows_leaves(of: Mapping[str, int]) -> list[bytes]:
    """The leaf hashes of the tree of workflows, in its order: by the code points of their names."""
    return [merkle.leaf_hash(leaves.workflow_bytes(slug, of[slug])) for slug in sorted(of)]


def entry_proof(connection: sa.Connection, entry_id: int, *, head: Head | None = None) -> EntryProof | None:
    """The proof of an entry in this head, else in the first one that has it; None where there is no such entry.

    It is made from the entry's row and the stored tree, and verified here.
    """
    row: Any = connection.execute(_ENTRY, {"id": entry_id}).one_or_none()
    if row is None:
        return None
    entry = Sealable(*row[: len(Sealable._fields)])
    if row.leaf_index is None:
        return EntryProof(entry)
    leaf = leaves.leaf_bytes(entry, index=row.leaf_index, number=row.number)
    head = head or head_over(connection, row.leaf_index)
    if head is None or head.entries <= row.leaf_index:
        return EntryProof(entry, row.leaf_index, row.number, leaf)
    try:
        path = tuple(merkle.inclusion_proof(row.leaf_index, head.entries, Tree(connection).tiles))
    except ValueError as error:
        return EntryProof(entry, row.leaf_index, row.number, leaf, (), head, (f"the tree has a hole: {error}",))
    wrong = []
    if not merkle.verify_inclusion(row.leaf_index, head.entries, merkle.leaf_hash(leaf), path, head.root):
        wrong.append("the entry, or the tree, is not as it was when it was sealed")
    wrong += _flaws(connection, head)
    return EntryProof(entry, row.leaf_index, row.number, leaf, path, head, tuple(wrong))


def _flaws(connection: sa.Connection, head: Head) -> list[str]:
    """What is wrong with a head by itself."""
    wrong = []
    if head.statement != statement_of(head, ledger_id(connection)):
        wrong.append("the head does not say what it stands for")
    if head.key_id and not is_signed(head, keys(connection)):
        wrong.append("the signature of the head is not that of its key")
    return wrong


def statement_of(head: Head, ledger: str) -> str:
    """What a head of these values says: canonical JSON, as it is signed."""
    return head_statement(head.entries, head.root, head.workflows_root, head.at, ledger, head.key_id)


def head_statement(entries: int, root: bytes, workflows_root: bytes, at: datetime, ledger: str, key_id: str) -> str:
    """The statement of a head: canonical ``{"at", "entries", "key", "ledger", "root", "workflows"}``.

    The key (empty: none signs it) is in it so that a published hash says who signed, too.
    """
    said = {
        "at": stamp(at),
        "entries": entries,
        "key": key_id,
        "ledger": ledger,
        "root": root.hex(),
        "workflows": workflows_root.hex(),
    }
    return canonical(said).decode()


def consistency(connection: sa.Connection, first: Head, second: Head) -> Consistency:
    """The proof from one head to a later one, from the stored tree, verified.

    Raises:
        ValueError: the first has more entries than the second.
    """
    try:
        path = tuple(merkle.consistency_proof(first.entries, second.entries, Tree(connection).tiles))
    except ValueError:
        if first.entries > second.entries:
            raise
        return Consistency(first, second, (), good=False)
    good = merkle.verify_consistency(first.entries, second.entries, first.root, second.root, path)
    return Consistency(first, second, path, good)

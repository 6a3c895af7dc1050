"""What an evidence bundle is made from, read from the ops database in one transaction that sees one state."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import merkle
from afterpilot.record.bundle.parts import Count, Document, Facts, Head, Key, Opened, SealedEntry
from afterpilot.record.ledger import heads, leaves
from afterpilot.record.ledger.heads import Head as KeptHead
from afterpilot.record.ledger.heads import Tree
from afterpilot.record.ledger.leaves import Sealable
from afterpilot.record.ledger.personal import SEALED, commitment_key, opened
from afterpilot.record.ledger.rebuilt import kind_of, rebuilt
from afterpilot.record.ledger.removed import Removed, gone
from afterpilot.record.tables import subjects

_AT_ONCE = 500  # documents
_MOST_HEADS = 5_000
_WITHIN = sa.text(
    "SELECT min(s.number), max(s.number) FROM ledger l JOIN ledger_leaves s ON s.entry_id = l.id "
    "WHERE l.workflow = :workflow AND l.recorded_at >= :since AND l.recorded_at < :until AND s.leaf_index < :entries"
)
_BEFORE = sa.text(
    "SELECT max(s.number) FROM ledger l JOIN ledger_leaves s ON s.entry_id = l.id "
    "WHERE l.workflow = :workflow AND l.recorded_at < :since AND s.leaf_index < :entries"
)
_ENTRIES = sa.text(
    f"SELECT {leaves.COLUMNS}, s.leaf_index, s.number, l.payload AS text, l.at AS moment "  # noqa: S608 - own text
    "FROM ledger_leaves s JOIN ledger l ON l.id = s.entry_id "
    "WHERE s.workflow = :workflow AND s.number BETWEEN :first AND :last AND s.leaf_index < :entries ORDER BY s.number"
)
_LEFT = sa.text(
    "SELECT s.number, s.entry_id, l.recorded_at FROM ledger_leaves s LEFT JOIN ledger l ON l.id = s.entry_id "
    "WHERE s.workflow = :workflow AND s.leaf_index < :entries AND (s.number = :number OR s.number > :number AND l.id IS NOT NULL) "
    "ORDER BY s.number LIMIT 2"
)
_TICK = timedelta(microseconds=1)

_STREAMED = _ENTRIES.execution_options(stream_results=True, yield_per=2000)


class _Span(NamedTuple):
    """The numbers of the entries in the period; where there are none, ``first`` is one after ``last``, between which it lies."""

    first: int
    last: int


class DatabaseSource:
    """One workflow's ledger over a period (``since`` up to ``until``), proven against the last signed head.

    ``connection`` has begun a transaction of isolation REPEATABLE READ. ``names``: personal values are opened. Where retention has
    removed what came before the period, the first entry that is left is its boundary and the period begins after it: that nothing
    is missing from there on is then proven like everywhere else. ``known``: hashes of heads that somebody has kept, so that the
    bundle holds them though they were published nowhere.

    Raises:
        ConfigurationError: no head is signed yet, it has no entry of the workflow, all of the period was removed, or a known head
            is not one of this ledger's signed ones.
    """

    def __init__(
        self,
        connection: sa.Connection,
        workflow: str,
        since: datetime,
        until: datetime,
        *,
        names: bool = False,
        known: Sequence[str] = (),
    ) -> None:
        self._connection, self._names = connection, names
        self._facts = Facts(heads.ledger_id(connection), workflow, since, until, datetime.now(UTC))
        last = heads.last_signed(connection)
        if last is None:
            raise ConfigurationError(
                "no head of the ledger is signed yet: `afterpilot audit keygen` makes a key, and the DAG seal signs with it"
            )
        self._last, self._known = last, [self._kept(one) for one in known]
        self._counts = heads.counts(connection, last.entries)
        if workflow not in self._counts:
            raise ConfigurationError(
                f"no entry of {workflow} is sealed: what is new is within a minute or so, else see `afterpilot audit log` for the name"
            )
        self._tree = Tree(connection).tiles
        self._removed = Removed(connection)
        self._span = self._within()
        self._begin_after_what_was_removed()

    @property
    def head(self) -> str:
        """The hash of the head that all is proven against."""
        return self._last.hash

    def facts(self) -> Facts:
        """What the bundle is about."""
        return self._facts

    def heads(self) -> Sequence[Head]:
        """The published heads, those that were asked for, and the last one, as far as they are signed."""
        told = [*heads.published_heads(self._connection, limit=_MOST_HEADS), *self._known]
        wanted = {one.entries: one for one in (self._last, *told) if one.key_id and one.entries <= self._last.entries}
        return [
            Head(one.entries, one.root, one.statement.encode(), one.key_id, one.signature or b"")
            for _, one in sorted(wanted.items())
        ]

    def keys(self) -> Sequence[Key]:
        """The keys in the order of their rotation, from the first that signed one of the heads to the last that did."""
        known = list(heads.keys(self._connection).values())
        used = {head.key_id for head in self.heads()}
        places = [at for at, key in enumerate(known) if key.id in used]
        return [
            Key(one.id, one.public, one.since, one.endorsed_by, one.endorsement or b"")
            for one in known[places[0] : places[-1] + 1]
        ]

    def count(self) -> Count:
        """How many entries the workflow has in the last signed head."""
        place = sorted(self._counts).index(self._facts.workflow)
        hashes = heads.workflows_leaves(self._counts)
        proof = merkle.inclusion_proof(place, len(hashes), merkle.in_memory(hashes))
        return Count(self._counts[self._facts.workflow], place, len(hashes), proof)

    def entries(self) -> Iterator[SealedEntry]:
        """The entries of the period with those before and after.

        Raises:
            ConfigurationError: some of them are gone by retention.
        """
        wanted, inside = max(self._span.first - 1, 1), range(self._span.first, self._span.last + 1)
        for row in self._rows(wanted, self._span.last + 1):
            if row.number != wanted:
                break
            wanted += 1
            leaf = leaves.leaf_bytes(Sealable(*row[: len(Sealable._fields)]), index=row.leaf_index, number=row.number)
            yield SealedEntry(row.leaf_index, leaf, row.text.encode() if row.number in inside else None)
        last = min(self._span.last + 1, self._counts[self._facts.workflow])
        if wanted <= last:
            raise ConfigurationError(
                f"entry {wanted} of {self._facts.workflow} is not in the ledger any more; `afterpilot audit verify` says why"
            )

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree."""
        return self._tree(level, index)

    def documents(self, kind: str) -> Iterator[Document]:
        """The documents of a kind, as the rows of today make them."""
        waiting: list[tuple[int, bytes, str, datetime]] = []
        seen: set[bytes] = set()
        for row in self._rows(self._span.first, self._span.last):
            if '"document":"' not in row.text or kind_of(row.subject) != kind:
                continue
            named = json.loads(row.text).get("document")
            digest = bytes.fromhex(named) if isinstance(named, str) else b""
            if digest and digest not in seen:
                seen.add(digest)
                waiting.append((row.number, digest, row.subject, row.moment))
            if len(waiting) >= _AT_ONCE:
                yield from self._documents(waiting)
                waiting = []
        yield from self._documents(waiting)

    def opened(self) -> Iterator[Opened]:
        """Every sealed value whose key is there, where names were asked for."""
        if not self._names:
            return
        keys = {
            row.id: row.key for row in self._connection.execute(sa.select(subjects.c.id, subjects.c.key)) if row.key
        }
        for row in self._rows(self._span.first, self._span.last):
            if SEALED not in row.text:
                continue
            for box in _boxes(json.loads(row.text)):
                key = keys.get(uuid.UUID(box["about"].partition(":")[2]))
                if key is not None:
                    nonce = base64.b64decode(box["nonce"])
                    yield Opened(bytes.fromhex(box["commitment"]), commitment_key(key, nonce), opened(box, key))

    def _documents(self, wanted: Sequence[tuple[int, bytes, str, datetime]]) -> Iterator[Document]:
        texts = rebuilt(self._connection, self._facts.workflow, {subject for _, _, subject, _ in wanted})
        for number, digest, subject, at in wanted:
            text = texts.get(subject)
            same = text is not None and hashlib.sha256(text.encode()).digest() == digest
            reason = ""
            if not same:
                reason = self._removed.why(subject, self._facts.workflow, at, changed=text is not None)
            yield Document(number, digest, None if text is None or reason else text.encode(), reason)

    def _kept(self, wanted: str) -> KeptHead:
        found = heads.head_by_hash(self._connection, wanted)
        if found is None or not found.key_id:
            raise ConfigurationError(
                f"{wanted!r} is no signed head of this ledger: it is of another one, or this one was cut off or restored since"
            )
        return found

    def _within(self) -> _Span:
        asked = {
            "workflow": self._facts.workflow,
            "since": self._facts.since,
            "until": self._facts.until,
            "entries": self._last.entries,
        }
        first, last = self._connection.execute(_WITHIN, asked).one()
        if first is not None:
            return _Span(first, last)
        before = self._connection.scalar(_BEFORE, asked) or 0
        return _Span(before + 1, before)

    def _begin_after_what_was_removed(self) -> None:
        asked = {
            "workflow": self._facts.workflow,
            "entries": self._last.entries,
            "number": max(self._span.first - 1, 1),
        }
        first, *more = self._connection.execute(_LEFT, asked).all() or (None,)
        if first is None or first.recorded_at is not None or not gone(self._connection).has(first.entry_id):
            return  # it is there; or it is not, and retention has not removed it: that is told where it is missed
        if not more or more[0].recorded_at >= self._facts.until:
            raise ConfigurationError(
                f"what was recorded about {self._facts.workflow} before {self._facts.until:%Y-%m-%d} was removed by retention"
            )
        self._facts = replace(self._facts, since=more[0].recorded_at + _TICK)
        self._span = self._within()

    def _rows(self, first: int, last: int) -> Iterator[Any]:
        asked = {"workflow": self._facts.workflow, "first": first, "last": last, "entries": self._last.entries}
        with self._connection.execute(_STREAMED, asked) as rows:
            yield from rows


def _boxes(value: Any) -> Iterator[dict[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == SEALED:
                yield inner
            else:
                yield from _boxes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _boxes(inner)

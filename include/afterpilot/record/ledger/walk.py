"""Reads the sealed ledger from the database as an auditor would: every entry against its leaf, the tree against its nodes and heads,
documents against the rows of today.

It reads in pieces, in the order of the tree, and memory does not grow with the number of entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from afterpilot.domain.errors import ConfigurationError
from afterpilot.record import merkle
from afterpilot.record.ledger import heads, leaves
from afterpilot.record.ledger.heads import Head, Tree
from afterpilot.record.ledger.leaves import Sealable, leaf_bytes
from afterpilot.record.ledger.rebuilt import rebuilt
from afterpilot.record.ledger.removed import Removed, gone
from afterpilot.record.ledger.standing import Flaws

MOST_TOLD = 50
PIECE = 16_384  # leaves that are read at once: 64 complete subtrees of 256
_FIELDS = len(Sealable._fields)
_IDS = sa.text(
    "SELECT min(entry_id) AS lowest, max(entry_id) AS highest FROM ledger_leaves "
    "WHERE leaf_index >= :first AND leaf_index < :last"
)
_READ = (
    f"SELECT {leaves.COLUMNS}, s.leaf_index, s.entry_id, s.workflow AS of_leaf, s.number, s.leaf_hash, l.payload "  # noqa: S608 - own text
    "FROM ledger_leaves s LEFT JOIN ledger l ON l.id = s.entry_id AND l.id BETWEEN %(lowest)s AND %(highest)s "
    "WHERE s.leaf_index >= %(first)s AND s.leaf_index < %(last)s ORDER BY s.leaf_index"
)
_NODES = sa.text(
    "SELECT level, index, hash FROM ledger_nodes WHERE level = :level AND index >= :first AND index < :last"
)


@dataclass(slots=True)
class Checked:
    """What a look at the whole ledger has found. ``problems`` are what does not fit, ``notes`` what is not proven and no problem."""

    ledger: str = ""
    head: Head | None = None
    reached: Head | None = None  # the last head up to which all was read and fits
    entries: int = 0
    heads: int = 0
    documents: int = 0
    waiting: int = 0
    gone: int = 0
    problems: list[str] = field(default_factory=list)
    more: int = 0
    notes: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Keep what is wrong; of many only how many there are."""
        if len(self.problems) < MOST_TOLD:
            self.problems.append(text)
        else:
            self.more += 1

    def add(self, flaws: Flaws) -> None:
        """Keep what another look has found."""
        for text in flaws.problems:
            self.problem(text)
        self.notes += flaws.notes

    @property
    def exit_code(self) -> int:
        """0 where all fits, 1 where something does not, 2 where nothing can be proven: there is no signed head."""
        if self.problems:
            return 1
        return 0 if self.head is not None and self.head.key_id else 2


class _Named(NamedTuple):
    """A document that an entry names."""

    place: str
    workflow: str
    subject: str
    sha256: str
    at: str


class Walk:
    """One pass over the tree, from its first leaf on or from a head up to which it was verified before."""

    def __init__(self, connection: sa.Connection, found: Checked, every: int, *, start: Head | None = None) -> None:
        self._connection, self._found, self._every = connection, found, every
        self._tree = merkle.CompactRange()
        self._counts: dict[str, int] = {}
        self._workflow_leaves: dict[str, bytes] = {}
        self._keys = heads.keys(connection)
        if start is not None:
            self._begin(start)
        self._heads = _each_head(connection, self._tree.size)
        self._next = next(self._heads, None)
        self._removed, self._gone_for_good = Removed(connection), gone(connection)
        self._last_gone, self._count_gone = -1, 0  # of the leaves whose entries retention may have removed

    def _begin(self, start: Head) -> None:
        """Take the tree as it was at a head; what is below it has to give that head, and is not read again."""
        tiles = Tree(self._connection).tiles
        try:
            nodes = [tiles(*node) for node in merkle.cover(0, start.entries)]
        except ValueError as error:
            raise ConfigurationError(
                f"the tree below that head has a hole ({error}): begin from the first entry"
            ) from error
        self._tree = merkle.CompactRange(start.entries, nodes)
        self._counts = dict(heads.counts(self._connection, start.entries))
        self._check_head(start)

    def piece(self, first: int, last: int) -> None:
        """Verify the leaves from ``first`` up to ``last``."""
        rows = self._read(first, last)
        if len(rows) != last - first:
            self._found.problem(f"of the leaves {first} to {last - 1}, {last - first - len(rows)} are not there")
        documents: list[_Named] = []
        hashes = [self._leaf(row, documents) for row in rows]
        at = 0
        while at < len(hashes):
            end = len(hashes)
            if self._next is not None:
                end = min(end, max(self._next.entries - self._tree.size, 0) + at)
            self._check_nodes(self._tree.extend(hashes[at:end]))
            self._count(rows[at:end])
            at = end
            while self._next is not None and self._next.entries == self._tree.size:
                self._check_head(self._next)
                self._next = next(self._heads, None)
        self._found.entries += len(rows)
        self._check_documents(documents)

    def _read(self, first: int, last: int) -> Sequence[tuple[Any, ...]]:
        asked = {"first": first, "last": last}
        ids = self._connection.execute(_IDS, asked).mappings().one()
        raw: Any = self._connection.connection.driver_connection
        with raw.cursor(binary=True) as cursor:  # a million rows: what SQLAlchemy adds to each is a third of the time
            found: Sequence[tuple[Any, ...]] = cursor.execute(_READ, {**asked, **ids}).fetchall()
        return found

    def end(self, total: int) -> None:
        """What has to hold once all leaves are read."""
        more = self._connection.scalar(
            sa.text("SELECT count(*) FROM ledger_leaves WHERE leaf_index >= :total"), {"total": total}
        )
        if more:
            self._found.problem(f"{more} entries are sealed that no head is over")
        self._check_gone()
        while self._next is not None:
            self._found.problem(f"the head over {self._next.entries} entries is over more than there are")
            self._next = next(self._heads, None)

    def _leaf(self, row: tuple[Any, ...], documents: list[_Named]) -> bytes:
        """The leaf hash as the entry's own row makes it; as it is stored where the row is gone by retention."""
        index, entry_id, of_leaf, number, stored, text = row[_FIELDS:]
        if text is None:
            return self._gone(row)
        entry = Sealable._make(row[:_FIELDS])
        made = merkle.leaf_hash(leaf_bytes(entry, index=index, number=number))
        if made != stored or of_leaf != entry.workflow:
            self._found.problem(f"{_place(of_leaf, number, entry_id)} is not as it was sealed")
        if hashlib.sha256(text.encode()).hexdigest() != entry.payload:
            self._found.problem(f"the payload of {_place(of_leaf, number, entry_id)} is not as it was recorded")
        if not index % self._every and '"document":"' in text:
            named = str(json.loads(text).get("document"))
            documents.append(_Named(_place(of_leaf, number, entry_id), entry.workflow, entry.subject, named, entry.at))
        return made

    def _gone(self, row: tuple[Any, ...]) -> bytes:
        index, entry_id, of_leaf, number, stored, _ = row[_FIELDS:]
        self._found.gone += 1
        if self._gone_for_good.has(entry_id):
            self._last_gone, self._count_gone = index, self._count_gone + 1
        else:
            self._found.problem(f"{_place(of_leaf, number, entry_id)} is not in the ledger any more")
        return bytes(stored)

    def _check_gone(self) -> None:
        """Whether no more is gone than retention has put on record, and nothing that was too young for it."""
        told, found = self._gone_for_good, self._found
        if self._count_gone > told.entries:
            found.problem(
                f"{self._count_gone} entries are not in the ledger any more, and retention has removed {told.entries}"
            )
        head = heads.head_over(self._connection, self._last_gone) if self._last_gone >= 0 else None
        if head is not None and told.too_young(head.at):
            found.problem(
                f"entries that were sealed on {head.at:%Y-%m-%d} are not in the ledger any more, too young for retention to remove"
            )

    def _count(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Numbers go up by one within a workflow."""
        counts, made = self._counts, self._workflow_leaves
        for row in rows:
            of_leaf, number = row[_FIELDS + 2], row[_FIELDS + 3]
            if number != counts.get(of_leaf, 0) + 1:
                expected = counts.get(of_leaf, 0) + 1
                self._found.problem(f"entry {number} of {of_leaf} stands where number {expected} should")
            counts[of_leaf] = number
            made.pop(of_leaf, None)

    def _check_nodes(self, completed: Sequence[merkle.Completed]) -> None:
        for level in {node.level for node in completed}:
            made = {node[1]: node.hash for node in completed if node.level == level}
            asked = {"level": level, "first": min(made), "last": max(made) + 1}
            stored = {row[1]: bytes(row[2]) for row in self._connection.execute(_NODES, asked)}
            for index, hash_ in made.items():
                if stored.get(index) != hash_:
                    self._found.problem(f"the node {index} of level {level} is not the hash of what is below it")

    def _check_head(self, head: Head) -> None:
        self._found.heads += 1
        place = f"the head over {head.entries} entries"
        if head.root != self._tree.root():
            self._found.problem(f"{place} has another root than the entries")
        if head.workflows_root != self._workflows_root():
            self._found.problem(f"{place} counts other entries by workflow than there are")
        if head.statement != heads.statement_of(head, self._found.ledger):
            self._found.problem(f"{place} does not say what it stands for")
        if head.key_id and not heads.is_signed(head, self._keys):
            self._found.problem(f"{place} is not signed by its key {head.key_id}")
        if not self._found.problems:
            self._found.reached = head

    def _workflows_root(self) -> bytes:
        made = self._workflow_leaves
        for slug in self._counts.keys() - made.keys():
            made[slug] = merkle.leaf_hash(leaves.workflow_bytes(slug, self._counts[slug]))
        return merkle.root(made[slug] for slug in sorted(made))

    def _check_documents(self, documents: Sequence[_Named]) -> None:
        """Whether the rows of today still make the documents that the entries name."""
        by_workflow: dict[str, set[str]] = {}
        for one in documents:
            by_workflow.setdefault(one.workflow, set()).add(one.subject)
        for workflow, subjects in by_workflow.items():
            texts = rebuilt(self._connection, workflow, subjects)
            for one in documents:
                if one.workflow == workflow:
                    self._check_document(one, texts)

    def _check_document(self, one: _Named, texts: Mapping[str, str]) -> None:
        text = texts.get(one.subject)
        self._found.documents += 1
        if text is not None and hashlib.sha256(text.encode()).hexdigest() == one.sha256:
            return
        at = datetime.fromisoformat(one.at)
        if not self._removed.why(one.subject, one.workflow, at, changed=text is not None):
            what = "is not as it was" if text is not None else "is not there any more"
            self._found.problem(f"the {one.subject.partition(':')[0]} that {one.place} names {what}: {one.subject}")


def _place(workflow: str, number: int, entry_id: int) -> str:
    return f"entry {number} of {workflow} (id {entry_id})"


def _each_head(connection: sa.Connection, after: int) -> Iterator[Head]:
    """Every head over more entries than that, by rising number of them, a few hundred at once."""
    while some := heads.heads_after(connection, after):
        yield from some
        after = some[-1].entries

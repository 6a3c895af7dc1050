"""What an evidence bundle is made from: the parts that a ledger has to give, and what has to hold of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Facts:
    """What a bundle is about: one workflow of one ledger, and what was recorded from ``since`` up to, not including, ``until``."""

    ledger: str
    workflow: str
    since: datetime
    until: datetime
    made_at: datetime


class SealedEntry(NamedTuple):
    """One entry of the workflow as it was sealed.

    ``leaf`` is the canonical JSON that was hashed into the tree at ``leaf_index``. ``payload`` is the payload's canonical text, None
    for an entry at the boundary.
    """

    leaf_index: int
    leaf: bytes
    payload: bytes | None


class Document(NamedTuple):
    """A document that payloads name: the number of the first entry that does, its SHA-256, its canonical text.

    Without text it is not given, and ``reason`` says why (``retention``, or of a message ``erased``); with neither, the verifier
    says that it is missing.
    """

    number: int
    sha256: bytes
    text: bytes | None
    reason: str = ""


class Opened(NamedTuple):
    """A sealed personal value that may be shown: its commitment, the key of that commitment alone, and its canonical JSON."""

    commitment: bytes
    key: bytes
    value: bytes


class Head(NamedTuple):
    """A signed head: the statement's bytes as they were signed, the id of the key, and the Ed25519 signature (64 bytes)."""

    entries: int
    root: bytes
    statement: bytes
    key_id: str
    signature: bytes


class Key(NamedTuple):
    """A public key (raw Ed25519, 32 bytes), and the signature of the key before it over ``endorsement_statement``.

    ``endorsed_by`` and ``endorsement`` are empty for the first key, and for one that nobody could endorse.
    """

    key_id: str
    public_key: bytes
    since: datetime
    endorsed_by: str
    endorsement: bytes


@dataclass(frozen=True, slots=True)
class Count:
    """How many entries the workflow has at the last head, and the inclusion proof of that in the tree of workflows."""

    entries: int
    index: int
    workflows: int
    proof: Sequence[bytes]


class BundleSource(Protocol):
    """A ledger as a bundle needs it. All of it is as of one moment: read it in one transaction that sees one state.

    Each iterator is read once and to its end before the next is asked for, and may stream.
    """

    def facts(self) -> Facts:
        """What the bundle is about."""
        ...

    def heads(self) -> Sequence[Head]:
        """Signed heads, by rising number of entries: those that were published, and the last one, that all is proven against."""
        ...

    def keys(self) -> Sequence[Key]:
        """The keys in the order of their rotation, from the first that signed one of the heads to that of the last head."""
        ...

    def count(self) -> Count:
        """How many entries the workflow has, as the last head says."""
        ...

    def entries(self) -> Iterator[SealedEntry]:
        """Entries below the last head, by rising number without gaps.

        From the first to the last that was recorded in the period, and those between; before them the entry with the number
        before, after them the one with the number after, where there are such (the boundary, without payload). With none in the
        period, the two between which it lies. Where the entry before was removed by retention, the first that is left is the
        boundary, and the period (``Facts.since``) begins after it: else a cut at the beginning would look the same.
        """
        ...

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree of the whole ledger's tree; for the entries it is asked for from the left to the right."""
        ...

    def documents(self, kind: str) -> Iterator[Document]:
        """The documents of a kind of ``verifier.KINDS``, each once, in the order in which the entries' payloads name them first.

        The kind is that of the entry's subject: ``run:``, ``message:``, ``declaration:``, and ``others`` for any other.
        """
        ...

    def opened(self) -> Iterator[Opened]:
        """Sealed values that whoever asks may see, in the order in which the payloads hold them; none is fine."""
        ...

"""A ledger in memory with real keys, as a bundle needs one: several workflows, a rotated key, documents, sealed values."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from afterpilot.record import merkle
from afterpilot.record.bundle.parts import Count, Document, Facts, Head, Key, Opened, SealedEntry
from afterpilot.record.bundle.writing import endorsement_statement
from afterpilot.record.ledger.canonical import canonical, stamp

NAME = "6f1a3f0e-7a53-4bb0-9f0b-0f5b8f0c1d2e"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=7)
ACTIONS = (
    ("check:run:recorded", "run"),
    ("review:decision:made", "output"),
    ("evals:baseline:approved", "baseline"),
    ("alerts:incident:opened", "incident"),
    ("deliver:message:sent", "message"),
    ("declare:version:loaded", "declaration"),
    ("web:evidence:viewed", "page"),
)
_DOCUMENTED = {"run": "runs", "message": "messages", "declaration": "declarations"}


@dataclass
class Written:
    """An entry before it is sealed: what its leaf says apart from its place, and its payload."""

    workflow: str
    action: str
    subject: str
    actor: str
    recorded_at: datetime
    payload: dict[str, Any]
    document: bytes | None = None


def private(seed: str) -> Ed25519PrivateKey:
    """A key that is the same for the same text."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


def public(key: Ed25519PrivateKey) -> bytes:
    """Its raw public key, 32 bytes."""
    return key.public_key().public_bytes_raw()


def key_id(key: Ed25519PrivateKey) -> str:
    """As the ledger names it."""
    return hashlib.sha256(public(key)).hexdigest()[:16]


@dataclass
class MemoryLedger:
    """Entries in the order of the tree, and the keys that sign its heads: ``cuts`` says after how many entries there is a head."""

    written: Sequence[Written]
    cuts: Sequence[int]
    keys_: Sequence[Ed25519PrivateKey]
    name: str = NAME
    leaves: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        counts: dict[str, int] = {}
        for index, one in enumerate(self.written):
            counts[one.workflow] = counts.get(one.workflow, 0) + 1
            self.numbers.append(counts[one.workflow])
            self.leaves.append(leaf(one, index, counts[one.workflow]))
        self.hashes = [merkle.leaf_hash(one) for one in self.leaves]
        self.subtree = merkle.in_memory(self.hashes)

    def counts(self, entries: int) -> list[tuple[str, int]]:
        """How many entries each workflow has among the first so many, by name."""
        found: dict[str, int] = {}
        for one in self.written[:entries]:
            found[one.workflow] = found.get(one.workflow, 0) + 1
        return sorted(found.items())

    def workflow_hashes(self, entries: int) -> list[bytes]:
        """The leaf hashes of the tree of workflows."""
        return [merkle.leaf_hash(canonical({"entries": n, "workflow": name})) for name, n in self.counts(entries)]

    def head(self, entries: int, key: Ed25519PrivateKey) -> Head:
        """The signed head of the first so many entries."""
        root = merkle.root_at(entries, self.subtree)
        said = {
            "at": stamp(self.written[entries - 1].recorded_at + timedelta(seconds=30)),
            "entries": entries,
            "key": key_id(key),
            "ledger": self.name,
            "root": root.hex(),
            "workflows": merkle.root(self.workflow_hashes(entries)).hex(),
        }
        statement = canonical(said)
        return Head(entries, root, statement, key_id(key), key.sign(statement))

    def heads(self) -> Sequence[Head]:
        """All heads; the first key signs the first, the last key the others."""
        return [self.head(cut, self.keys_[0 if at == 0 else -1]) for at, cut in enumerate(self.cuts)]

    def keys(self) -> Sequence[Key]:
        """The keys, each endorsed by the one before it."""
        found = []
        for at, one in enumerate(self.keys_):
            endorser = self.keys_[at - 1] if at else None
            new = Key(
                key_id(one), public(one), BEGIN + at * timedelta(days=1), key_id(endorser) if endorser else "", b""
            )
            found.append(new._replace(endorsement=endorse(self.name, new, endorser)) if endorser else new)
        return found


def endorse(ledger: str, key: Key, endorser: Ed25519PrivateKey) -> bytes:
    """The signature of the key before."""
    return endorser.sign(
        endorsement_statement(
            ledger=ledger, key_id=key.key_id, public_key=key.public_key, since=key.since, endorsed_by=key.endorsed_by
        )
    )


def leaf(one: Written, index: int, number: int) -> bytes:
    """The sealed entry as it is hashed."""
    return canonical(
        {
            "action": one.action,
            "actor": one.actor,
            "at": stamp(one.recorded_at - timedelta(seconds=1)),
            "id": index + 1,
            "index": index,
            "number": number,
            "payload": hashlib.sha256(canonical(one.payload)).hexdigest(),
            "recorded_at": stamp(one.recorded_at),
            "subject": one.subject,
            "workflow": one.workflow,
        }
    )


@dataclass
class MemorySource:
    """The bundle's source over a ledger in memory, for one workflow and period."""

    ledger: MemoryLedger
    workflow: str
    since: datetime
    until: datetime
    made_at: datetime = datetime(2026, 11, 22, 4, tzinfo=UTC)
    gone: frozenset[int] = frozenset()  # numbers of entries whose document retention has removed

    def facts(self) -> Facts:
        """As the protocol says; so are the others."""
        return Facts(self.ledger.name, self.workflow, self.since, self.until, self.made_at)

    def heads(self) -> Sequence[Head]:  # noqa: D102
        return self.ledger.heads()

    def keys(self) -> Sequence[Key]:  # noqa: D102
        return self.ledger.keys()

    def count(self) -> Count:  # noqa: D102
        last = self.ledger.cuts[-1]
        counts = self.ledger.counts(last)
        index = [name for name, _ in counts].index(self.workflow)
        subtree = merkle.in_memory(self.ledger.workflow_hashes(last))
        return Count(counts[index][1], index, len(counts), merkle.inclusion_proof(index, len(counts), subtree))

    def _span(self) -> list[tuple[int, bool]]:
        """Indexes in the tree, each with whether it is the boundary."""
        own = [
            at for at, one in enumerate(self.ledger.written[: self.ledger.cuts[-1]]) if one.workflow == self.workflow
        ]
        inside = [
            place for place, at in enumerate(own) if self.since <= self.ledger.written[at].recorded_at < self.until
        ]
        if inside:
            first, last = inside[0], inside[-1]
        else:
            first = sum(self.ledger.written[at].recorded_at < self.since for at in own)
            last = first - 1
        places = range(max(first - 1, 0), min(last + 2, len(own)))
        return [(own[place], not first <= place <= last) for place in places]

    def entries(self) -> Iterator[SealedEntry]:  # noqa: D102
        for at, boundary in self._span():
            if boundary:
                yield SealedEntry(at, self.ledger.leaves[at], None)
            else:
                yield SealedEntry(at, self.ledger.leaves[at], canonical(self.ledger.written[at].payload))

    def subtree(self, level: int, index: int) -> bytes:  # noqa: D102
        return self.ledger.subtree(level, index)

    def documents(self, kind: str) -> Iterator[Document]:  # noqa: D102
        seen: set[bytes] = set()
        for at, boundary in self._span():
            one, number = self.ledger.written[at], self.ledger.numbers[at]
            own = _DOCUMENTED.get(one.subject.partition(":")[0], "others")
            if boundary or one.document is None or own != kind:
                continue
            digest = hashlib.sha256(one.document).digest()
            if digest not in seen:
                seen.add(digest)
                reason = "retention" if number in self.gone else "erased" if one.payload.get("erased") else ""
                yield Document(number, digest, None if reason else one.document, reason)

    def opened(self) -> Iterator[Opened]:  # noqa: D102
        for at, boundary in self._span():
            box = self.ledger.written[at].payload.get("comment")
            if box and not boundary:
                number = self.ledger.numbers[at]
                yield Opened(bytes.fromhex(box["$sealed"]["commitment"]), commitment_key(number), comment(number))


def commitment_key(number: int) -> bytes:
    """The key of one commitment."""
    return hashlib.sha256(b"key %d" % number).digest()


def comment(number: int) -> bytes:
    """The canonical JSON of one personal value."""
    return canonical(f"Checked by phone, entry {number}: „stimmt“")


def sealed(number: int) -> dict[str, Any]:
    """A personal value as payloads hold it; what is encrypted does not matter here."""
    commitment = hmac.digest(commitment_key(number), comment(number), "sha256").hex()
    return {
        "$sealed": {"about": "person:9e6f", "commitment": commitment, "nonce": "AAAAAAAAAAAAAAAA", "sealed": "AAAA"}
    }


def entry(random: Random, at: int, number: int, workflow: str) -> Written:
    """One entry that differs from every other."""
    action, kind = ACTIONS[at % len(ACTIONS)]
    payload: dict[str, Any] = {
        "note": f"={at}+1",
        "number": number,
        "state": "open",
        "verdict": random.choice(["PASS", "FAIL"]),
    }
    document = None
    if kind in _DOCUMENTED or kind == "page":
        shared = at // 200 if kind == "declaration" else at  # the same declaration is named by several entries
        document = canonical({"evidence": [random.randrange(100) for _ in range(5)], "kind": kind, "of": shared})
        if kind == "declaration":
            document = canonical({"kind": kind, "of": shared})
        payload["document"] = hashlib.sha256(document).hexdigest()
    if action.startswith("review"):
        payload["comment"] = sealed(number)
    return Written(workflow, action, f"{kind}:{at:08x}", "person:9e6f", BEGIN + at * STEP, payload, document)


def make(
    entries: int = 700, *, seed: int = 7, workflows: Sequence[str] = ("ap", "claims", "invoices", "triage")
) -> MemoryLedger:
    """A ledger with heads after a third, two thirds and all of its entries, the key being rotated after the first."""
    random = Random(seed)  # noqa: S311 - made-up data
    numbers = dict.fromkeys(workflows, 0)
    written = []
    for at in range(entries):
        workflow = random.choice(list(workflows))
        numbers[workflow] += 1
        written.append(entry(random, at, numbers[workflow], workflow))
    return MemoryLedger(written, [entries // 3, 2 * entries // 3, entries], [private("first"), private("second")])


def source(ledger: MemoryLedger, workflow: str = "invoices") -> MemorySource:
    """The middle of the ledger's time for one workflow."""
    whole = len(ledger.written)
    return MemorySource(ledger, workflow, BEGIN + whole // 10 * STEP, BEGIN + 8 * whole // 10 * STEP)


def changed(one: Written, **what: Any) -> Written:  # noqa: ANN401
    """The same entry with something else."""
    return replace(one, **what)

"""What the ledger proves of an entry, and of the run that it tells of, step by step: everything is computed anew from the rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from afterpilot.domain.counting import plural
from afterpilot.record import merkle
from afterpilot.record.history import ledger
from afterpilot.record.history.paging import Row
from afterpilot.record.ledger import heads
from afterpilot.record.ledger.documents import hash_of, run_document
from afterpilot.record.ledger.heads import EntryProof

Word = Literal["proven", "not proven", "not sealed yet", "not in the ledger"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was computed, what it came to, and whether it fits; None where there is nothing to hold it against."""

    what: str
    value: str
    fits: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of all steps, in one word and in a sentence."""

    word: Word
    sentence: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class RunProof:
    """What the ledger holds of a run. ``agrees`` is None where there is no entry, or its payload names no document."""

    entry: Row | None
    agrees: bool | None
    document: str
    proof: EntryProof | None
    checked: Checked


def check_entry(connection: sa.Connection, row: Row, *, document: Step | None = None) -> Checked:
    """Prove one entry, given as its row with its place: payload, leaf, way to the root, head, signature, publication."""
    head = heads.last_head(connection)
    proof = heads.entry_proof(connection, row["id"], head=head if _covers(head, row) else None)
    payload = hashlib.sha256(row["payload"].encode()).digest()
    steps = [
        Step(
            "SHA-256 of the payload", payload.hex(), payload == bytes(row["payload_hash"]), "as it stands in the entry"
        )
    ]
    if document is not None:
        steps.insert(0, document)
    if proof is None or proof.index is None or proof.head is None:
        return _result(steps, "not sealed yet")
    hashed = merkle.leaf_hash(proof.leaf)
    stored = bytes(row["leaf_hash"]) if row["leaf_hash"] is not None else b""
    steps.append(Step("leaf: the entry in canonical JSON", proof.leaf.decode(), None))
    steps.append(Step("leaf hash: SHA-256(0x00, leaf)", hashed.hex(), hashed == stored, "as it was when it was sealed"))
    proven = merkle.verify_inclusion(proof.index, proof.head.entries, hashed, proof.path, proof.head.root)
    way = "\n".join(one.hex() for one in proof.path) or "(none: the tree has this leaf alone)"
    steps.append(Step(f"way to the root: {plural(len(proof.path), 'hash')}", way, None, "RFC 9162, inclusion proof"))
    steps.append(
        Step(f"root of {plural(proof.head.entries, 'entry')}", proof.head.root.hex(), proven, "what the way leads to")
    )
    return _result([*steps, *_head_steps(connection, proof)], "proven")


def _covers(head: heads.Head | None, row: Row) -> bool:
    return head is not None and row["leaf_index"] is not None and head.entries > row["leaf_index"]


def _head_steps(connection: sa.Connection, proof: EntryProof) -> Sequence[Step]:
    head = proof.head
    if head is None:
        return ()
    stands = head.statement == heads.statement_of(head, heads.ledger_id(connection))
    steps = [Step("statement of the head", head.statement, stands, "it says this root and this number of entries")]
    if head.key_id:
        steps.append(
            Step(
                f"signature by the key {head.key_id}",
                (head.signature or b"").hex(),
                heads.is_signed(head, heads.keys(connection)),
                "Ed25519",
            )
        )
    else:
        steps.append(
            Step("signature", "none", None, "no key was there: only who holds a copy of the head can show a change")
        )
    told = "\n".join(f"{one.place} at {one.at:%Y-%m-%d %H:%M} UTC" for one in head.publications)
    note = (
        "compare it with what stands there" if told else "not told outside of this database yet: see the list of heads"
    )
    return [*steps, Step("SHA-256 of the statement: what is published", f"{head.hash}\n{told}".strip(), None, note)]


def _result(steps: Sequence[Step], word: Word) -> Checked:
    wrong = [step.what for step in steps if step.fits is False]
    if wrong:
        return Checked(
            "not proven",
            f"It does not fit: {', '.join(wrong)}. Something was changed since, or the ledger is damaged.",
            tuple(steps),
        )
    return Checked(word, _SENTENCES[word], tuple(steps))


_SENTENCES: Mapping[Word, str] = {
    "proven": "The entry is the one that was sealed: from its bytes the way leads to the root that the head states.",
    "not sealed yet": "What stands here agrees with itself. It is proven once the DAG seal has taken it in.",
    "not in the ledger": "Nothing in the ledger tells of it, so nothing proves that it was not changed.",
}


def proof_of_run(connection: sa.Connection, run: Row) -> RunProof:
    """What the ledger holds of a run, and whether its row and findings still agree with it."""
    found = ledger.entry_of(connection, f"run:{run['id']}", ":run:recorded")
    if found is None:
        return RunProof(None, None, "", None, Checked("not in the ledger", _SENTENCES["not in the ledger"]))
    row = ledger.one_entry(connection, found["id"])
    named = str(_payload(found["payload"]).get("document", ""))
    now = hash_of(run_document(run, ledger.findings_of(connection, run["id"]))) if named else ""
    step = (
        Step("SHA-256 of the run with its findings, as stored now", now, now == named, "as the entry names it")
        if named
        else None
    )
    checked = (
        check_entry(connection, row, document=step)
        if row is not None
        else Checked("not in the ledger", _SENTENCES["not in the ledger"])
    )
    proof = heads.entry_proof(connection, found["id"])
    return RunProof(found, now == named if named else None, named, proof, checked)


def _payload(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

"""What is sealed: the bytes of a leaf for each entry of the ledger, in canonical JSON (RFC 8785)."""

from __future__ import annotations

from json.encoder import encode_basestring as _text
from typing import NamedTuple

_TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# The columns of ``Sealable``, in its order, of a ledger that goes by the name of l.
COLUMNS = (
    f"l.id, l.action, l.actor, {_TIME.format('l.at')} AS at, encode(l.payload_hash, 'hex') AS payload, "
    f"{_TIME.format('l.recorded_at')} AS recorded_at, l.subject, l.workflow"
)


class Sealable(NamedTuple):
    """An entry as it is sealed. ``payload`` is the SHA-256 of its payload in hex; times are ``2026-11-22T03:51:12.123456Z``."""

    id: int
    action: str
    actor: str
    at: str
    payload: str
    recorded_at: str
    subject: str
    workflow: str


def leaf_bytes(entry: Sealable, *, index: int, number: int) -> bytes:
    """The entry's leaf, which is the ``number``-th of its workflow, at this index of the tree (from 0).

    Only texts and whole numbers stand in it, and its keys are ASCII and in order: so this is RFC 8785, at a tenth of the cost.
    """
    id_, action, actor, at, payload, recorded_at, subject, workflow = entry
    return (
        f'{{"action":{_text(action)},"actor":{_text(actor)},"at":"{at}","id":{id_},"index":{index},"number":{number},'
        f'"payload":"{payload}","recorded_at":"{recorded_at}","subject":{_text(subject)},"workflow":{_text(workflow)}}}'
    ).encode()


def workflow_bytes(workflow: str, entries: int) -> bytes:
    """A workflow's leaf in the tree of the workflows, which are sorted by the code points of their names."""
    return f'{{"entries":{entries},"workflow":{_text(workflow)}}}'.encode()

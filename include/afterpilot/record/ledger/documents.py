"""The canonical documents that entries of the ledger name by their SHA-256: a run with its findings, a message, a declaration.

Each is the same when it is written and whenever it is made again of the stored rows: what PostgreSQL keeps in another form (numbers,
times) has one form here. ``format`` says which form that is: whoever changes what a document holds adds a new one, and keeps the old
one for the entries that name documents of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.record.ledger.canonical import canonical, digest, stamp

RUN_FORMAT, MESSAGE_FORMAT, DECLARATION_FORMAT = "run/1", "message/1", "declaration/1"
_RUN = ("workflow", "verdict", "summary", "reasons", "evidence", "versions", "trigger")
_FINDING = ("fingerprint", "workflow", "kind", "about", "severity", "title", "detail", "evidence")
_MESSAGE = ("dedupe_key", "workflow", "kind", "target", "channel", "message", "gravity")
_DECLARATION = ("workflow", "sha256", "usable", "document", "problems", "path")

Row = Mapping[Any, Any]  # of a table, or the values that are about to be written to it


def run_document(row: Row, findings: Sequence[Row]) -> dict[str, Any]:
    """A run with its findings, in the order of their fingerprints; ``row`` is one of ``runs``, ``findings`` of ``findings``."""
    return {
        "format": RUN_FORMAT,
        "id": str(row["id"]),
        "stage": str(row["stage"]),
        **{name: row[name] for name in _RUN},
        "window": [stamp(row["window_start"]), stamp(row["window_end"])],
        "started_at": stamp(row["started_at"]),
        "finished_at": stamp(row["finished_at"]),
        "corrects": str(row["corrects"]) if row.get("corrects") else None,
        "findings": [
            {"stage": str(one["stage"]), **{name: one[name] for name in _FINDING}}
            for one in sorted(findings, key=lambda one: one["fingerprint"])
        ],
    }


def message_document(row: Row) -> dict[str, Any]:
    """A message as it was queued; ``row`` is one of ``outbox``. What became of it is told by entries of its own."""
    return {
        "format": MESSAGE_FORMAT,
        "id": str(row["id"]),
        **{name: row[name] for name in _MESSAGE},
        "incident": str(row["incident_id"]) if row["incident_id"] else None,
        "report": str(row["report_id"]) if row["report_id"] else None,
        "created_at": stamp(row["created_at"]),
    }


def declaration_document(row: Row) -> dict[str, Any]:
    """A version of a declaration; ``row`` is one of ``declarations``."""
    return {
        "format": DECLARATION_FORMAT,
        **{name: row[name] for name in _DECLARATION},
        "first_loaded_at": stamp(row["first_loaded_at"]),
    }


def text_of(document: Mapping[str, Any]) -> str:
    """A document as bundles hold it: its canonical JSON."""
    return canonical(document).decode()


def hash_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document, hex: ``document`` in the payload of its entry."""
    return digest(document).hex()

"""Writes evidence bundles: a zip that proves by itself, with a program of the standard library, what a workflow's history is."""

from __future__ import annotations

from datetime import datetime

from afterpilot.record.bundle_source import (
    ERASED,
    KINDS,
    RETENTION,
    WITHHELD,
    BundleSource,
    Count,
    Document,
    Facts,
    Head,
    Key,
    Opened,
    SealedEntry,
)
from afterpilot.record.canonical import canonical, stamp

__all__ = [
    "ERASED",
    "KINDS",
    "RETENTION",
    "WITHHELD",
    "BundleSource",
    "Count",
    "Document",
    "Facts",
    "Head",
    "Key",
    "Opened",
    "SealedEntry",
    "endorsement_statement",
]


def endorsement_statement(*, ledger: str, key_id: str, public_key: bytes, since: datetime, endorsed_by: str) -> bytes:
    """What the key before signs to endorse a new one: canonical JSON, so that a bundle's reader can rebuild it."""
    return canonical(
        {
            "endorsed_by": endorsed_by,
            "key_id": key_id,
            "ledger": ledger,
            "public_key": public_key.hex(),
            "since": stamp(since),
        }
    )

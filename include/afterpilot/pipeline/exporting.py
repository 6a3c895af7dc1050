"""Writes evidence bundles, and puts on record who took one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry, Subject
from afterpilot.record.bundle.source import DatabaseSource
from afterpilot.record.bundle.writing import write_bundle
from afterpilot.record.ledger.canonical import stamp

_WEEKLY = "the weekly messages of the workflows"


@dataclass(frozen=True, slots=True)
class Asked:
    """A bundle that is asked for: of one workflow, what was recorded from ``since`` up to ``until``; ``names``: with personal values.

    ``known`` are hashes of heads that it is to hold beside the published ones.
    """

    workflow: str
    since: datetime
    until: datetime
    actor: str | Subject
    names: bool = False
    known: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written. ``head`` is the hash of the head that it is proven against.

    ``since`` is where it begins: later than asked for where retention has removed what was before.
    """

    entries: int
    size: int
    sha256: str
    head: str
    since: datetime


def export_bundle(
    connection: sa.Connection,
    asked: Asked,
    path: Path,
    *,
    record: Callable[[Entry], None],
    at: datetime,
    places: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write the bundle to ``path``; before the file stands there, ``record`` puts on record that it was taken.

    ``connection`` has begun a transaction of isolation REPEATABLE READ; ``places`` are where heads are published beside Slack.

    Raises:
        ConfigurationError: no head is signed, it has no entry of the workflow, or some are gone by retention, or a
            known head is not of this ledger.
    """
    whole = path.with_name(f".{path.name}.part")
    try:
        source = DatabaseSource(
            connection, asked.workflow, asked.since, asked.until, names=asked.names, known=asked.known
        )
        written = write_bundle(source, whole, published=[_WEEKLY, *places], progress=progress)
        exported = Exported(written.entries, written.size, written.sha256, source.head, source.facts().since)
        record(_entry(asked, exported, at))
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    return exported


def _entry(asked: Asked, exported: Exported, at: datetime) -> Entry:
    payload = {
        "bundle": exported.sha256,
        "entries": exported.entries,
        "from": stamp(exported.since),
        "head": exported.head,
        "names": asked.names,
        "to": stamp(asked.until),
    }
    subject = f"bundle:{exported.sha256}"
    return Entry("audit:bundle:exported", subject, at, asked.workflow, asked.actor, payload)

"""Documents that entries of the ledger name, made again from the rows of today."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from afterpilot.record.ledger.documents import declaration_document, message_document, run_document, text_of
from afterpilot.record.run_lookup import among
from afterpilot.record.tables import declarations, findings, outbox, runs

_PLURALS: Mapping[str, str] = {"run": "runs", "message": "messages", "declaration": "declarations"}


def kind_of(subject: str) -> str:
    """Below which name of a bundle's documents that of an entry with this subject stands."""
    return _PLURALS.get(subject.partition(":")[0], "others")


def rebuilt(connection: sa.Connection, workflow: str, subjects: Collection[str]) -> Mapping[str, str]:
    """The documents of these subjects of one kind (``run:<id>``), canonical, as far as their rows are there."""
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        kind, _, name = subject.partition(":")
        by_kind[kind].append(name)
    found: dict[str, str] = {}
    for kind, names in by_kind.items():
        if kind in _READERS:
            documents = _READERS[kind](connection, workflow, names)
            found |= {f"{kind}:{name}": text_of(document) for name, document in documents.items()}
    return found


def _runs(connection: sa.Connection, _: str, names: Collection[str]) -> Mapping[str, Any]:
    which = _ids(names)
    rows = connection.execute(sa.select(runs).select_from(among(which))).mappings().all()
    found: defaultdict[uuid.UUID, list[Any]] = defaultdict(list)
    if rows:
        wanted = sa.select(findings).where(
            findings.c.run_id.in_([row["id"] for row in rows]),
            findings.c.at.in_({row["finished_at"] for row in rows}),
        )
        for one in connection.execute(wanted).mappings():
            found[one["run_id"]].append(one)
    return {str(row["id"]): run_document(row, found[row["id"]]) for row in rows}


def _messages(connection: sa.Connection, _: str, names: Collection[str]) -> Mapping[str, Any]:
    wanted = sa.select(outbox).where(outbox.c.id.in_(_ids(names)))
    return {str(row["id"]): message_document(row) for row in connection.execute(wanted).mappings()}


def _declarations(connection: sa.Connection, workflow: str, names: Collection[str]) -> Mapping[str, Any]:
    wanted = sa.select(declarations).where(declarations.c.workflow == workflow, declarations.c.sha256.in_(list(names)))
    return {str(row["sha256"]): declaration_document(row) for row in connection.execute(wanted).mappings()}


def _ids(names: Collection[str]) -> list[uuid.UUID]:
    found = []
    for name in names:
        try:
            found.append(uuid.UUID(name))
        except ValueError:
            continue
    return found


_READERS = {"run": _runs, "message": _messages, "declaration": _declarations}

"""The ledger: what is added to it is never changed, and stands in the transaction of what it tells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ledger import Entry, Personal, Subject
from afterpilot.record import partitions
from afterpilot.record.ledger.canonical import canonical
from afterpilot.record.ledger.personal import Known, known, sealed
from afterpilot.record.plain import plain

# Text, once: to build and compile the statement anew would cost half of what an entry costs.
_COLUMNS = ("at", "actor", "action", "subject", "workflow", "payload", "payload_hash")
_INSERT = sa.text(f"INSERT INTO ledger ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})")  # noqa: S608 - own text
_SOON = timedelta(days=2)  # a month that begins so soon has its partition already


class Ledger:
    """Adds entries. Whoever may add can neither change nor remove any, nor say when one was recorded."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, entry: Entry) -> None:
        """Add one entry."""
        self.append_many((entry,))

    def append_many(self, entries: Sequence[Entry]) -> None:
        """Add entries, in this order."""
        if not entries:
            return
        wanted = {subject for entry in entries for subject in _subjects(entry)}
        people = known(self._connection, wanted) if wanted else {}
        now = datetime.now(UTC)
        partitions.ready(self._connection, "ledger", (now, now + _SOON))
        rows = [_row(entry, people) for entry in entries]
        self._connection.execute(_INSERT, rows if len(rows) > 1 else rows[0])


def _subjects(entry: Entry) -> Iterator[Subject]:
    if isinstance(entry.actor, Subject):
        yield entry.actor
    for value in _personal(entry.payload):
        yield _about(value, entry)


def _personal(value: object) -> Iterator[Personal]:
    if isinstance(value, Personal):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _personal(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _personal(one)


def _about(value: Personal, entry: Entry) -> Subject:
    if value.about is not None:
        return value.about
    if isinstance(entry.actor, Subject):
        return entry.actor
    raise ValueError(f"{entry.action}: a personal value is about nobody, and no person acts")


def _row(entry: Entry, people: Mapping[Subject, Known]) -> dict[str, Any]:
    def shown(value: Any) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, Personal):
            return sealed(plain(value.value), people[_about(value, entry)])
        if isinstance(value, Mapping):
            return {str(key): shown(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [shown(one) for one in value]
        return value

    payload = canonical(shown(entry.payload))
    return {
        "at": entry.at,
        "actor": people[entry.actor].pseudonym if isinstance(entry.actor, Subject) else entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "workflow": entry.workflow,
        "payload": payload.decode(),
        "payload_hash": hashlib.sha256(payload).digest(),
    }

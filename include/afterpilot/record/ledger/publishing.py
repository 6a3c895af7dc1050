"""Heads of the ledger outside of its database: a small file for each, never overwritten, and what weekly messages have told.

Whoever owns the database can rewrite all of it. What was published cannot be rewritten from here: it is held against the ledger
time and again, and before the next head goes there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import LedgerBroken, SourceError
from afterpilot.domain.ledger import Entry
from afterpilot.record.ledger import heads
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.ledger.heads import Head, Key
from afterpilot.record.tables import ledger_publications

_NAME = re.compile(r"head-(\d{12,})\.json")
_TOLD = re.compile(r"\blast head ([0-9a-f]{64}), ([\d,]+) (?:entry|entries),")
_LOOK_BACK = timedelta(days=60)
_MOST_BYTES = 10_000
# What only a preview shows has left nothing outside of this database.
_UNSEEN = sa.text(
    "SELECT id, target, channel, sent_at, message->>'footer' AS footer FROM outbox "
    "WHERE kind IN ('weekly', 'corrected') AND state = 'sent' AND transport <> 'preview' AND sent_at > CAST(:since AS timestamptz) "
    "AND message->>'footer' LIKE '%last head %' AND NOT EXISTS "
    "(SELECT FROM ledger_publications p WHERE p.reference = 'message:' || outbox.id) ORDER BY sent_at LIMIT 500"
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A place to write to: an fsspec filesystem, a path on it, and how the place is declared."""

    store: Any
    path: str
    declared: str


def head_line(head: Head) -> str:
    """A head in one plain line, as weekly messages carry it; :func:`note_weekly` reads it again."""
    entries = "1 entry" if head.entries == 1 else f"{head.entries:,} entries"
    return f"Ledger: last head {head.hash}, {entries}, {head.at:%Y-%m-%d %H:%M} UTC"


def ledger_line(connection: sa.Connection) -> str:
    """The newest head in one line; empty where nothing is sealed yet."""
    head = heads.last_head(connection)
    return head_line(head) if head else ""


def is_due(connection: sa.Connection, place: str, head: Head, *, now: datetime, every: timedelta) -> bool:
    """Whether this head is to be written to that place."""
    table = ledger_publications
    wanted = sa.select(sa.func.max(table.c.at), sa.func.max(table.c.entries)).where(table.c.place == place)
    at, entries = connection.execute(wanted).one()
    return at is None or (now - at >= every and head.entries > entries)


def publish(connection: sa.Connection, folder: Folder, head: Head) -> str:
    """Write the head to the place, once it has shown to fit what stands there; the name of the file.

    Raises:
        LedgerBroken: what stands there was published by another state of this ledger.
        SourceError: the place cannot be read or written.
    """
    ledger = heads.ledger_id(connection)
    path = f"{folder.path.rstrip('/')}/{ledger}"
    try:
        _must_go_on(connection, folder.store, path, head)
        name = f"{path}/head-{head.entries:012d}.json"
        _write(folder.store, name, _text(head, heads.keys(connection)), head)
    except (LedgerBroken, SourceError):
        raise
    except Exception as error:  # each store has exceptions of its own, and their text may hold a key
        raise SourceError(f"{folder.declared}: a head cannot be written ({type(error).__name__})") from error
    put_on_record(connection, head, folder.declared, f"{ledger}/head-{head.entries:012d}.json", head.at)
    return name


def compare(connection: sa.Connection, folder: Folder, head: Head) -> None:
    """See that what stands at the place fits the ledger, whose newest head this is: a look at the names there, and at the newest file.

    Raises:
        LedgerBroken: what stands there was published by another state of this ledger.
        SourceError: the place cannot be read, or the head that was published there last is not there any more.
    """
    path = f"{folder.path.rstrip('/')}/{heads.ledger_id(connection)}"
    try:
        newest = _must_go_on(connection, folder.store, path, head)
    except (LedgerBroken, SourceError):
        raise
    except Exception as error:  # as above
        raise SourceError(f"{folder.declared}: published heads cannot be read ({type(error).__name__})") from error
    table = ledger_publications
    told = connection.scalar(sa.select(sa.func.max(table.c.entries)).where(table.c.place == folder.declared)) or 0
    if newest < told:
        raise SourceError(
            f"{folder.declared}: the head over {told} entries was published there, and is not there any more"
        )


def put_on_record(connection: sa.Connection, head: Head, place: str, reference: str, at: datetime) -> None:
    """That this head was told there."""
    values = {"entries": head.entries, "place": place, "reference": reference}
    connection.execute(sa.insert(ledger_publications).values(values))
    payload = {"entries": head.entries, "head": head.hash, "place": place, "reference": reference}
    Ledger(connection).append(Entry("seal:head:published", f"head:{head.hash}", at, payload=payload))


def note_weekly(connection: sa.Connection, *, now: datetime) -> int:
    """Put on record which heads weekly messages have told since the last look; how many messages that were."""
    found = 0
    for row in connection.execute(_UNSEEN, {"since": now - _LOOK_BACK}).all():
        told = _TOLD.search(row.footer)
        head = heads.head_at(connection, int(told.group(2).replace(",", ""))) if told else None
        if head is None or told is None or head.hash != told.group(1):
            raise LedgerBroken(f"the message {row.id} has told of a head that the ledger does not have any more")
        put_on_record(connection, head, f"{row.target}:{row.channel}", f"message:{row.id}", row.sent_at)
        found += 1
    return found


def _must_go_on(connection: sa.Connection, store: Any, path: str, head: Head) -> int:  # noqa: ANN401 - fsspec
    """See that the newest head that stands there is one of this ledger's own; over how many entries it is, 0 where none stands there."""
    store.invalidate_cache()
    numbers = [int(match.group(1)) for name in _names(store, path) if (match := _NAME.fullmatch(name))]
    if not numbers:
        return 0
    newest = max(numbers)
    if newest > head.entries:
        raise LedgerBroken(f"{path} has a head over {newest} entries, and this ledger's last is over {head.entries}")
    told, own = _read(store, f"{path}/head-{newest:012d}.json"), heads.head_at(connection, newest)
    if own is None or told.get("statement") != own.statement:
        raise LedgerBroken(f"the head over {newest} entries in {path} is not one of this ledger")
    return newest


def _names(store: Any, path: str) -> Sequence[str]:  # noqa: ANN401 - fsspec
    try:
        return [str(name).rsplit("/", 1)[-1] for name in store.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def _read(store: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - fsspec
    with store.open(name, "rb") as file:
        text = file.read(_MOST_BYTES)
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise SourceError(f"{name} is not the file that was written there")
    return data


def _write(store: Any, name: str, text: bytes, head: Head) -> None:  # noqa: ANN401 - fsspec
    """Write a new file; one that is there already has to say the same."""
    store.makedirs(name.rsplit("/", 1)[0], exist_ok=True)
    try:
        with store.open(name, "xb") as file:
            file.write(text)
    except FileExistsError:
        if _read(store, name).get("statement") != head.statement:
            raise LedgerBroken(f"{name} is there already and says something else") from None
    except (NotImplementedError, ValueError):  # this store has no way to make a file only where there is none
        if not store.exists(name):
            store.pipe_file(name, text)


def _text(head: Head, keys: Mapping[str, Key]) -> bytes:
    key = keys.get(head.key_id)
    said = {
        "head": head.hash,
        "entries": head.entries,
        "at": f"{head.at:%Y-%m-%dT%H:%M:%SZ}",
        "statement": head.statement,
        "key": head.key_id,
        "public_key": key.public.hex() if key else "",
        "signature": head.signature.hex() if head.signature else "",
    }
    return (json.dumps(said, indent=1) + "\n").encode()

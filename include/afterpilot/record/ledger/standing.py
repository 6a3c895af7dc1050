"""Whether keys, heads and publications are what the ledger itself says of them, and nothing was put beside the tree."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.record import merkle
from afterpilot.record.ledger import heads
from afterpilot.record.ledger.removed import gone
from afterpilot.record.ledger.signing_keys import key_id

_ADDED = sa.text("SELECT at, payload FROM ledger WHERE action = 'seal:key:added' AND subject = :subject")
_PUBLISHED = sa.text(
    "SELECT subject, at, payload FROM ledger WHERE workflow = '_fleet' AND action = 'seal:head:published' ORDER BY id"
)
_NODES = sa.text("SELECT count(*) FROM ledger_nodes")
_OLDEST = sa.text("SELECT recorded_at FROM ledger ORDER BY id LIMIT 1")
_BEGAN = sa.text("SELECT began_at, (SELECT recorded_at FROM ledger ORDER BY id LIMIT 1) AS first FROM ledger_identity")
_UNTOLD = sa.text(
    "SELECT p.entries, p.place FROM ledger_publications p LEFT JOIN ledger_heads h USING (entries) "
    "WHERE p.at >= :since AND (h.entries IS NULL OR NOT EXISTS (SELECT FROM ledger l WHERE l.action = 'seal:head:published' "
    "  AND l.subject = 'head:' || encode(sha256(convert_to(h.statement, 'UTF8')), 'hex'))) ORDER BY p.id LIMIT 50"
)
_SHREDDED = sa.text(
    "SELECT id, erased_at FROM subjects s WHERE kind = 'person' AND erased_at >= :since AND NOT EXISTS ("
    "  SELECT FROM ledger l WHERE l.subject = 'person:' || s.id AND l.action = 'retention:person:erased') LIMIT 50"
)


@dataclass(slots=True)
class Flaws:
    """What does not fit, and what is not proven and no problem."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look(connection: sa.Connection, ledger: str, total: int) -> Flaws:
    """Look at all that stands beside the entries of a ledger of ``total`` sealed ones."""
    flaws = Flaws()
    since = kept_since(connection)
    _keys(connection, ledger, since, flaws)
    _publications(connection, since, flaws)
    wanted = sum(total >> level for level in merkle.STORED_LEVELS if level)
    if (stored := connection.scalar(_NODES) or 0) != wanted:
        flaws.problems.append(f"there are {stored} nodes of the tree, and {total} entries make {wanted}")
    began: Any = connection.execute(_BEGAN).one()
    if began.first and began.first < began.began_at:
        flaws.problems.append(
            f"the ledger says that it began at {began.began_at:%Y-%m-%d %H:%M} UTC, after its first entry"
        )
    for row in connection.execute(_SHREDDED, {"since": since}):
        flaws.problems.append(
            f"the key of person:{row.id} was destroyed at {row.erased_at:%Y-%m-%d %H:%M} UTC, and no entry says why"
        )
    return flaws


def kept_since(connection: sa.Connection) -> datetime:
    """From when on entries are there: older ones are gone by retention, and what they said cannot be asked for."""
    oldest = connection.scalar(_OLDEST) if gone(connection).ids else None
    return oldest or datetime.min.replace(tzinfo=UTC)


def _keys(connection: sa.Connection, ledger: str, since: datetime, flaws: Flaws) -> None:
    known = heads.keys(connection)
    for key in known.values():
        if key_id(key.public) != key.id:
            flaws.problems.append(f"the key {key.id} is named by an id that is not its own")
        told = connection.execute(_ADDED, {"subject": f"key:{key.id}"}).all()
        same = [
            row for row in told if row.at == key.since and json.loads(row.payload).get("public") == key.public.hex()
        ]
        if not same and key.since >= since:
            flaws.problems.append(f"the key {key.id} is not as an entry of the ledger has added it")
        if key.endorsed_by and not heads.is_endorsed(key, known, ledger):
            flaws.problems.append(f"the key {key.id} says that {key.endorsed_by} has endorsed it, and it has not")
        elif not heads.is_endorsed(key, known, ledger):
            flaws.notes.append(
                f"no earlier key has endorsed the key {key.id}, in use since {key.since:%Y-%m-%d %H:%M} UTC"
            )


def _publications(connection: sa.Connection, since: datetime, flaws: Flaws) -> None:
    for row in connection.execute(_PUBLISHED):
        told = json.loads(row.payload)
        head = heads.head_at(connection, int(told["entries"]))
        if head is None or f"head:{head.hash}" != row.subject:
            flaws.problems.append(
                f"the head over {told['entries']} entries was published on {row.at:%Y-%m-%d} to {told['place']} and is not there any more"
            )
        elif not any(one.place == told["place"] for one in head.publications):
            flaws.problems.append(
                f"that the head over {head.entries} entries was published to {told['place']} is not on record any more"
            )
    for row in connection.execute(_UNTOLD, {"since": since}):
        flaws.problems.append(
            f"a head over {row.entries} entries is said to be published to {row.place}, and no entry says so"
        )

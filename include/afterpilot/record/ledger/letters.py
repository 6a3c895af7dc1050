"""Where messages stand, as the outbox says it, held against the newest entry of each: whether one was sent, where to, or why not.

What a message says is in its document, which is held against the hash in its first entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import sqlalchemy as sa

from afterpilot.record.ledger.acts import MOST, streamed
from afterpilot.record.ledger.standing import Flaws
from afterpilot.record.ledger.words import Words

_ELSEWHERE = {"queued": "pending"}  # words of entries that are not those of the outbox
# Of those that were sent, or never will be, all are looked at, as where to and why stand in words; of the others those that differ.
_NEWEST = (
    "SELECT o.id, o.workflow, o.state, o.sent_at, o.transport, o.posted_channel, o.posted_ts, o.why, o.error, l.word, l.at, l.payload "
    "FROM outbox AS o "
    "JOIN (SELECT DISTINCT ON (subject) subject, split_part(action, ':', 3) AS word, at, payload FROM ledger "
    "  WHERE starts_with(action, 'alerts\\:message\\:') OR starts_with(action, 'deliver\\:message\\:') ORDER BY subject, id DESC) AS l "
    "ON l.subject = 'message:' || o.id WHERE l.word IN ('sent', 'dead', 'superseded', 'suppressed') OR l.word <> o.state"
)


def look(connection: sa.Connection) -> Flaws:
    """Hold each message against what became of it."""
    return Flaws(list(islice(_changed(connection, Words(connection)), MOST)))


def _changed(connection: sa.Connection, words: Words) -> Iterator[str]:
    for row in streamed(connection, _NEWEST):
        if wrong := _difference(row, words):
            yield f"outbox: message:{row.id} of {row.workflow} has another {wrong} than the ledger tells"


def _difference(row: Any, words: Words) -> str:  # noqa: ANN401 - a row
    if row.state != _ELSEWHERE.get(row.word, row.word):
        return "state"
    told: Mapping[str, Any] = json.loads(row.payload)
    if row.word != "sent":
        said = {"why": row.why, "error": row.error}
        return next((name for name in said if name in told and not words.said(told[name], said[name])), "")
    if row.sent_at != row.at:
        return "sent_at"
    if not words.said(told.get("transport"), row.transport):
        return "transport"
    posted = {"channel": row.posted_channel, "ts": row.posted_ts}
    return "" if words.said(told.get("posted"), posted) else "place"

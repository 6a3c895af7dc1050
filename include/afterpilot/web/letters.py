"""Messages of the outbox as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterpilot.domain.message import Message
from afterpilot.record.history.paging import Row

PREVIEW = "preview"
_NOT_SENT = {
    "dead": "could not be delivered",
    "digest": "waits for the digest",
    "digested": "told in the digest",
    "silenced": "not sent",
    "suppressed": "not sent",
    "superseded": "newer news came first",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the outbox, the message in it (None where a version wrote it that knew other fields: the page shows the data as it is), and what became of it."""

    row: Row
    message: Message | None
    fate: str
    state: str


def letters(rows: Sequence[Row]) -> Sequence[Shown]:
    """Rows of the outbox, ready to be shown."""
    return [Shown(row, Message.readable(row["message"]), _fate(row), _state(row)) for row in rows]


def _state(row: Row) -> str:
    return PREVIEW if row["state"] == "sent" and row["transport"] == PREVIEW else str(row["state"])


def _fate(row: Row) -> str:
    state = _state(row)
    if state == PREVIEW:
        return "preview: not sent to Slack"
    if state == "sent":
        return f"sent through {row['transport'] or 'an unnamed transport'}"
    if state == "pending":
        return "waits to be sent" if row["attempts"] == 0 else "waits to be sent again"
    return _NOT_SENT.get(state, state)

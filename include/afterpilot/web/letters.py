"""Messages of the outbox as a page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.domain.message import Message
from afterpilot.record.history.named import slack_names
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
    """A row of the outbox, the message in it (None where a version wrote it that knew other fields: the page shows the data as it is), what
    became of it, and whom it calls, by name where a declaration says it.
    """

    row: Row
    message: Message | None
    fate: str
    state: str
    called: tuple[str, ...] = ()


def letters(rows: Sequence[Row]) -> Sequence[Shown]:
    """Rows of the outbox with what became of them; whom they call stands as Slack's ids."""
    return _letters(rows, {})


def named_letters(connection: sa.Connection, rows: Sequence[Row]) -> Sequence[Shown]:
    """The same as people read them: whom they call, by name."""
    calls = {one for letter in letters(rows) for one in letter.called}
    return _letters(rows, slack_names(connection, calls) if calls else {})


def _letters(rows: Sequence[Row], names: Mapping[str, str]) -> Sequence[Shown]:
    shown = []
    for row in rows:
        message = Message.readable(row["message"])
        ids = message.mention.split() if message else ()
        called = tuple(dict.fromkeys(names.get(one, one.removeprefix("@")) for one in ids))
        shown.append(Shown(row, message, _fate(row), _state(row), called))
    return shown


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

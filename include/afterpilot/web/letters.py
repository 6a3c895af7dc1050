"""Messages of the outbox as a page shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from afterpilot.domain.message import Message
from afterpilot.notify.blocks import called
from afterpilot.record.history.named import SlackNames
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
class Called:
    """Whom a message calls: the name, and Slack's id where it is known by one."""

    name: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the outbox, the message in it (None where a version wrote it that knew other fields: the page shows the data as it is), what
    became of it, and whom it calls.
    """

    row: Row
    message: Message | None
    fate: str
    state: str
    called: tuple[Called, ...] = ()


def letters(rows: Sequence[Row]) -> Sequence[Shown]:
    """Rows of the outbox with what became of them; whom they call is left out."""
    return [Shown(row, Message.readable(row["message"]), _fate(row), _state(row)) for row in rows]


def named_letters(connection: sa.Connection, rows: Sequence[Row]) -> Sequence[Shown]:
    """The same with whom they call, by the name that the workflow's declaration had when the message was made."""
    shown = letters(rows)
    ids = {one for letter in shown for one in called(_mention(letter))}
    names = SlackNames(connection, {row["workflow"] for row in rows}, ids)
    return [replace(letter, called=tuple(_called(letter, names))) for letter in shown]


def _called(letter: Shown, names: SlackNames) -> Iterator[Called]:
    """In the words of the message where they are no ids: everybody who is there, or a label in place of somebody who was erased."""
    mention = _mention(letter)
    ids = called(mention)
    if mention and not ids:
        yield Called(mention.removeprefix("@"))
    for one in dict.fromkeys(ids):
        yield Called(names.at(letter.row["workflow"], one, letter.row["created_at"]) or one, one)


def _mention(letter: Shown) -> str:
    return letter.message.mention if letter.message else ""


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

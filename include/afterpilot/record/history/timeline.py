"""All that happened about an incident in one stream: what runs found, what people did, and what became of each message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from afterpilot.domain.alerting import SLACK
from afterpilot.record.history.paging import Row

_ROUTINE = "seen"  # found again, unchanged: many of them in a row say as much as one
_PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line: an event (``message`` is None) or a message. ``times`` events of routine are one line, up to ``until``.

    ``what`` is the event's word, or what became of the message; ``text`` says it in words.
    """

    at: datetime
    what: str
    text: str = ""
    actor: str = ""
    run: Row | None = None
    message: Row | None = None
    times: int = 1
    until: datetime | None = None


def stream(events: Sequence[Row], messages: Sequence[Row]) -> Sequence[Moment]:
    """Both in the order of their time, oldest first; of the same time the event comes first, as its message tells of it."""
    lines = [*map(_event, events), *_messages(messages)]
    lines.sort(key=lambda one: (one.at, one.message is not None))
    return list(_folded(lines))


def _event(row: Row) -> Moment:
    actor = row["actor"] if row["actor"] != "afterpilot" else ""
    run = row if row["run_id"] else None
    return Moment(row["at"], row["what"], row["note"], actor, run)


def _messages(rows: Sequence[Row]) -> Iterator[Moment]:
    """Each message at the time at which it was sent, or was put aside; an edit is told from a post by where it stands."""
    standing: set[tuple[str, str, str]] = set()
    for row in sorted(rows, key=lambda one: (one["sent_at"] or one["created_at"], str(one["id"]))):
        place = (row["target"], row["posted_channel"], row["posted_ts"])
        edited = bool(row["posted_ts"]) and place in standing
        standing.add(place)
        what, text = fate(row, edited=edited)
        yield Moment(row["sent_at"] or row["created_at"], what, text, message=row)


def fate(row: Row, *, edited: bool = False) -> tuple[str, str]:
    """What became of a message, as a word and in words."""
    where = row["channel"] if row["target"] == SLACK else f"{row['target']} {row['channel']}".strip()
    state, error = row["state"], f": {row['error']}" if row["error"] else ""
    if state == "sent" and row["transport"] == _PREVIEW:
        return _PREVIEW, f"shown in the preview, not sent to {where}"
    if state == "sent":
        return ("edited", f"edited in {where}") if edited else ("sent", f"sent to {where}")
    if state == "pending":
        tried = f", {row['attempts']} attempts so far{error}" if row["attempts"] else ""
        return state, f"waits to be sent to {where}{tried}"
    call = row["kind"] == "escalated"
    words = {
        "dead": f"could not be delivered to {where}{error}",
        "digest": f"waits for the {'call' if call else 'digest'} in {where}",
        "digested": f"told in {'one call about many' if call else 'the digest'} in {where}",
        "silenced": "not sent",
        "suppressed": "not sent",
        "superseded": "not sent, as newer news came first",
    }
    why = f": {row['why']}" if row["why"] and state in {"silenced", "suppressed"} else ""
    return str(state), words.get(str(state), str(state)) + why


def _folded(lines: Sequence[Moment]) -> Iterator[Moment]:
    """Runs that found the same again, with nothing between them, as one line with the newest of these runs."""
    kept: Moment | None = None
    for one in lines:
        if kept and kept.what == one.what == _ROUTINE:
            kept = replace(kept, times=kept.times + 1, until=one.at, run=one.run or kept.run, text=one.text)
            continue
        if kept:
            yield kept
        kept = one
    if kept:
        yield kept

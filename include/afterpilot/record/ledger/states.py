"""How things stand, as the tables say it, held against all that the ledger tells of each: its first words, and what became of it.

A row that is changed as its thing goes on (an incident, a raise, an order) has to be what its entries make of it. What is told of a
thing that is not on record, and not gone by retention, is missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from afterpilot.record.ledger.acts import MOST, streamed
from afterpilot.record.ledger.audit import OUTPUT
from afterpilot.record.ledger.canonical import stamp
from afterpilot.record.ledger.removed import Removed
from afterpilot.record.ledger.standing import Flaws
from afterpilot.record.ledger.words import Words, same

_CLOCKS = timedelta(minutes=10)  # by which a row and its entry may be dated apart
_WORDED = ("opened", "changed", "reopened")  # what incidents are told in
_OVER = {"ordered": "pending", "done": "done", "withdrawn": "overtaken", "overtaken": "overtaken"}


class Told(NamedTuple):
    """One entry about a thing; ``word`` is the last part of its action."""

    word: str
    at: datetime
    actor: str
    payload: Mapping[str, Any]


Judge = Callable[
    [Any, Sequence[Told], Words], str
]  # a row, its entries in order → the column that does not fit, or nothing


@dataclass(frozen=True, slots=True)
class Thing:
    """A table whose rows go on: how each is named, which entries tell of it, and what has to fit.

    ``first``: the actions of which each has its row; ``own``: by what more than its subject an entry and its row find each other.
    """

    rows: str
    actions: str
    judge: Judge
    first: tuple[str, ...]
    own: str = ""


def _incident(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    newest = told[-1].payload
    for name in ("kind", "severity", "state"):
        if name in newest and newest[name] != getattr(row, name):
            return name
    worded = _last(told, *_WORDED)
    if worded is not None:
        title = worded.payload.get("title" if worded.word == "opened" else "note")
        if not words.said(title, row.title):
            return "title"
    # What has no entry may be of before the ledger, unless that tells of the incident from its beginning on.
    whole = told[0].word == "opened"
    taken = _last(told, "acknowledged", "waiver_over", "reopened")
    if taken is None or taken.word != "acknowledged":
        if (whole or taken is not None) and (row.acknowledged_by or row.acknowledged_at):
            return "acknowledged_by"
    elif row.acknowledged_at != taken.at or not words.named(taken.actor, row.acknowledged_by):
        return "acknowledged_by"
    return _waiver(row, told, words) or _end(row, told)


def _waiver(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    waived = _last(told, "waived")
    if waived is None:
        said = row.waived_until or row.waived_by or row.waived_reason
        return "waived_until" if said and told[0].word == "opened" else ""
    if row.waived_until is None:
        return "waived_until" if row.state == "waived" else ""
    if waived.payload.get("until") != stamp(row.waived_until):
        return "waived_until"
    if not words.named(waived.actor, row.waived_by):
        return "waived_by"
    reason = f"until {row.waived_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {row.waived_reason}"
    return "" if words.said(waived.payload.get("note"), reason) else "waived_reason"


def _end(row: Any, told: Sequence[Told]) -> str:  # noqa: ANN401 - a row
    ended = _last(told, "resolved", "reopened")
    at = ended.at if ended is not None and ended.word == "resolved" else None
    known = ended is not None or told[0].word == "opened"
    return "resolved_at" if known and row.resolved_at != at else ""


def _raise(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    first, newest = told[0].payload, told[-1]
    state = "pending" if newest.word == "asked" else newest.word
    if row.state != state:
        return "state"
    period = [stamp(row.period_start), stamp(row.period_end)]
    for name, value in (("cap", row.cap), ("limit", row.amount), ("currency", row.currency), ("period", period)):
        if not same(first.get(name), value):
            return name
    # Where the question is gone by retention, and the answer is still there, nothing is known of who asked, and why.
    whole = told[0].word == "asked" or row.asked_at >= words.since
    if whole and (told[0].at != row.asked_at or not words.named(told[0].actor, row.asked_by)):
        return "asked_by"
    if newest.word != "asked" and (len(told) > 1 or not whole):
        if row.decided_at != newest.at:
            return "decided_at"
        if not words.named(newest.actor, row.second_by or row.asked_by):
            return "second_by"
    return "" if not whole or words.said(first.get("note"), row.reason) else "reason"


def _offer(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    if row.state not in {"accepted", "declined"}:
        return "state" if any(one.at >= row.offered_at for one in told) else ""
    newest = told[-1]
    if newest.word != row.state:
        return "state"
    if newest.at != row.answered_at or not words.named(newest.actor, row.decided_by):
        return "decided_by"
    return "" if words.said(newest.payload.get("note"), row.note) else "note"


def _order(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    first = _last(told, "ordered")
    if first is not None:
        target = {name: row.target.get(name) for name in ("kind", "connection")}
        if first.payload.get("action") != row.action or not same(first.payload.get("target"), target):
            return "target"
        if not words.said(first.payload.get("said"), row.said):
            return "said"
    return "" if _OVER.get(told[-1].word) == row.state else "state"


def _silence(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    newest = told[-1]
    if newest.payload.get("to") != stamp(row.ends_at):
        return "ends_at"
    fits = words.named(newest.actor, row.ended_by) if newest.word == "ended" else not row.ended_by
    return "" if fits else "ended_by"


def _hold(row: Any, told: Sequence[Told], words: Words) -> str:  # noqa: ANN401 - a row
    first, ended = _last(told, "set"), _last(told, "released")
    if first is not None:
        if first.at != row.set_at or not words.named(first.actor, row.set_by):
            return "set_by"
        if [_moment(first.payload.get(name)) for name in ("from", "to")] != [row.from_at, row.to_at]:
            return "span"
        if not words.said(first.payload.get("reason"), row.reason):
            return "reason"
    if ended is None:
        return "ended_at" if row.ended_at or row.ended_by or row.ended_reason else ""
    if ended.at != row.ended_at or not words.named(ended.actor, row.ended_by):
        return "ended_by"
    return "" if words.said(ended.payload.get("reason"), row.ended_reason) else "ended_reason"


def _price(row: Any, told: Sequence[Told], _: Words) -> str:  # noqa: ANN401 - a row
    """Every entry about a price that was added says the same."""
    for name, value in told[-1].payload.items():
        kept = getattr(row, name, None)
        if not same(value, kept.isoformat() if isinstance(kept, date) else kept):
            return name
    return ""


def _current(row: Any, told: Sequence[Told], _: Words) -> str:  # noqa: ANN401 - a row
    newest = told[-1]
    if row.present != (newest.word != "removed"):
        return "present"
    if newest.payload.get("sha256") != row.sha256:
        return "version"
    used = [one.payload["usable_sha256"] for one in told if one.payload.get("usable_sha256")]
    # One that could not be used may become usable as it is, with another version of Afterpilot.
    return "" if not used or row.usable_sha256 in {row.sha256, used[-1]} else "version that is used"


def _repriced(row: Any, told: Sequence[Told], _: Words) -> str:  # noqa: ANN401 - a row
    """A price is given to calls again and again: one of the entries has to say just this."""
    days = [row.first_day.isoformat(), row.last_day.isoformat()]
    costs = [row.old_cost, row.new_cost]
    for one in told:
        said = one.payload
        alike = (said["model"], said["instead_of"], said["days"], said["calls"], said["run"]) == (
            row.model, str(row.old_price), days, row.calls, str(row.run_id) if row.run_id else None,
        )  # fmt: skip
        if alike and all(same(cost, kept) for cost, kept in zip(said["costs"], costs, strict=True)):
            return ""
    return "price, span or cost"


THINGS: Mapping[str, Thing] = {
    "incidents": Thing(
        "SELECT 'incident:' || id AS subject, incidents.* FROM incidents",
        "starts_with(l.action, 'alerts\\:incident\\:')",
        _incident,
        ("alerts:incident:opened",),
    ),
    "cap_raises": Thing(
        "SELECT 'raise:' || id AS subject, cap_raises.* FROM cap_raises",
        "starts_with(l.action, 'spend\\:raise\\:')",
        _raise,
        ("spend:raise:asked", "spend:raise:approved", "spend:raise:refused"),
    ),
    "case_offers": Thing(
        f"SELECT {OUTPUT} AS subject, case_offers.* FROM case_offers",  # noqa: S608 - constants
        "starts_with(l.action, 'evals\\:case\\:')",
        _offer,
        ("evals:case:accepted", "evals:case:declined"),
    ),
    "stop_orders": Thing(
        "SELECT 'stop:' || id AS subject, stop_orders.* FROM stop_orders",
        "starts_with(l.action, 'spend\\:stop\\:')",
        _order,
        ("spend:stop:ordered",),
    ),
    "silences": Thing(
        "SELECT 'silence:' || id AS subject, silences.* FROM silences",
        "starts_with(l.action, 'alerts\\:silence\\:')",
        _silence,
        (),  # afterpilot.record.ledger.acts
    ),
    "holds": Thing(
        "SELECT 'hold:' || id AS subject, holds.* FROM holds",
        "starts_with(l.action, 'retention\\:hold\\:')",
        _hold,
        ("retention:hold:set",),
    ),
    "prices": Thing(
        "SELECT 'price:' || id AS subject, '_fleet' AS workflow, prices.* FROM prices",
        "l.action = 'spend\\:price\\:added'",
        _price,
        ("spend:price:added",),
    ),
    "repricings": Thing(
        "SELECT 'price:' || new_price AS subject, repricings.* FROM repricings",
        "l.action = 'spend\\:price\\:changed' AND l.workflow = w.workflow",
        _repriced,
        ("spend:price:changed",),
        "AND w.workflow = l.workflow AND CAST(l.payload AS json) ->> 'instead_of' = CAST(w.old_price AS text) "
        "AND CAST(l.payload AS json) -> 'days' ->> 0 = CAST(w.first_day AS text)",
    ),
}
_STANDING = (
    "SELECT w.*, (SELECT json_agg(json_build_array(l.action, l.at, l.actor, l.payload) ORDER BY l.id) "
    "  FROM ledger l WHERE l.subject = w.subject AND {actions}) AS told FROM ({rows}) AS w"
)
_LOST = (
    "SELECT l.subject, l.workflow, l.at FROM ledger l WHERE l.action = ANY(:first) "
    "AND NOT EXISTS (SELECT FROM ({rows}) AS w WHERE w.subject = l.subject {own}) ORDER BY l.id"
)
_CURRENT = (
    "SELECT 'workflow\\:' || l.workflow AS subject, l.workflow, l.told, w.sha256, w.usable_sha256, w.present FROM ("
    "  SELECT workflow, json_agg(json_build_array(action, at, actor, payload) ORDER BY id) AS told FROM ledger "
    "  WHERE action = ANY(:actions) GROUP BY workflow) AS l LEFT JOIN current_declarations AS w USING (workflow)"
)
_FOLDERS = ["declare:version:current", "declare:workflow:removed", "declare:workflow:returned"]


def look(connection: sa.Connection) -> Flaws:
    """Hold each row against its entries, and each thing that the ledger tells of against its row."""
    flaws, words, removed = Flaws(), Words(connection), Removed(connection)
    for table, thing in THINGS.items():
        rows = streamed(connection, _STANDING.format(rows=thing.rows, actions=thing.actions))
        flaws.problems += islice(_changed(words, table, thing.judge, rows), MOST)
        if thing.first:
            flaws.problems += islice(_lost(connection, removed, words, table, thing), MOST)
    current = streamed(connection, _CURRENT, actions=_FOLDERS)
    flaws.problems += islice(_changed(words, "current_declarations", _current, current), MOST)
    return flaws


def _changed(words: Words, table: str, judge: Judge, rows: Iterator[Any]) -> Iterator[str]:
    """Rows that are not what their entries make of them; what has no entry is found by :mod:`afterpilot.record.ledger.audit`."""
    for row in rows:
        told = [_told(*one) for one in row.told or ()]
        if told and (wrong := judge(row, told, words)):
            yield f"{table}: {row.subject} of {row.workflow} has another {wrong} than the ledger tells"


def _lost(connection: sa.Connection, removed: Removed, words: Words, table: str, thing: Thing) -> Iterator[str]:
    for row in streamed(connection, _LOST.format(rows=thing.rows, own=thing.own), first=list(thing.first)):
        gone = removed.rows(table, row.workflow, row.at - _CLOCKS)
        if not gone and not (table == "case_offers" and words.output_erased(row.subject)):
            yield f"{table}: {row.subject} of {row.workflow}, of which the ledger tells at {row.at:%Y-%m-%d %H:%M} UTC, is not there"


def _told(action: str, at: str, actor: str, payload: str) -> Told:
    return Told(action.rpartition(":")[2], datetime.fromisoformat(at), actor, json.loads(payload))


def _last(told: Sequence[Told], *wanted: str) -> Told | None:
    return next((one for one in reversed(told) if one.word in wanted), None)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

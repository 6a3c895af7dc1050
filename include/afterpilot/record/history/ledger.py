"""The ledger as people read it: entries newest first, one entry, and who acted."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.people import folded
from afterpilot.record.history.narrowing import Only, among
from afterpilot.record.history.paging import Row, all_rows, one_row
from afterpilot.record.run_lookup import found_by
from afterpilot.record.tables import findings, ledger, ledger_leaves, subjects

LOOKED = 20_000  # entries that one page looks through for those that fit
_PERSON = "person:"


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Which entries: empty text or None means any. ``action`` is ``source:subject:action``, its parts ``*`` or empty for any;
    ``since`` ≤ recorded_at < ``until``. ``actors`` are those to be shown, None for all.
    """

    workflow: str = ""
    action: str = ""
    subject: str = ""
    actors: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Entries, newest first. ``after`` is the id below which the next page begins, 0 at the end; ``looked_to`` is set where the page
    ended because it had looked through many that do not fit.
    """

    rows: Sequence[Row]
    after: int = 0
    looked_to: datetime | None = None


def entries(
    connection: sa.Connection, wanted: LedgerFilter, *, only: Only = None, before: int = 0, limit: int = 50
) -> Listed:
    """One page of entries. It reads at most :data:`LOOKED` of them, whatever is asked for."""
    here = ledger.c
    looked = sa.select(ledger).where(among(here.workflow, only))
    for column, value in ((here.workflow, wanted.workflow), (here.subject, wanted.subject)):
        if value:
            looked = looked.where(column == value)
    if wanted.actors is not None:
        looked = looked.where(here.actor.in_(wanted.actors))
    if wanted.since is not None:
        looked = looked.where(here.recorded_at >= wanted.since)
    if wanted.until is not None:
        looked = looked.where(here.recorded_at < wanted.until)
    if before:
        looked = looked.where(here.id < before)
    through = looked.order_by(here.id.desc()).limit(LOOKED).cte("through")
    fits = sa.select(through)
    if wanted.action.strip("*:"):
        fits = fits.where(through.c.action.like(_like(wanted.action), escape="\\"))
    rows = all_rows(connection, fits.order_by(through.c.id.desc()).limit(limit + 1))
    if len(rows) > limit:
        return Listed(rows[:limit], rows[limit - 1]["id"])
    last = one_row(connection, sa.select(sa.func.min(through.c.id).label("id"), sa.func.count().label("count")))
    if last is None or last["count"] < LOOKED:
        return Listed(rows)
    at = connection.scalar(sa.select(here.recorded_at).where(here.id == last["id"]).limit(1))
    return Listed(rows, last["id"], at)


def _like(action: str) -> str:
    """The pattern of an action by its parts; parts that are left out at the end are any."""
    parts = [part.strip() or "*" for part in action.split(":")]
    quoted = ":".join(part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for part in parts).replace(
        "*", "%"
    )
    return quoted if len(parts) > 2 else f"{quoted}:%"  # noqa: PLR2004 - an action has three


def one_entry(connection: sa.Connection, which: int) -> Row | None:
    """An entry with its place in the tree (``leaf_index``, ``number``, ``leaf_hash``; NULL while it is not sealed), or None."""
    statement = (
        sa.select(ledger, ledger_leaves.c.leaf_index, ledger_leaves.c.number, ledger_leaves.c.leaf_hash)
        .outerjoin(ledger_leaves, ledger_leaves.c.entry_id == ledger.c.id)
        .where(ledger.c.id == which)
    )
    return one_row(connection, statement)


def entry_of(connection: sa.Connection, subject: str, action: str) -> Row | None:
    """The first entry of this subject whose action ends so (``:run:recorded``), or None."""
    here = ledger.c
    statement = sa.select(here.id, here.at, here.action, here.actor, here.payload, here.workflow)
    return one_row(connection, statement.where(here.subject == subject, here.action.endswith(action)).order_by(here.id))


def findings_of(connection: sa.Connection, run: uuid.UUID) -> Sequence[Row]:
    """Every finding of a run: its document holds them all."""
    return all_rows(connection, sa.select(findings).where(found_by(run)).order_by(findings.c.fingerprint))


def names(connection: sa.Connection, actors: Sequence[str]) -> Mapping[str, str]:
    """The names of persons that act, by the actor (``person:<id>``); one that was erased has none and is left out."""
    wanted = [found for actor in actors if actor.startswith(_PERSON) and (found := _uuid(actor.removeprefix(_PERSON)))]
    if not wanted:
        return {}
    rows = connection.execute(sa.select(subjects.c.id, subjects.c.name).where(subjects.c.id.in_(wanted)))
    return {f"{_PERSON}{row.id}": row.name for row in rows if row.name}


def actors_called(connection: sa.Connection, text: str) -> tuple[str, ...]:
    """The actors that a text may mean: itself, and the person of this name, by each login, name and e-mail address that acted."""
    wanted = folded(text)
    known = connection.execute(
        sa.select(subjects.c.id, subjects.c.name).where(subjects.c.kind == "person", subjects.c.name != "")
    )
    return (text, *(f"{_PERSON}{one.id}" for one in known if folded(one.name) == wanted))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

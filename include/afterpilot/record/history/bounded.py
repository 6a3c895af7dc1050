"""A page of a list, newest first, that reads a bounded number of rows however rare what is asked for.

An index that begins with one of the columns asked for is read in its order, once for each value of it; what else is asked for is
looked at in what was read. Where several columns have such an index, each is tried, and that counts which leads farthest: so what
is rare in one of them is found at once. Where none is enough for a page, the page says how far it has come.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from afterpilot.record.history.paging import Key, cursor, place

MOST = 10_000  # rows that a page looks through
_STRETCH = (
    1_000  # rows that are read at once, where not every one fits: so few that an index is the shortest way to them
)
_NEWEST = (datetime.max.replace(tzinfo=UTC), uuid.UUID(int=2**128 - 1))  # before all rows


@dataclass(frozen=True, slots=True)
class Order:
    """A table in the order of its list: ``keys`` are its time and its id, both the highest first; ``leads`` are the columns that begin an
    index which goes on with these two.
    """

    table: sa.Table
    keys: tuple[Key, Key]
    leads: Sequence[str]


@dataclass(frozen=True, slots=True)
class Looked:
    """The ids of what was found, newest first. ``after`` is the cursor of the next page, empty at the end of the list;
    ``looked_to`` is set where the look ended because it was long enough.
    """

    ids: Sequence[Any]
    after: str = ""
    looked_to: datetime | None = None


def look(
    connection: sa.Connection,
    order: Order,
    allowed: Mapping[str, Sequence[str]],
    *,
    after: str,
    limit: int,
    fits: sa.ColumnElement[bool] | None = None,
    most: int = MOST,
) -> Looked:
    """The newest rows that have one of the allowed values in each column named, and that fit.

    Raises:
        ValueError: ``after`` is no cursor of this order.
    """
    at = place(after, order.keys) if after else None
    if not all(allowed.values()):
        return Looked(())
    leads = [name for name in order.leads if name in allowed] or [""]
    size = _STRETCH if fits is not None or len(allowed) > 1 else limit + 1
    found: list[sa.Row[Any]] = []
    while True:
        tried = []
        for lead in leads:
            rows = connection.execute(
                _statement(order, allowed, at, lead=lead, size=size, limit=limit, fits=fits)
            ).all()
            here = found + [row for row in rows if row.id is not None]
            if len(here) > limit:
                return Looked([row.id for row in here[:limit]], _cursor(order, here[limit - 1].at, here[limit - 1].id))
            if rows[0].end_id is None:
                return Looked([row.id for row in here])
            tried.append(((rows[0].end_at, rows[0].end_id), here, lead))
        at, found, best = min(tried, key=lambda one: one[0])
        leads, most = [best], most - size
        if most <= 0:
            return Looked([row.id for row in found], _cursor(order, *at), at[0])


def these(order: Order, looked: Looked) -> sa.ColumnElement[bool]:
    """The condition of the rows that were found."""
    key = order.keys[1].column
    return key == sa.func.any(sa.cast(list(looked.ids), ARRAY(key.type)))


def _cursor(order: Order, at: datetime, which: object) -> str:
    return cursor({order.keys[0].name: at, order.keys[1].name: which}, order.keys)


def _statement(
    order: Order,
    allowed: Mapping[str, Sequence[str]],
    start: Sequence[Any] | None,
    *,
    lead: str,
    size: int,
    limit: int,
    fits: sa.ColumnElement[bool] | None,
) -> sa.Select[Any]:
    """The rows found as ``at`` and ``id``, one more than a page holds, or one row of NULLs; beside each ``end_at`` and ``end_id``: how far
    all that was looked through reaches, NULL where there is nothing more.
    """
    others = [name for name in allowed if name != lead]
    values = list(allowed[lead]) if lead else [""]
    each = max(1, size // len(values)) if others or fits is not None else size
    arm = sa.func.unnest(sa.cast(values, ARRAY(sa.Text))).table_valued("lead").render_derived(name="arm")
    row, (at, which) = order.table.c, (key.column for key in order.keys)
    # Whether a row fits is said, not asked: a condition on what is read would leave it without a bound. Rows are compared and not
    # the column alone: so no other index can promise their order, whatever the statistics say.
    said = sa.and_(sa.true(), *(row[name].in_(allowed[name]) for name in others), *([fits] if fits is not None else []))
    led = ([row[lead]], [arm.c.lead]) if lead else ([], [])
    below = sa.tuple_(*led[0], at, which) < sa.tuple_(*led[1], *map(sa.literal, start or _NEWEST))
    within = sa.tuple_(*led[0], at) >= sa.tuple_(*led[1], sa.cast("-infinity", at.type))
    by = [column.desc() for column in (*led[0], at, which)]
    number = sa.func.row_number().over(order_by=by).label("number")
    read = sa.select(at.label("at"), which.label("id"), said.label("fits"), number).where(below, within)
    entry = read.order_by(*by).limit(each).lateral("entry")
    return _merged(sa.select(entry).select_from(arm.join(entry, sa.true())).cte("seen"), each, limit)


def _merged(seen: sa.CTE, size: int, limit: int) -> sa.Select[Any]:
    """What fits down to where the first of the values ends that has more."""
    columns = (seen.c.at.label("end_at"), seen.c.id.label("end_id"))
    cut = (
        sa.select(*columns)
        .where(seen.c.number == size)
        .order_by(seen.c.at.desc(), seen.c.id.desc())
        .limit(1)
        .subquery("cut")
    )
    here = sa.or_(cut.c.end_id.is_(None), sa.tuple_(seen.c.at, seen.c.id) >= sa.tuple_(cut.c.end_at, cut.c.end_id))
    hit = sa.select(seen.c.at, seen.c.id).where(seen.c.fits, here).order_by(seen.c.at.desc(), seen.c.id.desc())
    found = hit.limit(limit + 1).lateral("hit")
    always = sa.select(sa.literal(1).label("one")).subquery("always")
    joined = always.outerjoin(cut, sa.true()).outerjoin(found, sa.true())
    return (
        sa.select(cut.c.end_at, cut.c.end_id, found.c.at, found.c.id)
        .select_from(joined)
        .order_by(found.c.at.desc(), found.c.id.desc())
    )

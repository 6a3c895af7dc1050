"""A look through the runs, newest first, that is bounded however rare what is asked for: index entries alone are read, month by
month, never more than :data:`MOST` for a page; where these are not enough, it says how far it has come.

An index that begins with what is asked for is read in its order. Where several are to be merged (the stages of a workflow, the
workflows that a reader may see), each is an arm of the route; where none holds everything that is asked for, the routes race,
and that counts which comes farthest.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.record import partitions

MOST = 20_000  # index entries
_MOST_ARMS = 500
_QUERY = 30  # entries that one more query is worth: months without any run are bounded, too
_FIRST = 1_000  # entries of the first look where not every one fits
_GROWTH = 4
_NO_ID = uuid.UUID(int=0)  # before all ids
_EVERY: Mapping[str, Sequence[str]] = {"stage": [str(one) for one in Stage], "verdict": [str(one) for one in Verdict]}
_LEADS = (
    ("workflow", "stage"),
    ("actor",),
    ("stage", "verdict"),
)  # of the indexes, each followed by finished_at and id
_PARTITION = re.compile(r"runs_(\d{4})_(\d{2})$")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the list: what stands after it was finished before, or at the same moment with a smaller id."""

    finished_at: datetime
    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Looked:
    """The places of what was found, newest first. ``stopped`` is where the look ended because it was long enough, None where
    it came to the end of the list or to as many as were wanted.
    """

    found: Sequence[Place]
    stopped: Place | None = None


@dataclass(frozen=True, slots=True)
class _Route:
    lead: tuple[str, ...]
    arms: Sequence[tuple[str, ...]]
    rest: Mapping[str, Sequence[str]]  # what the index does not lead to


@dataclass(frozen=True, slots=True)
class _Stretch:
    found: Sequence[Place]
    entries: int
    end: Place | None  # None: the month is over


def look(
    connection: sa.Connection,
    allowed: Mapping[str, Sequence[str]],
    *,
    since: datetime | None,
    start: Place,
    wanted: int,
    most: int = MOST,
) -> Looked:
    """The places of the newest runs that have one of the allowed values in each column named.

    Args:
        connection: to the ops database.
        allowed: values by column: workflow, stage, verdict, actor.
        since: no run that was finished before.
        start: runs that stand after it in the list.
        wanted: how many places at most.
        most: index entries that may be read, give or take one stretch.
    """
    routes = _routes(allowed)
    found: list[Place] = []
    left, size = most, _first(routes, wanted)
    for low, high in _months(connection, since, start):
        place: Place | None = min(start, Place(high, _NO_ID))
        while place is not None:
            span = (low, high)
            tried = []
            for route in routes:
                size_here = max(1, size // max(1, len(route.arms)))
                tried.append(_stretch(connection, route, span, place, size_here, wanted - len(found)))
                left -= tried[-1].entries + len(route.arms) + _QUERY
                if tried[-1].end is None or len(found) + len(tried[-1].found) >= wanted:
                    break
            best = min(tried, key=lambda one: (len(found) + len(one.found) < wanted, one.end or Place(low, _NO_ID)))
            found += best.found
            if len(found) >= wanted:
                return Looked(found)
            place = best.end
            if left <= 0:
                return Looked(found, place or Place(low, _NO_ID))
            size = max(min(size * _GROWTH, left), 1)
    return Looked(found)


def _routes(allowed: Mapping[str, Sequence[str]]) -> Sequence[_Route]:
    """The route that leads to all that is asked for, or those that lead to a part of it each, or the one through everything."""
    found = []
    for lead in _LEADS:
        values = [allowed.get(name, _EVERY.get(name)) for name in lead]
        asked = [name for name in lead if name in allowed]
        if not asked or None in values:
            continue
        arms = list(itertools.product(*(one for one in values if one is not None)))
        if len(arms) <= _MOST_ARMS:
            found.append(_Route(lead, arms, {name: allowed[name] for name in allowed if name not in lead}))
    whole = [route for route in found if not route.rest]
    return whole[:1] or found or [_Route((), [()], allowed)]


def _first(routes: Sequence[_Route], wanted: int) -> int:
    if all(route.rest for route in routes):
        return _FIRST
    return wanted if len(routes[0].arms) == 1 else max(2 * wanted, 8 * len(routes[0].arms))


def _months(connection: sa.Connection, since: datetime | None, start: Place) -> Iterator[tuple[datetime, datetime]]:
    """The spans to look into, the newest first: months that are kept, cut off at ``since``."""
    kept = [match for name in partitions.known(connection, "runs") if (match := _PARTITION.search(name))]
    for month in sorted((date(int(match[1]), int(match[2]), 1) for match in kept), reverse=True):
        low, high = (datetime.combine(day, time(), UTC) for day in (month, partitions.next_month(month)))
        low = low if since is None else max(low, since)
        if low < high and Place(low, _NO_ID) < start:
            yield low, high


def _stretch(
    connection: sa.Connection, route: _Route, span: tuple[datetime, datetime], after: Place, size: int, wanted: int
) -> _Stretch:
    """The next ``size`` entries of each arm after a place, down to where the first of them that has more ends."""
    given: dict[str, Any] = {"at": after.finished_at, "id": after.id, "low": span[0], "size": size, "wanted": wanted}
    given |= {f"arm_{name}": [arm[number] for arm in route.arms] for number, name in enumerate(route.lead)}
    given |= {f"rest_{name}": list(values) for name, values in route.rest.items()}
    rows = connection.execute(sa.text(_statement(route, span)), given).all()
    end = None if rows[0].end_id is None else Place(rows[0].end_at, rows[0].end_id)
    return _Stretch([Place(row.at, row.id) for row in rows if row.id is not None], rows[0].entries, end)


def _statement(route: _Route, span: tuple[datetime, datetime]) -> str:
    """Names of columns and the bounds of a month stand in the text, so that one partition is planned for; all else is given.

    Rows are compared with ``<`` and not by equality: so no other index can promise their order, whatever the statistics say.
    """
    lead, arm = ("".join(f"{prefix}{name}, " for name in route.lead) for prefix in ("", "arm."))
    order = ", ".join(f"{name} DESC" for name in (*route.lead, "finished_at", "id"))
    arms = ", ".join(f"CAST(:arm_{name} AS text[])" for name in route.lead)
    source = f"unnest({arms}) AS arm({', '.join(route.lead)})" if route.lead else "(VALUES (1)) AS arm(one)"
    fits = " AND ".join(f"{name} = ANY(CAST(:rest_{name} AS text[]))" for name in route.rest) or "true"
    low, high = (f"'{moment.isoformat()}'" for moment in span)
    return f"""
WITH seen AS MATERIALIZED (
  SELECT entry.* FROM {source} CROSS JOIN LATERAL (
    SELECT finished_at, id, fits, row_number() OVER () AS number FROM (
      SELECT finished_at, id, {fits} AS fits FROM runs
      WHERE finished_at >= {low} AND finished_at < {high}
        AND ({lead}finished_at, id) < ({arm}CAST(:at AS timestamptz), CAST(:id AS uuid))
        AND ({lead}finished_at) >= ({arm}CAST(:low AS timestamptz))
      ORDER BY {order} LIMIT :size) AS read) AS entry
), last AS (SELECT finished_at, id FROM seen WHERE number = :size ORDER BY finished_at DESC, id DESC LIMIT 1)
SELECT (SELECT count(*) FROM seen) AS entries, last.finished_at AS end_at, last.id AS end_id, hit.finished_at AS at, hit.id AS id
FROM (VALUES (1)) AS always(one) LEFT JOIN last ON true LEFT JOIN LATERAL (
  SELECT finished_at, id FROM seen
  WHERE fits AND (last.id IS NULL OR (seen.finished_at, seen.id) >= (last.finished_at, last.id))
  ORDER BY finished_at DESC, id DESC LIMIT :wanted) AS hit ON true
"""  # noqa: S608 - text of the project alone

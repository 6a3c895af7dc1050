"""When caps were reached: the quarter of an hour whose calls have used up the last of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.money import Money

_QUARTER = timedelta(minutes=15)
# One stretch of a primary key for each workflow, whose models are keys of an object: found among thousands as among a few. Days find the day, so that
# quarters of an hour are read of that day alone.
_GIVEN = """
WITH caps AS (
  SELECT * FROM unnest(CAST(:numbers AS int[]), CAST(:firsts AS {type}[]), CAST(:lasts AS {type}[]), CAST(:limits AS numeric[]),
    CAST(:currencies AS text[])) AS given (number, first, last, amount, currency)
), members AS (
  SELECT * FROM unnest(CAST(:of AS int[]), CAST(:workflows AS text[]), CAST(:models AS text[])) AS given (number, workflow, model)
), under AS (
  SELECT number, workflow, jsonb_object_agg(model, NULL) AS models FROM members GROUP BY 1, 2
)"""
_SUMMED = """
  SELECT caps.number, each.{time}, sum(each.cost) AS cost FROM caps {join} JOIN under ON under.number = caps.number {zones}
  CROSS JOIN LATERAL (
    SELECT {time}, sum(cost) AS cost FROM {table} JOIN prices ON prices.id = price_id
    WHERE {table}.workflow = under.workflow AND {time} >= {first} AND {time} < {end} AND cost IS NOT NULL
      AND prices.currency = caps.currency AND jsonb_exists(under.models, {table}.model)
    GROUP BY 1
  ) AS each GROUP BY 1, 2"""
_ZONES = "JOIN usage_zones ON usage_zones.workflow = under.workflow"
_OF_DAY = _SUMMED.format(
    time="at",
    table="usage_sums",
    join="JOIN crossed ON crossed.number = caps.number",
    zones=_ZONES,
    first="CAST(crossed.day AS timestamp) AT TIME ZONE zone",
    end="CAST(crossed.day + 1 AS timestamp) AT TIME ZONE zone",
)
_OF_DAYS = _SUMMED.format(time="day", table="usage_days", join="", zones="", first="caps.first", end="caps.last + 1")
_OF_QUARTERS = _SUMMED.format(time="at", table="usage_sums", join="", zones="", first="caps.first", end="caps.last")
_BY_CALENDAR = """
{given}, days AS ({days}
), crossed AS (
  SELECT DISTINCT ON (number) number, day, whole - cost AS before FROM (
    SELECT number, day, cost, sum(cost) OVER (PARTITION BY number ORDER BY day) AS whole FROM days
  ) AS sums JOIN caps USING (number) WHERE whole >= amount ORDER BY number, day
), quarters AS ({quarters}
)
SELECT DISTINCT ON (number) number, at FROM (
  SELECT number, at, before + sum(cost) OVER (PARTITION BY number ORDER BY at) AS whole FROM quarters JOIN crossed USING (number)
) AS sums JOIN caps USING (number) WHERE whole >= amount ORDER BY number, at
"""
# A rolling sum rises with calls alone: it was reached last where it is with a quarter's calls and is not without them.
_BY_TIME = """
{given}, quarters AS ({quarters}
)
SELECT number, max(at) AS at FROM (
  SELECT number, at, cost, sum(cost) OVER (
    PARTITION BY number ORDER BY at RANGE BETWEEN CAST(:before AS interval) PRECEDING AND CURRENT ROW
  ) AS whole FROM quarters
) AS sums JOIN caps USING (number) WHERE whole >= amount AND whole - cost < amount GROUP BY number
"""
_CALENDAR = sa.text(_BY_CALENDAR.format(given=_GIVEN.format(type="date"), days=_OF_DAYS, quarters=_OF_DAY))
_ROLLING = sa.text(_BY_TIME.format(given=_GIVEN.format(type="timestamptz"), quarters=_OF_QUARTERS))


@dataclass(frozen=True, slots=True)
class Reaching:
    """A cap that is reached: days of the workflows' own calendars (``first`` to ``last``), or for a rolling one its ``length`` up
    to ``end``; ``under`` are the workflows and models that count.
    """

    limit: Money
    under: tuple[tuple[str, str], ...]
    first: date | None = None
    last: date | None = None
    length: timedelta | None = None
    end: datetime | None = None


def reached_at(connection: sa.Connection, caps: Sequence[Reaching]) -> Mapping[int, datetime]:
    """When the quarter of an hour began in which each cap was reached, in UTC, by its place in ``caps``.

    A cap is missing where the sums do not say: it was reached before what is looked at, which for a rolling cap is twice its length.
    """
    numbered = list(enumerate(caps))
    calendar = [(number, cap) for number, cap in numbered if cap.length is None]
    rolling: dict[timedelta, list[tuple[int, Reaching]]] = defaultdict(list)
    for number, cap in numbered:
        if cap.length is not None:
            rolling[cap.length].append((number, cap))
    found = _read(connection, _CALENDAR, calendar, [(cap.first, cap.last) for _, cap in calendar]) if calendar else {}
    for length, some in rolling.items():
        spans = [((cap.end or datetime.max.replace(tzinfo=UTC)) - 2 * length, cap.end) for _, cap in some]
        found |= _read(connection, _ROLLING, some, spans, before=length - _QUARTER)
    return found


def _read(
    connection: sa.Connection,
    statement: sa.TextClause,
    caps: Sequence[tuple[int, Reaching]],
    spans: Iterable[tuple[date | None, date | None]],
    **more: object,
) -> dict[int, datetime]:
    members = [(number, workflow, model) for number, cap in caps for workflow, model in cap.under]
    firsts, lasts = zip(*spans, strict=True)
    given: dict[str, Any] = {
        "numbers": [number for number, _ in caps],
        "firsts": list(firsts),
        "lasts": list(lasts),
        "limits": [cap.limit.amount for _, cap in caps],
        "currencies": [cap.limit.currency for _, cap in caps],
        "of": [number for number, _, _ in members],
        "workflows": [workflow for _, workflow, _ in members],
        "models": [model for _, _, model in members],
    }
    return {row.number: row.at for row in connection.execute(statement, {**given, **more})}

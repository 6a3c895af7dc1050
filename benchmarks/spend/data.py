"""Calls of 1,000 workflows, as many days and rows a day as are asked for, with the sums that were made of them meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa

from afterpilot.domain.workflow import ModelPrice
from afterpilot.record import partitions
from afterpilot.record.ops import Ops
from afterpilot.record.spend import prices
from afterpilot.record.spend.quarters import QUARTER
from afterpilot.spend.prices import Prices

WORKFLOWS = 1_000
MODELS = ("small", "large")  # each has half of the calls
_RATES = {"input_tokens": "0.00000025", "cached_tokens": "0.000000025", "output_tokens": "0.000002"}
_CALLS = """
INSERT INTO usage (workflow, at, kind, ref, model, input_tokens, output_tokens, cached_tokens, price_id, cost)
SELECT workflow, at, 'production', ref, model, given, answered, cached, price, (given - cached) * 0.00000025 + cached * 0.000000025
  + answered * 0.000002
FROM (
  SELECT 'workflow_' || lpad((i % :workflows)::text, 4, '0') AS workflow,
    CAST(:start AS timestamptz) + CAST(:length AS interval) * i / :rows AS at, 'run-' || :label || '-' || i AS ref,
    CASE WHEN i / :workflows % 2 = 0 THEN 'small' ELSE 'large' END AS model,
    CASE WHEN i / :workflows % 2 = 0 THEN CAST(:small AS bigint) ELSE CAST(:large AS bigint) END AS price,
    700 + i % 50 AS given, 58 + i % 7 AS answered, 550 AS cached
  FROM generate_series(0, :rows - 1) AS i
) AS made
"""
_SUMS = f"""
INSERT INTO usage_sums (workflow, at, kind, model, price_id, calls, input_tokens, output_tokens, cached_tokens, cost)
SELECT workflow, {QUARTER.format("at")}, kind, model, price_id, count(*), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost)
FROM usage WHERE at >= :start AND at < :end GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 - text of the project alone
_DAYS = """
INSERT INTO usage_days (workflow, day, kind, model, price_id, calls, input_tokens, output_tokens, cached_tokens, cost)
SELECT workflow, CAST(at AT TIME ZONE 'UTC' AS date), kind, model, price_id, sum(calls), sum(input_tokens), sum(output_tokens),
  sum(cached_tokens), sum(cost)
FROM usage_sums WHERE at >= :start AND at < :end GROUP BY 1, 2, 3, 4, 5
"""
_MARKS = f"""
INSERT INTO usage_changes (workflow, quarter) SELECT DISTINCT workflow, {QUARTER.format("at")} FROM usage
WHERE at >= :start AND at < :end
"""  # noqa: S608


def book(output: str = "0.000002") -> Prices:
    """The team's own prices; ``output`` is that of one output token of the small model."""
    of = {"small": {**_RATES, "output_tokens": output}, "large": _RATES}
    return Prices(
        [ModelPrice(model, tuple((s, Decimal(r)) for s, r in rates.items()), "USD", "") for model, rates in of.items()]
    )


def history(engine: sa.Engine, start: datetime, days: int, rows_a_day: int) -> None:
    """Days that were summed already, oldest first. A day's calls lie in one quarter of an hour, so that there are as many of a
    workflow in a quarter as with 10 million calls a day all around the clock.
    """
    for number in range(days):
        begin = start + timedelta(days=number)
        span = {"start": begin, "end": begin + timedelta(days=1)}
        calls(engine, begin + timedelta(hours=9), timedelta(minutes=15), rows_a_day)
        with engine.begin() as connection:
            connection.execute(sa.text(_SUMS), span)
            connection.execute(sa.text(_DAYS), span)
            connection.exec_driver_sql(
                "INSERT INTO usage_zones SELECT DISTINCT workflow, 'UTC' FROM usage_days ON CONFLICT DO NOTHING"
            )


def calls(engine: sa.Engine, start: datetime, length: timedelta, rows: int) -> None:
    """Calls that nobody has summed, in the order of time."""
    known = {model: book().linear(model, start).price for model in MODELS}
    with Ops(engine).begin() as unit:
        for table in ("usage", "usage_sums"):
            partitions.ensure(unit.connection, table, [start, start + length])
        prices.keep(unit.connection, known.values())
        given = {
            "workflows": WORKFLOWS,
            "start": start,
            "length": length,
            "rows": rows,
            "label": f"{start:%Y%m%d%H}",
            **{model: price.id for model, price in known.items()},
        }
        unit.connection.execute(sa.text(_CALLS), given)


def mark(engine: sa.Engine, start: datetime, end: datetime) -> None:
    """Mark the quarters of calls, as their writers do."""
    with engine.begin() as connection:
        connection.execute(sa.text(_MARKS), {"start": start, "end": end})


def tidy(engine: sa.Engine) -> None:
    """Statistics and visibility as autovacuum would have them by now, and nothing left to write."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("usage", "usage_sums", "usage_days", "usage_changes"):
            connection.exec_driver_sql(f"VACUUM ANALYZE {table}")
        connection.exec_driver_sql("CHECKPOINT")

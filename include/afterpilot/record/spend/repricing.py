"""Gives calls the price that the book says now, where that is another than the one they have: all of a month in one statement.

What it changed is written down in ``repricings``, for everybody to see, and the quarters of an hour that it touched are marked to
be summed anew.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.charging import durations
from afterpilot.domain.ledger import Entry
from afterpilot.domain.ports import PriceBook
from afterpilot.domain.prices import COUNTS, OF_INPUT, OF_OUTPUT, TOKENS
from afterpilot.record import partitions
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.spend import prices
from afterpilot.record.spend.metering import LOCK
from afterpilot.record.spend.quarters import QUARTER
from afterpilot.record.spend.replaced_prices import PLACED, Replacement, midnight, replaced

_GIVEN = {
    "old_id": "bigint",
    "since": "timestamptz",
    "until": "timestamptz",
    "least": "bigint",
    "most": "bigint",
    "new_id": "bigint",
    "known": "boolean",
    "billed": "boolean",
    "fresh": "numeric",
    "cached": "numeric",
    "output": "numeric",
    "fee": "numeric",
    "rates": "jsonb",
    "needs": "jsonb",
}
COLUMNS = ", ".join(f"{name} {kind}" for name, kind in _GIVEN.items())


def _in(sorts: Sequence[str]) -> str:
    named = "', '".join(sorts)
    return f"key IN ('{named}')"


# The same as afterpilot.domain.charging.charge; a test holds them together. Of a call that does not fit, Python says why.
CHARGED = f"""
SELECT fits, CASE WHEN fits AND given.known THEN given.fee + fresh_tokens * coalesce(given.fresh, 0)
    + call.cached_tokens * coalesce(given.cached, 0) + new_tokens * coalesce(given.output, 0) + extra END AS cost
FROM (
  SELECT extra, new_tokens, fresh_tokens + images AS fresh_tokens, NOT given.known OR NOT (
      given.billed AND (call.input_tokens IS NULL OR call.output_tokens IS NULL)
      OR coalesce(call.input_tokens, 0) < 0 OR coalesce(call.output_tokens, 0) < 0 OR call.cached_tokens < 0 OR negative
      OR given.needs <> '[]' AND NOT coalesce(call.details, '{{}}') ?& ARRAY(SELECT jsonb_array_elements_text(given.needs))
      OR given.billed AND (fresh_tokens < 0 OR new_tokens < 0 OR call.cached_tokens > coalesce(call.input_tokens, 0))
      OR given.fresh IS NULL AND fresh_tokens + images <> 0
      OR given.cached IS NULL AND call.cached_tokens <> 0
      OR given.output IS NULL AND new_tokens <> 0
      OR lacking
    ) AS fits
  FROM (
    SELECT coalesce(call.input_tokens, 0) - call.cached_tokens AS fresh_tokens, coalesce(call.output_tokens, 0) AS new_tokens,
      0 AS extra, 0 AS images, false AS negative, false AS lacking
    WHERE call.details IS NULL
    UNION ALL
    SELECT coalesce(call.input_tokens, 0) - call.cached_tokens - coalesce(sum(used) FILTER (WHERE {_in(OF_INPUT)}), 0)
        AS fresh_tokens,
      coalesce(call.output_tokens, 0) - coalesce(sum(used) FILTER (WHERE {_in(OF_OUTPUT)}), 0) AS new_tokens,
      coalesce(sum(used * rate), 0) AS extra,
      coalesce(sum(used) FILTER (WHERE key = 'input_image_tokens' AND rate IS NULL), 0) AS images,
      coalesce(bool_or(used < 0), false) AS negative,
      coalesce(bool_or(used <> 0 AND rate IS NULL AND key NOT IN ('input_image_tokens', 'seconds')), false) AS lacking
    FROM (
      SELECT key, trunc(CAST(value AS numeric), 3) AS used, CAST(given.rates ->> key AS numeric) AS rate
      FROM jsonb_each_text(call.details) WHERE {_in(COUNTS)}
    ) AS details
    HAVING call.details IS NOT NULL
  ) AS counted
) AS judged
"""  # noqa: S608 - text of this module and the domain alone
# Calls are found by the quarters that were summed with an old price, locked, and changed where they lie (ctid). One that somebody
# is writing is left alone: it gets a price anew, or is found the next time; waiting for writers might be in a circle. Of the
# calls that do not fit nobody knows the price any more, until they are summed (afterpilot.record.spend.metering).
_REPRICE = f"""
WITH given AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:given AS jsonb)) AS g ({COLUMNS})
), places AS MATERIALIZED (
  SELECT DISTINCT workflow, at AS quarter, price_id
  FROM given JOIN usage_sums ON {PLACED.format(id="old_id")} WHERE at >= :first AND at < :last
), calls AS (
  SELECT call.place, given.old_id, given.new_id, call.cost AS old_cost, charged.*
  FROM places CROSS JOIN LATERAL (
    SELECT ctid AS place, usage.* FROM {{table}} AS usage WHERE usage.workflow = places.workflow AND usage.at >= places.quarter
      AND usage.at < places.quarter + interval '15 minutes' AND usage.price_id = places.price_id
    OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED
  ) AS call
  JOIN given ON given.old_id = call.price_id AND call.at >= given.since AND call.at < given.until
    AND greatest(coalesce(call.input_tokens, 0), 0) >= given.least
    AND (given.most IS NULL OR greatest(coalesce(call.input_tokens, 0), 0) <= given.most)
  CROSS JOIN LATERAL ({CHARGED}) AS charged
), changed AS (
  UPDATE {{table}} AS usage SET price_id = CASE WHEN calls.fits THEN calls.new_id END, cost = calls.cost FROM calls
  WHERE usage.ctid = calls.place AND usage.price_id = calls.old_id
  RETURNING usage.workflow, usage.model, usage.at, calls.old_id, calls.new_id, calls.old_cost, calls.fits, usage.cost
), marked AS (
  INSERT INTO usage_changes (workflow, quarter) SELECT DISTINCT workflow, {QUARTER.format("at")} FROM changed
)
INSERT INTO repricings (run_id, workflow, model, old_price, new_price, first_day, last_day, calls, old_cost, new_cost)
SELECT CAST(:run_id AS uuid), workflow, model, old_id, new_id, min(CAST(at AT TIME ZONE 'UTC' AS date)),
  max(CAST(at AT TIME ZONE 'UTC' AS date)), count(*), sum(old_cost), sum(cost)
FROM changed GROUP BY workflow, model, old_id, new_id, fits
RETURNING workflow, model, old_price, new_price, first_day, last_day, calls, old_cost, new_cost
"""  # noqa: S608
# Nested loops: each place is looked up where it is, however many the planner thinks there are.
_SETTINGS = ("enable_hashjoin = off", "enable_mergejoin = off", "statement_timeout = 0", "jit = off")


def keep_prices(connection: sa.Connection, book: PriceBook, *, since: date) -> bool:
    """Write the prices that calls are about to get; False where none gets another. To be committed at once: a writer of calls
    with the same new price would wait for it as long as re-pricing takes.
    """
    found = replaced(connection, book, since=since)
    prices.keep(connection, {one.new.id: one.new for one in found}.values())
    return bool(found)


def reprice(
    connection: sa.Connection, book: PriceBook, *, since: date, run_id: uuid.UUID | None = None
) -> Sequence[sa.Row[Any]]:
    """Re-price calls since that day, of all workflows, in the transaction of ``connection``; the rows of ``repricings`` that it
    wrote. What has not been summed yet (:func:`afterpilot.record.spend.metering.settle`) is left for the next time, and what was
    re-priced is to be summed then.
    """
    if not replaced(connection, book, since=since):
        return ()
    connection.execute(LOCK)
    found = replaced(connection, book, since=since)  # nobody changes sums any more
    prices.keep(connection, {one.new.id: one.new for one in found}.values())
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET LOCAL {setting}")
    rows: list[sa.Row[Any]] = []
    given = {"given": json.dumps([as_row(one) for one in found]), "run_id": run_id}
    for table, first, last in _partitions(connection, since):
        statement = sa.text(_REPRICE.replace("{table}", table))
        rows += connection.execute(statement, {**given, "first": first, "last": last}).all()
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"RESET {setting.split()[0]}")
    Ledger(connection).append_many([_changed(row, run_id) for row in rows])
    return rows


def _changed(row: sa.Row[Any], run_id: uuid.UUID | None) -> Entry:
    days, costs = (row.first_day, row.last_day), (row.old_cost, row.new_cost)
    return Entry(
        "spend:price:changed",
        f"price:{row.new_price}",
        datetime.now(UTC),
        row.workflow,
        payload={
            "model": row.model,
            "instead_of": str(row.old_price),
            "days": [day.isoformat() for day in days],
            "calls": row.calls,
            "costs": [None if cost is None else str(cost) for cost in costs],
            "run": str(run_id) if run_id else None,
        },
    )


def as_row(one: Replacement) -> dict[str, Any]:
    """A replacement as the statement takes it, by the names of :data:`COLUMNS`."""
    rates = dict(one.new.rates)
    text = {sort: format(rate, "f") for sort, rate in one.new.rates}
    most = one.new.to_input_tokens
    return {
        "old_id": one.old.id,
        "since": one.since.isoformat(),
        "until": one.until.isoformat(),
        "least": one.new.from_input_tokens,
        "most": None if most is None else most - 1,
        "new_id": one.new.id,
        "known": not one.new.reason,
        "billed": any(rates.get(sort) for sort in TOKENS) or not rates,
        "fresh": text.get("input_tokens"),
        "cached": text.get("cached_tokens"),
        "output": text.get("output_tokens"),
        "fee": text.get("call", "0"),
        "rates": text,
        "needs": list(durations(rates)),
    }


def _partitions(connection: sa.Connection, since: date) -> Iterator[tuple[str, datetime, datetime]]:
    """The months of calls, each with its ends."""
    for table in sorted(partitions.known(connection, "usage")):
        _, year, month = table.rsplit("_", 2)
        first = date(int(year), int(month), 1)
        last = partitions.next_month(first)
        if last > since:
            yield table, midnight(first), midnight(last)

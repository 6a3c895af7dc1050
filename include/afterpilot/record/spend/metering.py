"""Sums of calls: made anew for each quarter of an hour in which a call was written or changed, and read from then on.

A quarter is always summed as a whole and never added to: late calls, corrections and new prices all take this way, and a sum
that was made twice is the same sum.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.ports import PriceBook
from afterpilot.record import partitions
from afterpilot.record.spend import prices
from afterpilot.record.spend.pricing import Pricing, usage_of

log = logging.getLogger(__name__)
BATCH = 5000  # calls that are priced in one statement
MOST_MARKS = 100_000  # of one transaction
# One at a time, with who prices anew: two would delete each other's sums.
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('afterpilot sums of usage'))")
_ANY = sa.text("SELECT EXISTS (SELECT FROM usage_changes)")
_MORE = sa.text("SELECT EXISTS (SELECT FROM usage_changes ORDER BY id OFFSET :most LIMIT 1)")
_TABLES = """
CREATE TEMPORARY TABLE touched (workflow text NOT NULL, quarter timestamptz NOT NULL) ON COMMIT DROP;
CREATE TEMPORARY TABLE touched_days (workflow text NOT NULL, day date NOT NULL, zone text NOT NULL) ON COMMIT DROP
"""
# Sums are looked up one by one: a plan that reads all of them would cost more with every day of history.
_JOINS = ("enable_hashjoin", "enable_mergejoin")
_DROP = "DROP TABLE touched, touched_days"
# The marks are taken by one statement and the calls are read by later ones, each of which sees what is committed when it
# begins: a call whose mark was not there yet may be in the sums already, and is summed once more by its mark.
_TAKE = sa.text(
    "WITH taken AS (DELETE FROM usage_changes WHERE id <= coalesce("
    "  (SELECT id FROM usage_changes ORDER BY id OFFSET :most LIMIT 1), (SELECT max(id) FROM usage_changes)) "
    "  RETURNING workflow, quarter) "
    "INSERT INTO touched SELECT DISTINCT workflow, quarter FROM taken ORDER BY 1, 2"
)
_QUARTERS = sa.text("SELECT count(*) AS quarters, count(DISTINCT workflow) AS workflows FROM touched")
_MONTHS = sa.text("SELECT DISTINCT date_trunc('month', quarter, 'UTC') FROM touched")
_OF_QUARTER = (
    "usage.workflow = touched.workflow AND usage.at >= touched.quarter "
    "AND usage.at < touched.quarter + interval '15 minutes'"
)
# LATERAL with OFFSET or GROUP BY: one stretch of the primary key for each quarter, whatever the planner thinks of the rest. Calls
# that somebody is writing are not waited for: who waits for writers while others wait for him may wait in a circle.
_UNPRICED = sa.text(
    "SELECT calls.* FROM touched CROSS JOIN LATERAL "  # noqa: S608 - text of this module alone
    f"  (SELECT * FROM usage WHERE {_OF_QUARTER} AND price_id IS NULL "
    "  OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) AS calls"
).execution_options(stream_results=True, max_row_buffer=BATCH)
_SET_PRICES = sa.text(
    "UPDATE usage SET price_id = given.price_id, cost = given.cost "
    "FROM unnest(CAST(:workflows AS text[]), CAST(:ats AS timestamptz[]), CAST(:kinds AS text[]), CAST(:refs AS text[]), "
    "  CAST(:ids AS bigint[]), CAST(:costs AS numeric[])) AS given (workflow, at, kind, ref, price_id, cost) "
    "WHERE usage.workflow = given.workflow AND usage.at = given.at AND usage.kind = given.kind AND usage.ref = given.ref "
    "  AND usage.price_id IS NULL"
)
_FORGET_SUMS = sa.text(
    "DELETE FROM usage_sums USING touched WHERE usage_sums.workflow = touched.workflow AND usage_sums.at = touched.quarter"
)
_FIELDS = "calls, input_tokens, output_tokens, cached_tokens, cost"
_SUMS = (
    "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens, "
    "sum(cost) AS cost"
)
# 0 is no price's id: of calls that nobody has priced. Where they cannot be priced now, their quarters are summed again next time.
_SUM = sa.text(
    f"WITH made AS (INSERT INTO usage_sums (workflow, at, kind, model, price_id, {_FIELDS}) "  # noqa: S608
    "SELECT touched.workflow, touched.quarter, kind, model, price, calls, coalesce(input_tokens, 0), "
    "  coalesce(output_tokens, 0), coalesce(cached_tokens, 0), cost "
    "FROM touched CROSS JOIN LATERAL ("
    f"  SELECT kind, model, coalesce(price_id, 0) AS price, count(*) AS calls, {_SUMS} FROM usage WHERE {_OF_QUARTER} "
    "  GROUP BY kind, model, coalesce(price_id, 0)) AS calls RETURNING workflow, at, price_id) "
    "SELECT count(*) FROM made WHERE price_id = 0"
)
_MARK_AGAIN = sa.text(
    "INSERT INTO usage_changes (workflow, quarter) SELECT DISTINCT touched.workflow, quarter FROM touched JOIN usage_sums "
    "ON usage_sums.workflow = touched.workflow AND usage_sums.at = quarter WHERE price_id = 0"
)
_ZONES = sa.text(
    "INSERT INTO usage_zones SELECT * FROM unnest(CAST(:workflows AS text[]), CAST(:zones AS text[])) "
    "ON CONFLICT (workflow) DO UPDATE SET zone = excluded.zone"
)
_NAMES = sa.text("SELECT name FROM pg_timezone_names WHERE name = ANY(:zones)")
_OLD_DAYS = sa.text("DELETE FROM usage_days WHERE workflow = ANY(:workflows)")
_ALL_DAYS = sa.text(
    "INSERT INTO touched_days SELECT DISTINCT workflow, CAST(sums.at AT TIME ZONE zone AS date), zone "
    "FROM usage_zones JOIN usage_sums AS sums USING (workflow) WHERE workflow = ANY(:workflows)"
)
_DAYS = sa.text(
    "INSERT INTO touched_days SELECT DISTINCT workflow, CAST(quarter AT TIME ZONE zone AS date), zone "
    "FROM touched JOIN usage_zones USING (workflow) WHERE workflow <> ALL(:workflows)"
)
_FORGET_DAYS = sa.text(
    "DELETE FROM usage_days USING touched_days WHERE usage_days.workflow = touched_days.workflow "
    "  AND usage_days.day = touched_days.day"
)
# Every workflow that has calls has a zone: that is where readers look for those that are in no declaration.
_MEET = sa.text(
    "INSERT INTO usage_zones SELECT DISTINCT workflow, 'UTC' FROM touched ORDER BY 1 ON CONFLICT (workflow) DO NOTHING"
)
# A day's first moment is not always told by its date: where clocks are put back at midnight there are two. So three hours more
# are read on both sides, and each quarter goes to the day that it lies in.
_SUM_DAYS = sa.text(
    f"INSERT INTO usage_days (workflow, day, kind, model, price_id, {_FIELDS}) "  # noqa: S608
    f"SELECT touched_days.workflow, day, kind, model, price_id, {_FIELDS} FROM touched_days CROSS JOIN LATERAL ("
    f"  SELECT kind, model, price_id, sum(calls) AS calls, {_SUMS} FROM usage_sums "
    "  WHERE usage_sums.workflow = touched_days.workflow "
    "    AND at >= CAST(day AS timestamp) AT TIME ZONE zone - interval '3 hours' "
    "    AND at < CAST(day + 1 AS timestamp) AT TIME ZONE zone + interval '3 hours' "
    "    AND CAST(at AT TIME ZONE zone AS date) = day GROUP BY kind, model, price_id) AS sums"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was summed: quarters of an hour, days, and the workflows that they are of; calls that had to be priced first; whether
    there is ``more``, for another transaction.
    """

    quarters: int = 0
    days: int = 0
    workflows: int = 0
    priced: int = 0
    more: bool = False


def settle(connection: sa.Connection, zones: Mapping[str, str], book: PriceBook) -> Settled:
    """Sum what was written or changed since the last time, of all workflows, in the transaction of ``connection``: all of it, or
    as much as one transaction should do.

    ``zones`` are those workflows' time zones that are known; the others keep theirs, which is UTC unless it was said. A workflow
    whose zone has changed has all its days made anew.
    """
    if not (connection.scalar(_ANY) or _changed(connection, zones)):
        return Settled()
    connection.execute(LOCK)
    for statement in (*_TABLES.split(";"), *(f"SET LOCAL {setting} = off" for setting in _JOINS)):
        connection.exec_driver_sql(statement)
    more = bool(connection.scalar(_MORE, {"most": MOST_MARKS + 1}))
    connection.execute(_TAKE, {"most": MOST_MARKS})
    connection.exec_driver_sql("ANALYZE touched")
    partitions.ensure(connection, "usage_sums", connection.scalars(_MONTHS))
    priced = 0
    if _sum(connection):
        priced = _price(connection, book)
        if _sum(connection):
            connection.execute(_MARK_AGAIN)
    count = connection.execute(_QUARTERS).one()
    days = _settle_days(connection, zones)
    for statement in (_DROP, *(f"RESET {setting}" for setting in _JOINS)):
        connection.exec_driver_sql(statement)
    return Settled(count.quarters, days, count.workflows, priced, more)


def _sum(connection: sa.Connection) -> int:
    """Sum the touched quarters; how many sums there are of calls that nobody has priced."""
    connection.execute(_FORGET_SUMS)
    return int(connection.scalar(_SUM) or 0)


def _settle_days(connection: sa.Connection, zones: Mapping[str, str]) -> int:
    changed = _changed(connection, zones)
    moved = list(changed)
    connection.execute(_MEET)
    if moved:
        connection.execute(_ZONES, {"workflows": moved, "zones": list(changed.values())})
        connection.execute(_OLD_DAYS, {"workflows": moved})
        connection.execute(_ALL_DAYS, {"workflows": moved})
    connection.execute(_DAYS, {"workflows": moved})
    connection.exec_driver_sql("ANALYZE touched_days")
    connection.execute(_FORGET_DAYS)
    connection.execute(_SUM_DAYS)
    return int(connection.scalar(sa.text("SELECT count(*) FROM touched_days")) or 0)


def _changed(connection: sa.Connection, zones: Mapping[str, str]) -> Mapping[str, str]:
    """The zones that are not those of the days as they stand. One that the database does not know is told of and left out: days
    of a single workflow in another zone are better than no sums for all of them.
    """
    statement = sa.text("SELECT workflow, zone FROM usage_zones WHERE workflow = ANY(:workflows)")
    stand = {row.workflow: row.zone for row in connection.execute(statement, {"workflows": list(zones)})}
    changed = {workflow: zone for workflow, zone in zones.items() if stand.get(workflow) != zone}
    known = set(connection.scalars(_NAMES, {"zones": sorted(set(changed.values()))})) if changed else set()
    for workflow, zone in changed.items():
        if zone not in known:
            log.warning("%s: the ops database does not know the time zone %s; days stay as they are", workflow, zone)
    return {workflow: zone for workflow, zone in changed.items() if zone in known}


def _price(connection: sa.Connection, book: PriceBook) -> int:
    """Price calls of the touched quarters that nobody has looked at: those that were written before there were prices."""
    pricing, count = Pricing(book), 0
    for calls in connection.execute(_UNPRICED).partitions(BATCH):  # read once, however many they are
        connection.execute(_SET_PRICES, _priced(calls, pricing))
        count += len(calls)
    prices.keep(connection, pricing.taken())
    return count


def _priced(calls: Sequence[sa.Row[Any]], pricing: Pricing) -> dict[str, list[Any]]:
    found = [pricing.of(usage_of(call), call.at) for call in calls]
    columns: dict[str, list[Any]] = {
        f"{name}s": [getattr(call, name) for call in calls] for name in ("workflow", "at", "kind", "ref")
    }
    return {**columns, "ids": [price for price, _ in found], "costs": [cost for _, cost in found]}

"""What tests of sums of calls share: a small price book, writers, and the check that sums are exact."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.record import Record, Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record.ops import Ops
from afterpilot.record.spend import metering
from afterpilot.record.spend.pricing import Pricing
from afterpilot.record.tables import usage_changes
from afterpilot.spend.prices import Prices

AT = datetime(2026, 10, 31, 23, 52, tzinfo=UTC)
USED = Usage("m", 1000, 100)
ZONES = {
    "v": "Asia/Kathmandu",
    "w": "America/Havana",
}  # a quarter of an hour off; clocks that are put back at 1 o'clock


def book(output: str = "0.000002", *models: str) -> Prices:
    plain = {"input_tokens": "0.0000013", "cached_tokens": "0.0000001", "output_tokens": output}
    rates = tuple((sort, Decimal(rate)) for sort, rate in plain.items())
    return Prices([ModelPrice(model, rates, "USD", "") for model in models or ("m", "n")])


def wrote(ops: sa.Engine, *rows: Record, prices: Prices | None = None) -> None:
    with Ops(ops).begin() as unit:
        unit.records.write(rows, uuid.uuid4(), pricing=Pricing(prices or book()))


def call(key: str, at: datetime = AT, used: Usage | None = USED, workflow: str = "w") -> Record:
    return Record(workflow, key, at, {"key": key}, used)


def settled(ops: sa.Engine, zones: Mapping[str, str] = ZONES, prices: Prices | None = None) -> metering.Settled:
    with Ops(ops).begin() as unit:
        return metering.settle(unit.connection, zones, prices or book())


_BY = "workflow, kind, model, price_id"
_KEPT = "SUM(cost), SUM(calls), SUM(input_tokens), SUM(output_tokens), SUM(cached_tokens)"
_RAW = _KEPT.replace("SUM(calls)", "COUNT(*)").replace("SUM(input_tokens)", "COALESCE(SUM(input_tokens), 0)")
_RAW = _RAW.replace("SUM(output_tokens)", "COALESCE(SUM(output_tokens), 0)")


def assert_exact(ops: sa.Engine, zones: Mapping[str, str] = ZONES) -> None:
    """No mark is left, and quarters and days hold what the calls hold: as PostgreSQL groups them, none of our own arithmetic."""
    zone = "CASE workflow " + " ".join(f"WHEN '{name}' THEN '{of}'" for name, of in zones.items()) + " ELSE 'UTC' END"
    quarter = "date_trunc('hour', at) + interval '15 minutes' * trunc(extract(minute FROM at) / 15)"
    with ops.connect() as connection:
        connection.exec_driver_sql("SET timezone = 'UTC'")

        def rows(what: str, kept: str, table: str) -> set[tuple[Any, ...]]:
            text = f"SELECT {what} AS part, {_BY}, {kept} FROM {table} GROUP BY part, {_BY}"
            return {tuple(row) for row in connection.exec_driver_sql(text)}

        assert connection.scalar(sa.select(sa.func.count()).select_from(usage_changes)) == 0
        assert rows("at", _KEPT, "usage_sums") == rows(quarter, _RAW, "usage")
        assert rows("day", _KEPT, "usage_days") == rows(f"(at AT TIME ZONE {zone})::date", _RAW, "usage")


def count(ops: sa.Engine, table: sa.Table) -> int:
    with ops.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

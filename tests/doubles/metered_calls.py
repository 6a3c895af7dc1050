"""Three weeks of calls for the pages of spend: three models, evals and judges, own prices in two currencies, some without a price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.prices import CallDetails
from afterpilot.domain.workflow import ModelPrice
from afterpilot.record import partitions
from afterpilot.record.spend.metering import settle
from afterpilot.record.spend.quarters import mark, quarter_of
from afterpilot.record.tables import usage
from afterpilot.spend.prices import Prices

FIRST = datetime(2026, 10, 12, tzinfo=UTC)
BOOK = Prices(
    [
        ModelPrice("house-7b", (("seconds", Decimal("0.0004")),), "EUR", "a machine of our own"),
        ModelPrice(
            "gpt-5",
            (("input_tokens", Decimal("0.000001")), ("cached_tokens", Decimal("0.0000001")), ("output_tokens", Decimal("0.000008"))),
            "USD",
            "contract of 2026",
        ),
    ]
)  # fmt: skip
_BUSY = (1.0, 1.15, 1.1, 1.05, 0.9, 0.2, 0.15)  # Monday to Sunday


def calls(workflow: str, now: datetime, *, size: int = 1, mystery: bool = False) -> Iterator[dict[str, Any]]:
    """The calls of a workflow from :data:`FIRST` to now, as rows of ``usage`` that nobody has priced."""
    at, number = FIRST, 0
    while at < now:
        number += 1
        busy = int(size * 40_000 * _BUSY[at.weekday()] * (0.6 + (at.day * 37 % 11) / 12))
        row = {"workflow": workflow, "at": at + timedelta(hours=9), "ref": f"r{number}", "kind": "production"}
        yield _call(row, "gpt-5", busy * 3, busy, busy // 2)
        yield _call(row | {"ref": f"m{number}"}, "claude-sonnet-4-5", busy, busy // 4, 0, cache_write_tokens=busy // 3)
        yield _call(row | {"kind": "eval", "at": at + timedelta(hours=2)}, "gpt-5", busy // 2, busy // 4, 0)
        yield _call(row | {"kind": "judge", "at": at + timedelta(hours=2)}, "gpt-5-mini", busy // 2, busy // 8, 0)
        if at.weekday() == 2:
            yield _call(row | {"ref": f"h{number}"}, "house-7b", None, None, 0, seconds=900 * size)
        if mystery and at.day % 4 == 0:
            yield _call(row | {"ref": f"u{number}"}, "nobody-knows-1", 4000, 900, 0)
            yield _call(row | {"ref": f"n{number}"}, "gpt-5", None, None, 0)
        at += timedelta(days=1)


def _call(
    row: dict[str, Any], model: str, given: int | None, answered: int | None, cached: int, **counts: int
) -> dict[str, Any]:
    details = CallDetails(tuple(counts.items())).as_json() or None
    return row | {
        "model": model, "input_tokens": given, "output_tokens": answered, "cached_tokens": cached, "details": details,
    }  # fmt: skip


def write(connection: sa.Connection, rows: list[dict[str, Any]]) -> None:
    """Keep calls as they are before anybody has priced or summed them."""
    partitions.ensure(connection, "usage", {row["at"].replace(day=1, hour=0) for row in rows})
    connection.execute(sa.insert(usage), rows)
    for workflow in {row["workflow"] for row in rows}:
        mark(connection, workflow, {quarter_of(row["at"]) for row in rows if row["workflow"] == workflow})


def build(
    connection: sa.Connection,
    workflows: dict[str, dict[str, Any]],
    *,
    now: datetime,
    zones: dict[str, str] | None = None,
) -> None:
    """Write, price and sum the calls of some workflows; what stands beside each is for :func:`calls`."""
    for workflow, options in workflows.items():
        write(connection, list(calls(workflow, now, **options)))
    settle(connection, zones or {}, BOOK)

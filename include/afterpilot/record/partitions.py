"""Monthly partitions of the tables that grow without bound, made when the first row of a month comes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import sqlalchemy as sa

PARTITIONED = ("records", "usage", "usage_sums", "samples", "ledger", "runs", "findings")
_seen: set[tuple[str, str]] = set()  # partitions, by database, that had been made for good
_MAKE = sa.text("SELECT afterpilot_partition(:table, :day)")


def ensure(connection: sa.Connection, table: str, moments: Iterable[datetime]) -> None:
    """Make the partitions of ``table`` that rows at these moments need; those that exist are left alone.

    Raises:
        ValueError: the table is not partitioned.
    """
    if table not in PARTITIONED:
        raise ValueError(f"{table} is not partitioned")
    months = {moment.astimezone(UTC).date().replace(day=1) for moment in moments}
    there = known(connection, table) if months else set()
    for month in sorted(months):
        if f"{table}_{month:%Y_%m}" not in there:
            # A function of the owner's: the application may not make tables.
            connection.execute(_MAKE, {"table": table, "day": month})


def ready(connection: sa.Connection, table: str, moments: Iterable[datetime]) -> None:
    """As :func:`ensure`, for rows of these days: a partition that this process has seen once is not looked for again."""
    database = str(connection.engine.url)
    wanted = {(database, f"{table}_{moment.astimezone(UTC):%Y_%m}"): moment for moment in moments}
    if not (missing := wanted.keys() - _seen):
        return
    _seen.update((database, name) for name in known(connection, table))
    if missing := missing - _seen:
        ensure(connection, table, [wanted[one] for one in missing])


def known(connection: sa.Connection, table: str) -> set[str]:
    """The names of the partitions that there are: ``usage_2026_11``."""
    statement = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass)")
    return set(connection.scalars(statement, {"table": table}))


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)

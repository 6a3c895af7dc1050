"""What it costs to ask whether 500 outputs were seen before, by how many records there are, beside reading the records for it.

    .venv/bin/python benchmarks/bench_gate.py                        # 10 k, 100 k and 1 m records: minutes
    .venv/bin/python benchmarks/bench_gate.py --sizes 10k,100k       # a minute

`digests` is the check `not_seen_before` as it ships, with what it writes; `reading` compares the values of every record of the
workflow in one statement. Exit status 1: among the most records a batch takes more than 3 x as long as among the fewest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from afterpilot.check.seen import SeenInRecords
from afterpilot.demo.postgres import running
from afterpilot.domain.record import Record
from afterpilot.record.migrate import upgrade
from afterpilot.record.ops import Ops, connect

AT = datetime(2026, 11, 16, 9, tzinfo=UTC)
COLUMNS = ["supplier", "total"]
BATCH, TIMES, MOST_GROWTH = 500, 7, 3.0
_UNITS = {"k": 1_000, "m": 1_000_000}
_READING = """
SELECT DISTINCT ON (g.key) g.key, r.key FROM unnest(CAST(:keys AS text[]), CAST(:totals AS text[])) AS g(key, total)
JOIN records r ON r.workflow = 'w' AND lower(replace(r.data ->> 'supplier', ' ', '')) = 'webermetall'
  AND lower(replace(r.data ->> 'total', ' ', '')) = g.total AND r.key <> g.key AND r.at < :at
ORDER BY g.key, r.at, r.key
"""


def main() -> int:
    """Print a table; 1 where the batch's time grows with the records."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10k,100k,1m")
    sizes = sorted(_size(text) for text in parser.parse_args().sizes.split(","))
    with tempfile.TemporaryDirectory(prefix="ap") as folder, running(Path(folder)) as server:
        server.create("ops")
        upgrade(server.url("ops"))
        engine = connect(server.url("ops"))
        print(f"{'records':>10}  {'first batch, s':>14}  {'digests, ms':>11}  {'reading, ms':>11}  {'ratio':>6}")
        medians = [_row(engine, before, size) for before, size in zip([0, *sizes], sizes, strict=False)]
        engine.dispose()
    growth = medians[-1] / medians[0]
    print(f"{sizes[-1] / sizes[0]:,.0f} times as many records: {growth:.1f} x the time (at most {MOST_GROWTH:g} x)")
    return int(growth > MOST_GROWTH)


def _row(engine: sa.Engine, before: int, size: int) -> float:
    """Add records up to the size and measure; the median milliseconds of a batch by digests."""
    _add(engine, before, size)
    seen = SeenInRecords(engine)
    filling = _seconds(lambda: seen("w", COLUMNS, _batch(size, 0)[:1]))
    digests, reading = [], []
    for turn in range(1, TIMES + 1):  # in turn, so that both meet the same load of the machine
        batch = _batch(size, turn)
        digests.append(1000 * _seconds(lambda: seen("w", COLUMNS, batch)))  # noqa: B023 - called at once
        reading.append(1000 * _seconds(lambda: _read(engine, batch)))  # noqa: B023
    ours, theirs = statistics.median(digests), statistics.median(reading)
    print(f"{size:>10,}  {filling:>14.1f}  {ours:>11.0f}  {theirs:>11.0f}  {theirs / ours:>6.1f}", flush=True)
    return ours


def _add(engine: sa.Engine, before: int, size: int) -> None:
    with Ops(engine).begin() as unit:
        unit.records.write([Record("w", "k0", AT, {"supplier": "Weber Metall", "total": "0"})], _run())
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            sa.text(
                "INSERT INTO records (workflow, key, at, data, run_id) SELECT 'w', 'k' || n, :at, jsonb_build_object("
                "'supplier', 'Weber Metall', 'total', n::text, 'document', repeat('x', 200)), gen_random_uuid() "
                "FROM generate_series(CAST(:low AS int), CAST(:high AS int)) n"
            ),
            {"at": AT, "low": before + 1, "high": size},
        )
        connection.execute(sa.text("DELETE FROM seen_columns"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(sa.text("ANALYZE records"))


def _batch(size: int, turn: int) -> list[Record]:
    """Outputs of which one in twenty says what a record said before."""
    at = AT + timedelta(days=1)
    totals = (n * 7 + turn if n % 20 == 0 else 10**9 + size + BATCH * turn + n for n in range(BATCH))
    return [
        Record("w", f"n{size}/{turn}/{n}", at, {"supplier": "Weber Metall", "total": str(total)})
        for n, total in enumerate(totals)
    ]


def _read(engine: sa.Engine, batch: list[Record]) -> None:
    keys, totals = [one.key for one in batch], [str(one.data["total"]) for one in batch]
    with engine.connect() as connection:
        connection.execute(sa.text(_READING), {"keys": keys, "totals": totals, "at": batch[0].at}).all()


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _size(text: str) -> int:
    number, unit = text.strip().lower()[:-1], text.strip().lower()[-1]
    return int(float(number) * _UNITS[unit]) if unit in _UNITS else int(text)


def _run() -> uuid.UUID:
    return uuid.UUID(int=1)


if __name__ == "__main__":
    sys.exit(main())

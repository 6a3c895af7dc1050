"""The watchdog's question to the run history: the newest run of 3,000 promised verdicts, after 1, 12 and 84 months of history.

.venv/bin/python benchmarks/bench_watchdog.py      # a minute

2,000 of them ran each month and last within this hour; 1,000 never ran, which have to be looked for in vain. `bounded` is what the
watchdog asks: it looks no further back than it has to be able to tell. `unbounded` is the same question over all months. Exit status 1:
84 months take more than twice as long as 12.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from afterpilot.demo.postgres import running
from afterpilot.domain.run import Stage
from afterpilot.domain.watching import Expected, Tick
from afterpilot.record import watched
from afterpilot.record.migrate import upgrade

MONTHS, RAN, NEVER = (1, 12, 84), 2_000, 1_000
_MOST = 2.0
_NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
_RUNS = """
INSERT INTO runs (id, workflow, stage, window_start, window_end, verdict, evidence, versions, trigger, started_at, finished_at)
SELECT gen_random_uuid(), 'w' || n, :stage, :at, :at, 'PASS', '{}', CAST(:versions AS jsonb), '{}', :at, CAST(:at AS timestamptz) + n * interval '1 ms'
FROM generate_series(1, :ran) n
"""
_DECLARED = """
INSERT INTO declarations (workflow, sha256, usable, document, problems, first_loaded_at)
SELECT 'w' || n, 'v1', true, '{"schedule": {"records": "hourly"}}', '[]', :at FROM generate_series(1, :all) n
"""


def history(connection: sa.Connection, first: int, last: int) -> None:
    """Runs in each of these months before now; all workflows were declared at the very beginning."""
    for month in range(first, last):
        at = _NOW - timedelta(days=30 * month, minutes=5)
        for stage, count, ago in (("pull", RAN, 0), ("declare", RAN + NEVER, 2)):
            when = at - timedelta(hours=ago)
            connection.execute(
                sa.text("SELECT afterpilot_partition('runs', :day)"), {"day": when.date().replace(day=1)}
            )
            given = {"stage": stage, "at": when, "ran": count, "versions": '{"declaration": "v1"}'}
            connection.execute(sa.text(_RUNS), given)


def asked(engine: sa.Engine) -> float:
    """Seconds of the question, the median of five."""
    tick = Tick(_NOW - timedelta(hours=1), timedelta(hours=1))
    expected = [Expected(f"w{one + 1}", Stage.PULL, "records.hourly", tick) for one in range(RAN + NEVER)]
    taken = []
    for _ in range(6):
        with engine.connect() as connection:
            began = time.perf_counter()
            seen = watched.Watched(connection).seen(expected)
            taken.append(time.perf_counter() - began)
    if sum(one.last is None for one in seen) != NEVER or not all(one.promised for one in seen):
        raise SystemExit("the watchdog saw something else than there is")
    return statistics.median(taken[1:])


def main() -> int:
    """Print the table; 1 where it grows with the history."""
    bounded: dict[int, float] = {}
    print("| months of history | runs on record | bounded, s | unbounded, s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="ap") as folder, running(Path(folder) / "pg") as server:
        server.create("ops")
        upgrade(server.url("ops"))
        engine, before = sa.create_engine(server.url("ops")), 0
        with engine.begin() as connection:
            given = {"all": RAN + NEVER, "at": _NOW - timedelta(days=30 * max(MONTHS))}
            connection.execute(sa.text(_DECLARED), given)
        for months in MONTHS:
            with engine.begin() as connection:
                history(connection, before, months)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
            before, bounded[months] = months, asked(engine)
            short, watched.LOOKED_BACK = watched.LOOKED_BACK, timedelta(days=36500)
            whole = asked(engine)
            watched.LOOKED_BACK = short
            runs = months * (2 * RAN + NEVER)
            print(f"| {months} | {runs:,} | {bounded[months]:.2f} | {whole:.2f} |", flush=True)
    return int(bounded[84] > _MOST * bounded[12])


if __name__ == "__main__":
    sys.exit(main())

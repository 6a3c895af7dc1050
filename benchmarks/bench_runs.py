"""What the ledger costs where a run is written: ``Runs.add`` as it is, without its entry, and as it was before there was a ledger.

.venv/bin/python benchmarks/bench_runs.py                  # half a minute; each commit to the disk
.venv/bin/python benchmarks/bench_runs.py --seconds 60

One process writes runs with two findings each, one per transaction, the three ways in turns: all meet the same machine, so trust the
ratios. `before` is one INSERT of the run and one of its findings into the same tables, as it was before the ledger and before a
directory of runs by their ids. `CPU` is that of the Python process. Exit status 1: the median with the entry is above 1.2 times the one
before.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.demo.postgres import running
from afterpilot.domain.run import Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.record import runs, tables
from afterpilot.record.ledger.appending import Ledger
from afterpilot.record.migrate import upgrade

MOST = 1.2
_WARM = 300  # runs, after which statements are prepared
_VERSIONS = {"code": "1.4.0", "declaration": "5f4dcc3b5aa765d61d8327deb882cf99", "model": "gpt-5-mini"}


def _result(number: int) -> tuple[StageResult, Trigger, Window, datetime]:
    now, slug = datetime.now(UTC), f"workflow_{number % 1000}"
    rows = {"rows": 900, "failing": 3}
    found = tuple(
        Finding(slug, "check", f"quality.check_{one}", Severity.WARNING, "3 of 900 rows fail", evidence=rows)
        for one in range(2)
    )
    result = StageResult(slug, "check", "2 of 40 expectations not met", found, checked=40, evidence={"rows": 900})
    trigger = Trigger("airflow", str(uuid.uuid4()), "records.hourly", "records.check", number % 40)
    return result, trigger, Window(now - timedelta(hours=1), now), now


def _add(connection: sa.Connection, number: int) -> None:
    result, trigger, window, now = _result(number)
    runs.Runs(connection).add(
        result, window=window, trigger=trigger, versions=_VERSIONS, started_at=now, finished_at=now
    )


def _without(connection: sa.Connection, number: int) -> None:
    with _unwritten():
        _add(connection, number)


def _before(connection: sa.Connection, number: int) -> None:
    result, trigger, window, now = _result(number)
    row = {"id": uuid.uuid4(), **runs._values(result, window, trigger, _VERSIONS, (now, now))}  # noqa: SLF001 - what it was
    connection.execute(insert(tables.runs).values(row).on_conflict_do_nothing().returning(tables.runs.c.id)).first()
    found = [{**runs._row(row["id"], one), "at": now} for one in result.findings]  # noqa: SLF001
    connection.execute(insert(tables.findings).on_conflict_do_nothing(), found)


def _nothing(*_: object) -> None:
    """In place of the entry."""


@contextlib.contextmanager
def _unwritten() -> Iterator[None]:
    """The same code, but for the entry: it is neither made nor added."""
    with mock.patch.object(runs, "run_recorded", _nothing), mock.patch.object(Ledger, "append", _nothing):
        yield


WAYS: dict[str, Callable[[sa.Connection, int], None]] = {
    "before there was a ledger": _before,
    "without its entry": _without,
    "**as it is, with its entry**": _add,
}


def measured(engine: sa.Engine, seconds: float) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds and CPU seconds of each run written, in turns."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in WAYS}
    until, number = time.perf_counter() + seconds, 0
    with engine.connect() as connection:
        _add(connection, 0)  # the month has its partitions from then on
        connection.commit()
        while time.perf_counter() < until:
            for name, way in WAYS.items():
                began, used = time.perf_counter(), time.process_time()
                way(connection, number := number + 1)
                connection.commit()
                if number > _WARM:
                    taken[name][0].append(time.perf_counter() - began)
                    taken[name][1].append(time.process_time() - used)
    return taken


def main() -> int:
    """Print the table; 1 where the entry costs too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ap") as folder, running(Path(folder) / "pg") as server:
        server.create("ops")
        upgrade(server.url("ops"))
        taken = measured(sa.create_engine(server.url("ops")), asked.seconds)
    print("| a run with two findings | runs | p50 ms | p99 ms | CPU ms |\n|---|---|---|---|---|")
    rows = []
    for name, (wall, used) in taken.items():
        rows.append((statistics.median(wall), statistics.quantiles(wall, n=100)[98], statistics.median(used)))
        print(f"| {name} | {len(wall):,} | {' | '.join(f'{one * 1e3:.2f}' for one in rows[-1])} |")
    before, without, now = rows
    for name, other in (("before", before), ("without its entry", without)):
        shares = " | ".join(f"{one / two:.2f}" for one, two in zip(now, other, strict=True))
        print(f"| as it is ÷ {name} | | {shares} |", flush=True)
    return int(now[0] > MOST * before[0])


if __name__ == "__main__":
    sys.exit(main())

"""What it costs to meter an hour of calls of 1,000 workflows, by how much history there is, beside plain SQL over the raw rows.

make bench-spend                                        # an hour of 10 million calls a day; 1, 30 and 90 days of history: minutes
make bench-spend ARGS="--quick"                         # a fifth of the hour, 1 and 30 days: a minute
.venv/bin/python -m benchmarks.spend --history 1,30,90 --rows-a-day 30k --hour 417k -o table.md

`settle` sums the hour's calls, for all workflows in one transaction; `read` gives all workflows' last 30 days by kind, model and price, as a
cap by the month asks for them; `raw` is the same sums from the calls themselves, in the shape of LiteLLM's views of spend over
LiteLLM_SpendLogs (Last30dKeysBySpend, Last30dModelsBySpend). `re-price` gives half of 30 days' calls another price by one
statement and sums them anew; `UPDATE` is a bare UPDATE of the other half with the same arithmetic. Exit status 1: metering the hour takes more
than 1.5 times as long at the most history as at the least, or sums differ from the calls.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from benchmarks.spend.data import WORKFLOWS, book, calls, history, mark, tidy

from afterpilot.demo.postgres import running
from afterpilot.domain.metered import DaySpan
from afterpilot.record.migrate import upgrade
from afterpilot.record.ops import Ops, connect
from afterpilot.record.spend import metering, repricing

MOST_GROWTH, _TIMES = 1.5, 3
_SETTINGS = {"shared_buffers": "'512MB'", "max_wal_size": "'512MB'", "fsync": "off", "jit": "off"}
_UNITS = {"k": 1_000, "m": 1_000_000}
_TODAY = datetime(2026, 11, 21, tzinfo=UTC)
_WINDOW = timedelta(days=30)
_RAW = """
SELECT workflow, kind, model, price_id, count(*), sum(cost), sum(input_tokens), sum(output_tokens), sum(cached_tokens)
FROM usage WHERE at >= :since AND at < :until GROUP BY 1, 2, 3, 4
"""
_DIFFERENT = """
SELECT count(*) FROM (
  SELECT workflow, model, price_id, sum(cost) AS cost, count(*) AS calls FROM usage GROUP BY 1, 2, 3
  EXCEPT SELECT workflow, model, price_id, sum(cost), sum(calls) FROM usage_days GROUP BY 1, 2, 3
) AS different
"""
_BARE = """
UPDATE usage SET cost = (input_tokens - cached_tokens) * 0.00000025 + cached_tokens * 0.000000025 + output_tokens * 0.000003
WHERE model = 'large' AND at >= :since
"""


@dataclass(frozen=True, slots=True)
class Metered:
    """What was measured at so many days of history; seconds."""

    days: int
    rows: int
    settle: float
    again: float
    read: float
    raw: float


def main() -> int:
    """Measure and print; 1 where an aim is missed."""
    asked = options()
    with (
        tempfile.TemporaryDirectory(prefix="ap", dir=asked.folder) as folder,
        running(Path(folder), settings=_SETTINGS) as server,
    ):
        server.create("ops")
        upgrade(server.url("ops"))
        engine = connect(server.url("ops"))
        sa.event.listen(engine, "connect", _patient)
        found = [
            measured(engine, before, days, number, asked)
            for number, (before, days) in enumerate(zip([0, *asked.history], asked.history, strict=False))
        ]
        lines = [*table(found, asked.hour), "", *repriced(engine)]
        different = _scalar(engine, _DIFFERENT)
        engine.dispose()
    growth = found[-1].settle / found[0].settle
    least, most = found[0].days, found[-1].days
    lines.append(
        _verdict(
            growth <= MOST_GROWTH,
            f"the hour after {most} days took {growth:.2f} x the time of after {least} ({MOST_GROWTH:g})",
        )
    )
    lines.append(_verdict(not different, f"sums of {different or 'no'} workflow and price differ from the calls"))
    lines.append(f"* {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; best of {_TIMES}")
    print("\n".join(lines))
    if asked.output:
        asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(growth > MOST_GROWTH or different > 0)


def _verdict(met: bool, what: str) -> str:  # noqa: FBT001 - the one thing that it says
    return f"* {'met' if met else 'MISSED'}: {what}"


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.spend", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--history", default="1,30,90", help="days of history, fewest first")
    parser.add_argument("--rows-a-day", type=_size, default=30_000, help="of the history: 100k take 25 MB a day")
    parser.add_argument("--hour", type=_size, default=417_000, help="calls of the new hour")
    parser.add_argument("--quick", action="store_true", help="1 and 30 days of 20k calls, an hour of 83k")
    parser.add_argument("--folder", type=Path, help="where the database is made")
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, as markdown")
    asked = parser.parse_args()
    if asked.quick:
        asked.history, asked.rows_a_day, asked.hour = "1,30", 20_000, 83_000
    asked.history = sorted(int(days) for days in asked.history.split(","))
    return asked


def measured(engine: sa.Engine, before: int, days: int, number: int, asked: argparse.Namespace) -> Metered:
    """Make the history so many days long, and meter a new hour."""
    history(engine, _TODAY - timedelta(days=days), days - before, asked.rows_a_day)
    begin = _TODAY + timedelta(hours=number)
    end = begin + timedelta(hours=1)
    calls(engine, begin, timedelta(hours=1), asked.hour)
    tidy(engine)
    settle = min(_summed(engine, begin, end) for _ in range(_TIMES))
    again, read, raw = (
        min(_timed(work) for _ in range(_TIMES))
        for work in (lambda: _settle(engine), lambda: _read(engine), lambda: _raw(engine, end))
    )
    return Metered(days, days * asked.rows_a_day + (number + 1) * asked.hour, settle, again, read, raw)


def table(found: Sequence[Metered], hour: int) -> list[str]:
    """The table, as markdown."""
    lines = [
        f"An hour of {hour:,} calls of {WORKFLOWS:,} workflows:",
        "",
        "| days of history | calls on record | settle, s | µs a call | nothing new, ms | read 30 days, s | raw SQL, s | raw ÷ read |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return [
        *lines,
        *(
            f"| {one.days} | {one.rows:,} | {one.settle:.2f} | {one.settle / hour * 1e6:.1f} | {one.again * 1e3:.0f} "
            f"| {one.read:.2f} | {one.raw:.2f} | {one.raw / one.read:.1f} |"
            for one in found
        ),
    ]


def repriced(engine: sa.Engine) -> list[str]:
    """Half of the calls of 30 days by one statement, and the other half by a bare UPDATE."""
    since = (_TODAY - _WINDOW).date()
    tidy(engine)
    bare_rows = 0

    def bare() -> None:
        nonlocal bare_rows
        with engine.begin() as connection:
            bare_rows = connection.execute(sa.text(_BARE), {"since": _TODAY - _WINDOW}).rowcount
            connection.rollback()

    plain = _timed(bare)
    tidy(engine)
    rows: Sequence[Any] = ()

    def ours() -> None:
        nonlocal rows
        rows = _reprice(engine, since)

    statement = _timed(ours)
    settle = _timed(lambda: _settle(engine))
    count = sum(row.calls for row in rows)
    each, floor = statement / count * 1e6, plain / bare_rows * 1e6
    said = (
        f"Re-pricing half of the calls of 30 days: {count:,} calls of {WORKFLOWS:,} workflows in {statement:.1f} s, {each:.1f} µs a "
        f"call, with {len(rows):,} lines of what changed, and {settle:.1f} s to sum them anew; a bare UPDATE of as many takes "
        f"{floor:.1f} µs a call (ratio {each / floor:.2f})."
    )
    return [said, ""]


def _reprice(engine: sa.Engine, since: date) -> Sequence[Any]:
    with engine.begin() as connection:
        return repricing.reprice(connection, book("0.000003"), since=since)


def _summed(engine: sa.Engine, begin: datetime, end: datetime) -> float:
    """The first time or anew: a sum is always made as a whole."""
    mark(engine, begin, end)
    return _timed(lambda: _settle(engine))


def _settle(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        metering.settle(connection, {}, book())


def _read(engine: sa.Engine) -> None:
    with Ops(engine).begin() as unit:
        unit.metered.days([DaySpan(None, (_TODAY - _WINDOW).date(), _TODAY.date())])


def _raw(engine: sa.Engine, until: datetime) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text(_RAW), {"since": _TODAY - _WINDOW, "until": until}).all()


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _scalar(engine: sa.Engine, statement: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(statement)) or 0)


def _patient(connection: Any, _: object) -> None:  # noqa: ANN401 - psycopg's
    connection.execute("SET statement_timeout = 0")
    connection.commit()


def _size(text: str) -> int:
    return int(float(text[:-1]) * _UNITS[text[-1]]) if text[-1:] in _UNITS else int(text)


if __name__ == "__main__":
    sys.exit(main())

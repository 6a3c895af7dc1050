"""One pull of an office's rows: a bare COPY, ours and dlt, side by side on the same rows and the same server.

make bench-pull                                         # 100k and 1 million rows
make bench-pull ARGS="--quick"                          # 50k rows, a minute or two
.venv/bin/python -m benchmarks.pull --peers bare,ours --sizes 1m --rounds 3 -o table.md
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa
from benchmarks.evals.install import NotInstalled, install
from benchmarks.pull.contenders import CONTENDERS, ENVIRONMENT, Contender, Ran
from benchmarks.pull.data import SIZES, make
from rich.console import Console

from afterpilot.demo.postgres import EmbeddedPostgres, running

WORK = Path(__file__).parents[2] / ".bench" / "pull"
TIMES_DLT, OF_BARE, MEMORY_GROWS = 3.0, 0.5, 1.15
_SETTINGS = {"shared_buffers": "'512MB'", "max_wal_size": "'4GB'", "fsync": "off", "jit": "off"}
Runs = Mapping[tuple[str, str], Sequence[Ran]]


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pull", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help=f"of these: {', '.join(one.name for one in CONTENDERS)}")
    parser.add_argument("--sizes", default="100k,1m", help=f"of these: {', '.join(SIZES)}")
    parser.add_argument("--quick", action="store_true", help="50k rows")
    parser.add_argument("--rounds", type=int, default=1, help="each in turns; the best run counts")
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, as markdown")
    found = parser.parse_args()
    found.sizes = ["50k"] if found.quick else [one.strip() for one in found.sizes.split(",")]
    named = {one.strip() for one in found.peers.split(",") if one.strip()}
    for unknown in sorted({*found.sizes} - SIZES.keys() | named - {one.name for one in CONTENDERS}):
        parser.error(f"there is no {unknown}")
    found.peers = [one for one in CONTENDERS if not named or one.name in named]
    return found


def main() -> int:
    """Run, print; 1 where an aim is missed or one of ours went wrong."""
    asked, console = options(), Console(width=140)
    WORK.mkdir(parents=True, exist_ok=True)
    try:
        install(ENVIRONMENT, WORK / "install.log")
    except NotInstalled as error:
        console.print(f"dlt cannot be installed, so it is not measured: {error}")
        asked.peers = [one for one in asked.peers if not one.name.startswith("dlt")]
    with running(WORK / "server", settings=_SETTINGS) as server:
        runs = everything(console, server, asked)
    lines = [*table(asked.sizes, asked.peers, runs), "", *notes(asked, runs)]
    print("\n".join(lines))
    if asked.output:
        asked.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    failed = any(one.problem for (name, _), some in runs.items() if name == "ours" for one in some)
    return 1 if failed or any(line.startswith("* MISSED") for line in lines) else 0


def everything(console: Console, server: EmbeddedPostgres, asked: argparse.Namespace) -> Runs:
    """All runs by contender and size; within a round they take turns, each on a new database."""
    runs: dict[tuple[str, str], list[Ran]] = {}
    for size in asked.sizes:
        source = f"office_{size}"
        server.create(source)
        make(server.url(source), SIZES[size])
        for number in range(asked.rounds):
            for one in asked.peers:
                target = f"b{os.getpid()}_{size}_{number}_{one.name.replace('-', '_')}"
                checkpoint(server)
                try:
                    ran = one.run(server, source, target)
                finally:
                    drop(server, target)
                wrong = ran.problem or ("" if ran.rows == SIZES[size] else f"{ran.rows} of {SIZES[size]} rows")
                ran = Ran(ran.rows, ran.seconds, ran.peak_mb, wrong)
                runs.setdefault((one.name, size), []).append(ran)
                rate = ran.rows / ran.seconds if ran.seconds else 0
                console.print(
                    f"{size:5} {one.name:15} {ran.seconds:8.2f} s {rate:10,.0f} rows/s {ran.peak_mb:6.0f} MB {wrong}"
                )
    return runs


def checkpoint(server: EmbeddedPostgres) -> None:
    """Write out what the run before has left, so that nobody pays for another."""
    engine = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")


def drop(server: EmbeddedPostgres, database: str) -> None:
    """Remove a database."""
    engine = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


def best(runs: Runs, name: str, size: str) -> Ran | None:
    """The fastest run that went well."""
    return min(
        (one for one in runs.get((name, size), ()) if not one.problem), key=lambda one: one.seconds, default=None
    )


def rate(runs: Runs, name: str, size: str) -> float | None:
    """Rows a second of the best run."""
    found = best(runs, name, size)
    return found.rows / found.seconds if found else None


def table(sizes: Sequence[str], contenders: Sequence[Contender], runs: Runs) -> list[str]:
    """The table, as markdown."""
    lines = ["| pull | rows | rows/s | ÷ bare COPY | peak MB |", "|---|---|---|---|---|"]
    for size in sizes:
        floor = rate(runs, "bare", size)
        for one in contenders:
            found, speed = best(runs, one.name, size), rate(runs, one.name, size)
            if found is None or speed is None:
                problems = [ran.problem for ran in runs.get((one.name, size), ())]
                lines.append(f"| {one.label} | {size} | did not end: {problems[0][:80] if problems else '-'} | | |")
                continue
            share = f"{speed / floor:.2f}" if floor else "-"
            memory = f"{found.peak_mb:,.0f}" if found.peak_mb else "-"
            lines.append(f"| {one.label} | {size} | {speed:,.0f} | {share} | {memory} |")
    return lines


def notes(asked: argparse.Namespace, runs: Runs) -> list[str]:
    """The machine, and each aim."""
    lines = [f"* {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; best of {asked.rounds}."]
    for size in asked.sizes:
        own, floor = rate(runs, "ours", size), rate(runs, "bare", size)
        peers = [found for one in CONTENDERS if one.name.startswith("dlt") and (found := rate(runs, one.name, size))]
        if own and floor:
            lines.append(verdict(f"{size}: share of a bare COPY", own / floor, OF_BARE))
        if own and peers:
            lines.append(verdict(f"{size}: times the fastest dlt", own / max(peers), TIMES_DLT))
    marks = [ran.peak_mb for size in asked.sizes if (ran := best(runs, "ours", size))]
    if len(marks) > 1:
        lines.append(
            verdict("memory of the smallest size, share of the largest's", marks[0] / marks[-1], 1 / MEMORY_GROWS)
        )
    return lines


def verdict(what: str, found: float, bound: float) -> str:
    """One aim in one line."""
    return f"* {'met' if found >= bound else 'MISSED'}: {what} {found:.2f} (aim: at least {bound:.2f})"


if __name__ == "__main__":
    sys.exit(main())

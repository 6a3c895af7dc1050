"""1,000 workflows of ten expectations each over one table: a hand-written aggregate, ours, Great Expectations and Soda, side by side.

make bench-quality                                      # 100k and 1 million rows
make bench-quality ARGS="--sizes 10m"                   # 2 GB of rows
.venv/bin/python -m benchmarks.quality --peers soda --sizes 100k --rounds 1 -o table.md
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa
from benchmarks.evals.install import NotInstalled, install
from benchmarks.quality import ours, peer_gx, peer_soda
from benchmarks.quality.data import SIZES, WORKFLOWS, make, sample
from benchmarks.quality.suite import BARE, COUNTED, GROUPED, Peer
from rich.console import Console
from rich.table import Table

from afterpilot.demo.postgres import EmbeddedPostgres, running
from afterpilot.domain.ports import Judged

WORK = Path(__file__).parents[2] / ".bench" / "quality"
SAMPLE = 20
_SETTLED_S = 0.5  # a process of the server that has ended is counted when its parent has noticed
ALL_KEYS = 1_000_000  # a workflow has fewer
_SETTINGS = {
    "shared_buffers": "'2GB'",
    "work_mem": "'64MB'",
    "maintenance_work_mem": "'512MB'",
    "max_wal_size": "'4GB'",
    "fsync": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "1",
}
_PEERS: Mapping[str, Callable[[str, str, Sequence[str]], Peer]] = {"gx": peer_gx.run, "soda": peer_soda.run}
_LABELS = {
    "bare": "one hand-written aggregate, ungrouped",
    "grouped": "the same, GROUP BY workflow",
    "verdicts": "**ours**, 10,000 verdicts",
    "keys": "**ours**, with the keys of all failing rows",
    "gx": "Great Expectations 1.24, workflow by workflow",
    "soda": "Soda Core 4.28, workflow by workflow",
}


@dataclass(slots=True)
class Figures:
    """Seconds by contender for one size, the least of all rounds; those of peers are extrapolated from the sample. ``cpu`` is of
    PostgreSQL and the contender's own process together.
    """

    size: str
    seconds: dict[str, float]
    cpu: dict[str, float]
    others: float = 0.0
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Aim:
    """A ratio of CPU seconds that has to be reached: those hardly depend on what else the machine does."""

    contender: str
    against: str
    most: float = 0.0
    least: float = 0.0
    from_rows: int = 0  # below, 10,000 verdicts in Python take longer than the scan

    def told(self, figures: Figures) -> tuple[str, bool]:
        """The aim in words, and whether it is missed."""
        ratio = figures.cpu[self.contender] / figures.cpu[self.against]
        met = ratio <= self.most if self.most else ratio >= self.least
        bound = f"at most {self.most:g}" if self.most else f"at least {self.least:g}"
        words = f"{figures.size}: {self.contender} ÷ {self.against} = {ratio:.2f} of CPU, {bound} wanted"
        return f"{words}: {'met' if met else 'MISSED'}", not met


AIMS = (
    Aim("verdicts", "bare", most=1.5, from_rows=1_000_000),
    Aim("keys", "bare", most=2.0, from_rows=1_000_000),
    Aim("gx", "verdicts", least=20),
    Aim("soda", "verdicts", least=5),
)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="100k,1m", help=f"of these, with commas: {', '.join(SIZES)}")
    parser.add_argument("--peers", default="gx,soda", help="gx, soda, both or none")
    parser.add_argument("--rounds", type=int, default=3, help="of the aggregates and ours, in turns; the best counts")
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, as markdown")
    found = parser.parse_args()
    found.sizes = [name for name in found.sizes.split(",") if name]
    found.peers = [name for name in found.peers.split(",") if name and name != "none"]
    if unknown := [*(set(found.sizes) - SIZES.keys()), *(set(found.peers) - _PEERS.keys())]:
        parser.error(f"there is no {unknown[0]}")
    return found


def main() -> int:
    """Make the rows, run, print; 1 where an aim is missed or a verdict differs, 2 where it cannot begin."""
    asked, console = options(), Console()
    console.width = max(console.width, 120)
    WORK.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lock = (WORK / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        console.print("another run of this benchmark is under way here: its figures would be wrong, and so would ours")
        return 2
    missing: dict[str, str] = {}
    if "soda" in asked.peers:
        try:
            with console.status("installing Soda under .bench/ (first use only)"):
                install(peer_soda.ENVIRONMENT, WORK / "install-soda.log")
        except NotInstalled as error:
            missing["soda"] = str(error)
    peers = [name for name in asked.peers if name not in missing]
    with running(WORK / "postgres", settings=_SETTINGS) as server:
        results = [measured(console, server, size, peers, asked.rounds) for size in asked.sizes]
    return show(console, results, missing, asked)


def measured(console: Console, server: EmbeddedPostgres, size: str, peers: Sequence[str], rounds: int) -> Figures:
    """One size: the aggregates and ours in turns, then each peer over the sample."""
    server.create("quality")
    url = server.url("quality")
    engine = sa.create_engine(url)
    with console.status(f"{size}: making {SIZES[size]:,} rows"):
        table = make(engine, size)
        workflows = sample(engine, table, SAMPLE)
    figures = Figures(size, {}, {})
    server_cpu = _server(WORK / "postgres")
    statements = {"bare": BARE, "grouped": GROUPED}
    found: Mapping[str, Sequence[Judged]] = {}
    begun, busy, ours_before = time.perf_counter(), _busy(), server_cpu() + time.process_time()
    for number in range(rounds):
        for name in ("bare", "grouped", "verdicts", "keys"):
            with console.status(f"{size}: {name}, round {number + 1} of {rounds}"):
                used = server_cpu() + time.process_time()
                start = time.perf_counter()
                if name in statements:
                    with engine.connect() as connection:
                        connection.exec_driver_sql(statements[name].replace("{table}", table)).all()
                else:
                    found = ours.judged(url, table, keys=ALL_KEYS if name == "keys" else 0)
                taken = time.perf_counter() - start
                cpu = server_cpu() + time.process_time() - used
            figures.seconds[name] = min(taken, figures.seconds.get(name, taken))
            figures.cpu[name] = min(cpu, figures.cpu.get(name, cpu))
            console.print(f"{size}: {name:9} {taken:8.2f} s {cpu:8.2f} s of CPU", highlight=False)
    ours_used = server_cpu() + time.process_time() - ours_before
    figures.others = max(0.0, (_busy() - busy - ours_used) / (time.perf_counter() - begun))
    figures.wrong = _differences(engine, table, found)
    for name in peers:
        with console.status(f"{size}: {name} over {len(workflows)} workflows"):
            used = server_cpu()
            peer = _PEERS[name](url, table, workflows)
            cpu = server_cpu() - used + peer.cpu
        figures.seconds[name] = peer.wall / len(workflows) * WORKFLOWS
        figures.cpu[name] = cpu / len(workflows) * WORKFLOWS
        console.print(
            f"{size}: {name:9} {peer.wall:8.2f} s {cpu:8.2f} s of CPU for {len(workflows)} workflows", highlight=False
        )
        ours_held = {workflow: all(one.success for one in found[workflow]) for workflow in workflows}
        if peer.held != ours_held:
            differing = sorted(workflow for workflow in workflows if peer.held[workflow] != ours_held[workflow])
            figures.wrong += f" {name} judges {', '.join(differing)} otherwise"
    engine.dispose()
    return figures


def _differences(engine: sa.Engine, table: str, found: Mapping[str, Sequence[Judged]]) -> str:
    """Where ours counts otherwise than the hand-written aggregate; empty where it does not."""
    with engine.connect() as connection:
        for workflow, *counts in connection.exec_driver_sql(GROUPED.replace("{table}", table)):
            judged = found[workflow]
            if [judged[index].failing_total for index in COUNTED] != [counts[index] for index in COUNTED]:
                return f"{workflow} is counted otherwise than by hand"
            if any(len(one.failing_keys) != one.failing_total for one in judged):
                return f"{workflow}: not all failing rows are named"
    return ""


def _server(folder: Path) -> Callable[[], float]:
    """CPU seconds so far of the server in that folder, with all processes that it has or had."""
    postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().splitlines()[0]))

    def used() -> float:
        time.sleep(_SETTLED_S)
        own = postmaster.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                times = child.cpu_times()
                total += times.user + times.system
        return float(total)

    return used


def _busy() -> float:
    """CPU seconds that the machine has worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0))


def show(console: Console, results: Sequence[Figures], missing: Mapping[str, str], asked: argparse.Namespace) -> int:
    """The table and the aims, on the screen, and as markdown where a file is named."""
    names = [name for name in _LABELS if any(name in one.seconds for one in results)]
    columns = ["seconds; seconds of CPU", *(f"{SIZES[one.size]:,} rows" for one in results)]
    rows = [[_LABELS[name], *(_cell(name, one) for one in results)] for name in names]
    table = Table(*columns, title=f"{WORKFLOWS:,} workflows of 10 expectations")
    for row in rows:
        table.add_row(*(cell.replace("**", "") for cell in row))
    console.print(table)
    told = [
        aim.told(one)
        for one in results
        for aim in AIMS
        if aim.contender in one.seconds and aim.against in one.seconds and SIZES[one.size] >= aim.from_rows
    ]
    busy = ", ".join(f"{one.size} {one.others:.1f}" for one in results)
    notes = [
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end; best of {asked.rounds}; cores that other programs took: {busy}.",
        f"Peers were measured on {SAMPLE} workflows, evenly chosen by size, and extrapolated to {WORKFLOWS:,}; imports are not counted.",
        *(f"not installed, so not measured: {name} ({why})" for name, why in missing.items()),
        *(f"WRONG: {one.size}: {one.wrong}" for one in results if one.wrong),
        *(words for words, _ in told),
    ]
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, markup=False)
    if asked.output is not None:
        lines = ["| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *rows]]
        asked.output.write_text("\n".join([*lines, "", *(f"* {note}" for note in notes), ""]), encoding="utf-8")
    return 1 if any(missed for _, missed in told) or any(one.wrong for one in results) else 0


def _cell(name: str, figures: Figures) -> str:
    if name not in figures.seconds:
        return "not measured"
    cpu = figures.cpu[name]
    ratio = "" if name == "bare" else f" ({cpu / figures.cpu['bare']:.2f} x)"
    return f"{figures.seconds[name]:,.2f} s; {cpu:,.2f} s{ratio}"


if __name__ == "__main__":
    sys.exit(main())

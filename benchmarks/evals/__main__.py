"""Eval runners and ours, side by side on identical work, in one table.

make bench-evals                                        # every cell, about 20 minutes on two idle cores
.venv/bin/python -m benchmarks.evals --cells quick      # 200 cases, a minute or two
.venv/bin/python -m benchmarks.evals --peers promptfoo,ours-postgres --cells n10000 --rounds 2 -o table.md
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TypeVar

from benchmarks.evals import (
    floors,
    ours,
    peer_deepeval,
    peer_inspect,
    peer_promptfoo,
    peer_pydantic_evals,
)
from benchmarks.evals.cells import ALL, QUICK, WORK, Cell, Result, measured
from benchmarks.evals.install import NotInstalled, install
from benchmarks.evals.table import aims, markdown, speed, truth
from benchmarks.evals.tool import Tool
from rich.console import Console
from rich.table import Table

T = TypeVar("T")
TOOLS = (
    *floors.TOOLS,
    *ours.TOOLS,
    *peer_pydantic_evals.TOOLS,
    *peer_deepeval.TOOLS,
    *peer_promptfoo.TOOLS,
    *peer_inspect.TOOLS,
)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="", help=f"of these, with commas: {', '.join(one.name for one in TOOLS)}")
    parser.add_argument("--cells", default="all", help=f"all, quick, or of these: {', '.join(one.name for one in ALL)}")
    parser.add_argument("--rounds", type=int, default=1, help="each cell so often, in turns; the best run counts")
    parser.add_argument("-o", "--output", type=Path, help="a file for the table, as markdown")
    found = parser.parse_args()
    try:
        found.tools = chosen(found.peers, {one.name: one for one in TOOLS})
        found.cells = {"all": ALL, "quick": QUICK}.get(found.cells) or chosen(
            found.cells, {one.name: one for one in ALL}
        )
    except KeyError as error:
        parser.error(f"there is no {error}")
    if found.rounds < 1:
        parser.error("at least one round")
    return found


def chosen(text: str, known: dict[str, T]) -> Sequence[T]:
    """Those that the text names, in the order of ``known``; all of them for no text.

    Raises:
        KeyError: one is unknown.
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    for name in sorted(names - known.keys()):
        raise KeyError(name)
    return tuple(one for name, one in known.items() if not names or name in names)


def main() -> int:
    """Install, run, print; 1 where an aim is missed or one of ours misjudged a case, 2 where it cannot begin."""
    asked = options()
    console = Console()
    console.width = max(console.width, 100)
    WORK.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not (lock := alone()):
        console.print("another run of this benchmark is under way here: its figures would be wrong, and so would ours")
        return 2
    missing = installed(console, asked.tools)
    ready = [tool for tool in asked.tools if tool.environment is None or tool.environment.name not in missing]
    load = os.getloadavg()[0]
    try:
        runs = everything(console, ready, asked.cells, asked.rounds)
    finally:
        ours.close(WORK)
    show(console, asked, runs, missing, load)
    lock.close()
    return 1 if any(aim.missed for aim in aims(runs)) or misjudged(runs) else 0


def alone() -> IO[str] | None:
    """A lock that is held while the file is open; None where another run has it."""
    lock = (WORK / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def installed(console: Console, tools: Sequence[Tool]) -> dict[str, str]:
    """Install what is not there; why, by environment, where that cannot be."""
    missing: dict[str, str] = {}
    for tool in tools:
        if tool.environment is not None and tool.environment.name not in missing:
            with console.status(f"installing {tool.environment.name} under .bench/ (first use only)"):
                try:
                    install(tool.environment, WORK / f"install-{tool.environment.name}.log")
                except NotInstalled as error:
                    missing[tool.environment.name] = str(error)
    return missing


def everything(
    console: Console, tools: Sequence[Tool], cells: Sequence[Cell], rounds: int
) -> dict[tuple[str, str], list[Result]]:
    """All runs by tool and cell; within a round the tools take turns, so that all meet the same machine."""
    runs: dict[tuple[str, str], list[Result]] = {}
    for cell in cells:
        for number in range(rounds):
            for tool in tools:
                if tool.cells and cell.name not in tool.cells:
                    continue
                with console.status(f"{cell.name}: {tool.label}, round {number + 1} of {rounds}"):
                    result = measured(tool, cell)
                runs.setdefault((tool.name, cell.name), []).append(result)
                console.print(progress(tool, result), highlight=False, soft_wrap=True)
    return runs


def progress(tool: Tool, one: Result) -> str:
    """One run in one line."""
    return (
        f"{one.cell.name:7} {tool.label:32} {one.ran.wall:7.2f} s  {one.whole_ratio:6.2f} x limit "
        f"({one.request_ratio:.2f} requests)  {one.cpu_ms:6.2f} ms CPU  {one.ran.rss_mb:4.0f} MB  {one.outcome}  "
        f"asked twice {one.asked_twice}, early {one.early}, at once {one.at_once}, exit {one.ran.exit}, "
        f"others {one.ran.others:.1f} cores{'  ' + one.problem if one.problem else ''}"
    )


def show(
    console: Console,
    asked: argparse.Namespace,
    runs: dict[tuple[str, str], list[Result]],
    missing: dict[str, str],
    load: float,
) -> None:
    """The tables, what could not be had, and the aims; on the screen, and as markdown where a file is named."""
    shown = [tool for tool in asked.tools if any(name == tool.name for name, _ in runs)]
    tables = [one for one in (speed(shown, asked.cells, runs), truth(shown, asked.cells, runs)) if one.rows]
    for one in tables:
        table = Table(*one.columns, title=one.title)
        for line in one.rows:
            table.add_row(*line)
        console.print(table)
    others = [one.ran.others for results in runs.values() for one in results]
    machine = (
        f"{os.cpu_count()} cores, load {load:.1f} before the start, other programs took {max(others, default=0):.1f} cores "
        f"at most during a run; best of {asked.rounds}."
    )
    notes = [
        machine,
        *(f"not installed, so not measured: {name} ({reason})" for name, reason in missing.items()),
        *(str(aim) for aim in aims(runs) if aim.found is not None or asked.cells == ALL),
    ]
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, markup=False)
    if asked.output is not None:
        texts = [*(markdown(one) for one in tables), "\n".join(f"* {note}" for note in notes)]
        asked.output.write_text("\n\n".join(texts) + "\n", encoding="utf-8")


def misjudged(runs: dict[tuple[str, str], list[Result]]) -> bool:
    """Whether one of ours lost or misread a case, or asked before a Retry-After was over."""
    own = [one for (name, _), results in runs.items() if name.startswith("ours-") for one in results]
    return any(one.problem or one.early or one.outcome.errors + one.outcome.lost + one.outcome.wrong for one in own)


if __name__ == "__main__":
    sys.exit(main())

"""The tables that readers see, and the aims that ours is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.evals.cells import ALL, Cell, Result
from benchmarks.evals.tool import Tool
from benchmarks.evals.work import LATENCY_MS

OURS = "ours-postgres"
TIMES_FASTER = {"promptfoo": 5.0, "deepeval": 7.0, "inspect": 14.0}
TIMES_LIMIT = {"c4": 1.15, "c32": 1.5, "c128": 4.0, "n10000": 1.3}
CPU_MS, MEMORY_MB = 2.5, 150.0
LARGEST = "n10000"
_CLOCKED = tuple(TIMES_LIMIT)
_FULL = {cell.name: cell.cases for cell in ALL}
_NONE = "-"
Runs = Mapping[tuple[str, str], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure of ours and its bound; ``found`` is None where it was not measured."""

    what: str
    found: float | None
    bound: float
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """Whether it was measured and is not reached."""
        if self.found is None:
            return False
        return self.found < self.bound if self.at_least else self.found > self.bound

    def __str__(self) -> str:
        said = "not measured" if self.found is None else f"{self.found:.2f}"
        word = "at least" if self.at_least else "at most"
        return f"{self.what}: {said} (aim: {word} {self.bound:g}){' MISSED' if self.missed else ''}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def best(runs: Sequence[Result]) -> Result | None:
    """The run with the least wall; one that lost or misread cases never beats one that did not."""
    return min(
        runs, key=lambda one: (bool(one.problem), one.outcome.lost + one.outcome.wrong, one.ran.wall), default=None
    )


def aims(runs: Runs) -> list[Aim]:
    """Ours, persisted and priced: beside three peers, beside the limit, its CPU and memory, and after a kill."""
    ours = {cell: _full(runs, OURS, cell) for cell in _CLOCKED}
    large, killed = ours[LARGEST], best(runs.get((OURS, "kill"), ()))
    found = []
    for peer, bound in TIMES_FASTER.items():
        theirs = _full(runs, peer, LARGEST)
        times = theirs.ran.wall / large.ran.wall if large and theirs else None
        found.append(Aim(f"N=10,000, C=32: ours is so many times as fast as {peer}", times, bound, at_least=True))
    found += [
        Aim(f"ours in {cell}: x limit", one.whole_ratio if one else None, TIMES_LIMIT[cell])
        for cell, one in ours.items()
    ]
    found.append(Aim("ours, N=10,000: CPU ms per case", large.cpu_ms if large else None, CPU_MS))
    found.append(Aim("ours, N=10,000: peak MB", large.ran.rss_mb if large else None, MEMORY_MB))
    at_once = [cell.concurrency for cell in ALL if cell.kill]
    again = killed.asked_twice if killed and not killed.problem else None
    found.append(Aim("ours, killed half way: asked twice", again, at_once[0]))
    return found


def _full(runs: Runs, tool: str, cell: str) -> Result | None:
    """The best run of a cell that had all of its cases (with few, start-up is all that one sees) and lost none of them."""
    return best([one for one in runs.get((tool, cell), ()) if one.cell.cases == _FULL[cell] and not one.outcome.lost])


def speed(tools: Sequence[Tool], cells: Sequence[Cell], runs: Runs) -> Shown:
    """Wall over the limit in each cell, CPU, memory, bytes."""
    clocked = [cell for cell in cells if cell.name in _CLOCKED]
    names = [f"N={cell.cases:,} C={cell.concurrency}" for cell in clocked]
    rows = []
    for tool in tools:
        found = [best(runs.get((tool.name, cell.name), ())) for cell in clocked]
        if any(found):
            rows.append([_label(tool), *map(_ratio, found), *_costs([one for one in found if one is not None])])
    return Shown(
        f"{LATENCY_MS:.0f} ms, five assertions: wall / limit (requests alone / limit)",
        ["runner", *names, "CPU ms/case", "peak MB", "KB/case"],
        rows,
    )


def truth(tools: Sequence[Tool], cells: Sequence[Cell], runs: Runs) -> Shown:
    """What each tool's own store says, beside the truth."""
    plain, faults, kill = (
        [cell for cell in cells if cell.name in _CLOCKED],
        [cell for cell in cells if cell.faults],
        [cell for cell in cells if cell.kill],
    )
    columns = ["runner", *(["without faults"] if plain else [])]
    for cell in faults:
        columns += [f"faults, N={cell.cases:,}", "early", "exit"]
    for cell in kill:
        columns += [f"killed at {cell.cases // 2:,}, then", "asked twice"]
    rows = []
    for tool in tools:
        named = {cell.name: best(runs.get((tool.name, cell.name), ())) for cell in cells}
        row = [_label(tool), *([_all_right([named[cell.name] for cell in plain])] if plain else [])]
        for cell in faults:
            row += _faults(named[cell.name])
        for cell in kill:
            row += _kill(tool, named[cell.name])
        rows.append(row)
    return Shown("right / failed / error / lost / wrong, from each tool's own store", columns, rows)


def _label(tool: Tool) -> str:
    return f"{tool.label} {tool.version}".strip()


def _ratio(one: Result | None) -> str:
    if one is None:
        return _NONE
    if one.problem or one.outcome.lost:
        return one.problem or f"{one.outcome.lost:,} lost"
    return f"{one.whole_ratio:.2f} ({one.request_ratio:.2f})"


def _costs(runs: Sequence[Result]) -> list[str]:
    """CPU where it is least, memory where it is most, bytes of the largest run."""
    least = min(runs, key=lambda one: one.cpu_ms)
    server = f" + {least.server_cpu_ms:.1f} of the server" if least.server_cpu_ms else ""
    return [f"{least.cpu_ms:.2f}{server}", f"{max(one.ran.rss_mb for one in runs):.0f}", f"{runs[-1].kb:.1f}"]


def _all_right(runs: Sequence[Result | None]) -> str:
    found = [one for one in runs if one is not None]
    bad = [one for one in found if one.outcome.errors + one.outcome.lost + one.outcome.wrong]
    if not found:
        return _NONE
    return ", ".join(f"{one.cell.name}: {one.outcome}" for one in bad) or "all right"


def _faults(one: Result | None) -> list[str]:
    return [_NONE] * 3 if one is None else [one.problem or str(one.outcome), str(one.early), str(one.ran.exit)]


def _kill(tool: Tool, one: Result | None) -> list[str]:
    if one is None:
        return [_NONE] * 2
    if one.problem:
        return [one.problem, _NONE]
    return [f"{'resumed' if tool.resume else 'begun anew'}: {one.outcome}", str(one.asked_twice)]


def markdown(table: Shown) -> str:
    """The table as a markdown file holds it."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join([f"{table.title}:", "", *("| " + " | ".join(line) + " |" for line in lines)])

"""The table that readers see, and the aims it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.evals.cells import Cell, Result
from benchmarks.evals.tool import Tool

OURS = "ours-postgres"
AIMED = {"promptfoo": 5.0, "deepeval": 7.0, "inspect": 14.0}
AIM_CELL = "n10000"
_CLOCKED = ("c4", "c32", "c128", "n10000")
Runs = Mapping[tuple[str, str], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class Aim:
    """How many times faster ours is than a peer, and has to be; ``ratio`` is None where one of them has no run."""

    peer: str
    aim: float
    ratio: float | None

    @property
    def missed(self) -> bool:
        """Whether it was measured and is not reached."""
        return self.ratio is not None and self.ratio < self.aim


def best(runs: Sequence[Result]) -> Result | None:
    """The run with the least wall; one that lost or misread cases never beats one that did not."""
    return min(
        runs, key=lambda one: (bool(one.problem), one.outcome.lost + one.outcome.wrong, one.ran.wall), default=None
    )


def aims(runs: Runs, cell: str = AIM_CELL) -> list[Aim]:
    """Ours, persisted and priced, beside the three peers in one cell."""
    ours = best(runs.get((OURS, cell), ()))
    found = []
    for peer, aim in AIMED.items():
        theirs = best(runs.get((peer, cell), ()))
        found.append(Aim(peer, aim, theirs.ran.wall / ours.ran.wall if ours and theirs else None))
    return found


def header(cells: Sequence[Cell]) -> list[str]:
    """Names of the columns."""
    clocked = [cell for cell in cells if cell.name in _CLOCKED]
    names = ["runner", *(f"N={cell.cases:,} C={cell.concurrency}: x limit (requests)" for cell in clocked)]
    names += ["CPU ms/case", "peak MB", "KB/case", "truth kept"]
    names += [f"faults, N={cell.cases:,}: right/failed/error/lost/wrong, early" for cell in cells if cell.faults]
    names += [
        f"killed at {cell.cases // 2:,}: right/failed/error/lost/wrong, asked twice" for cell in cells if cell.kill
    ]
    return names


def row(tool: Tool, cells: Sequence[Cell], runs: Runs) -> list[str]:
    """One tool's line."""
    named = {cell.name: best(runs.get((tool.name, cell.name), ())) for cell in cells}
    clocked = [named[cell.name] for cell in cells if cell.name in _CLOCKED]
    line = [f"{tool.label} {tool.version}".strip(), *(_ratio(one) for one in clocked)]
    line += _costs([one for one in clocked if one is not None])
    line += [_faults(named[cell.name]) for cell in cells if cell.faults]
    line += [_kill(tool, named[cell.name]) for cell in cells if cell.kill]
    return line


def _ratio(one: Result | None) -> str:
    if one is None:
        return "-"
    return one.problem or f"{one.whole_ratio:.2f} ({one.request_ratio:.2f})"


def _costs(runs: Sequence[Result]) -> list[str]:
    """CPU where it is least, memory where it is most (both with the largest N), and whether each verdict was right."""
    if not runs:
        return ["-"] * 4
    least = min(runs, key=lambda one: one.cpu_ms)
    server = f" + {least.server_cpu_ms:.1f} server" if least.server_cpu_ms else ""
    kept = all(one.outcome.wrong + one.outcome.lost + one.outcome.errors == 0 for one in runs)
    memory = f"{max(one.ran.rss_mb for one in runs):.0f}"
    return [f"{least.cpu_ms:.2f}{server}", memory, f"{runs[-1].kb:.1f}", "yes" if kept else "**no**"]


def _faults(one: Result | None) -> str:
    return "-" if one is None else one.problem or f"{one.outcome}, {one.early} (exit {one.ran.exit})"


def _kill(tool: Tool, one: Result | None) -> str:
    if one is None:
        return "-"
    again = "resumes" if tool.resume else "starts anew"
    return one.problem or f"{again}: {one.outcome}, {one.asked_twice}"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table as a markdown file holds it."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

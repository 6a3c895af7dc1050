"""The cells of the table, and one run of a tool in one of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.evals.measure import Mock, Ran, run
from benchmarks.evals.tool import ENVIRONMENTS, Tool
from benchmarks.evals.work import LATENCY_MS, Job, Outcome, compared

WORK = ENVIRONMENTS / "work"
_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True)
class Cell:
    """So many cases at such a concurrency, perhaps with faults or a kill half way."""

    name: str
    cases: int
    concurrency: int
    faults: bool = False
    kill: bool = False

    @property
    def limit(self) -> float:
        """Seconds that no tool can beat: N x latency / C."""
        return self.cases * LATENCY_MS / 1000 / self.concurrency


ALL = (
    Cell("c4", 1000, 4),
    Cell("c32", 1000, 32),
    Cell("c128", 1000, 128),
    Cell("n10000", 10_000, 32),
    Cell("faults", 1000, 32, faults=True),
    Cell("kill", 1000, 32, kill=True),
)
QUICK = tuple(replace(cell, cases=200) for cell in ALL if cell.name in {"c32", "faults", "kill"})


@dataclass(frozen=True, slots=True)
class Result:
    """What one run gave. Ratios are to the cell's limit; ``asked_twice`` are requests beyond one for each case."""

    tool: str
    cell: Cell
    ran: Ran
    outcome: Outcome
    whole_ratio: float
    request_ratio: float
    cpu_ms: float
    server_cpu_ms: float
    kb: float
    requests: int
    asked_twice: int
    early: int
    at_once: int
    problem: str = ""


def measured(tool: Tool, cell: Cell) -> Result:
    """Run a tool in a cell. What the tool does wrong is in the result; nothing of it is raised."""
    folder = WORK / f"{tool.name}-{cell.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _log(folder).unlink(missing_ok=True)
    tell_after = cell.cases // 2 if cell.kill else -1
    with Mock(latency_ms=LATENCY_MS, faults=cell.faults, tell_after=tell_after) as mock:
        job = Job(folder, mock.url, cell.cases, cell.concurrency, tool.flags)
        tool.prepare(job)
        stored, server = tool.stored(job), tool.extra_cpu()
        ran = _run(tool, job, list(tool.command(job)), mock, kill=cell.kill)
        problem = ""
        if cell.kill and not ran.killed:
            problem = "ended before it could be killed"
        elif cell.kill:
            again = (tool.resume or tool.command)(job)
            ran = _run(tool, job, list(again), mock, kill=False)
        server = tool.extra_cpu() - server
        seen = mock.stop()
    if ran.timed_out:
        problem = f"ended by us after {_LIMIT_S:.0f} s"
    try:
        outcome = compared(tool.verdicts(job), cell.cases)
    except Exception as error:  # noqa: BLE001 - a store that cannot be read is the tool's result, not our end
        outcome, problem = compared({}, cell.cases), f"its store cannot be read: {type(error).__name__}: {error}"[:200]
    return Result(
        tool=tool.name,
        cell=cell,
        ran=replace(ran, others=max(0.0, ran.others - server / ran.wall)),  # the server works for the tool
        outcome=outcome,
        whole_ratio=ran.wall / cell.limit,
        request_ratio=(seen["last"] - seen["first"]) / cell.limit,
        cpu_ms=ran.cpu / cell.cases * 1000,
        server_cpu_ms=server / cell.cases * 1000,
        kb=(tool.stored(job) - stored) / cell.cases / 1024,
        requests=seen["requests"],
        asked_twice=seen["again"],
        early=seen["early"],
        at_once=seen["most_at_once"],
        problem=problem,
    )


def _run(tool: Tool, job: Job, command: list[str], mock: Mock, *, kill: bool) -> Ran:
    return run(
        command,
        folder=job.folder,
        environ=tool.environ(job),
        log=_log(job.folder),
        limit_s=_LIMIT_S,
        mock_pid=mock.pid,
        end_now=mock.half_way if kill else None,
    )


def _log(folder: Path) -> Path:
    return folder.with_suffix(".log")

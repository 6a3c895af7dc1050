"""The eval benchmark end to end on its own floor: a real mock, real processes, faults, and a kill half way."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is no part of the package

from benchmarks.evals import cells, floors
from benchmarks.evals.measure import run
from benchmarks.evals.tool import Tool

CASES, CONCURRENCY = 60, 6


@pytest.fixture(params=floors.TOOLS, ids=[tool.name for tool in floors.TOOLS])
def floor(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Each of the floors, with a folder of its own."""
    monkeypatch.setattr(cells, "WORK", tmp_path)
    tool: Tool = request.param
    return tool


def test_a_floor_loses_nothing_to_faults(floor: Tool) -> None:
    """Every case is right although faults were met, and no retry came before its Retry-After."""
    result = cells.measured(floor, cells.Cell("faults", CASES, CONCURRENCY, faults=True))
    assert (str(result.outcome), result.ran.exit, result.problem) == ("54/6/0/0/0", 0, "")
    assert result.asked_twice > 0
    assert (result.requests, result.early) == (CASES + result.asked_twice, 0)
    assert result.at_once == CONCURRENCY
    assert result.kb > 1


def test_a_floor_that_is_killed_asks_only_what_was_in_flight_again(floor: Tool) -> None:
    """The process dies half way; the same command goes on with the rest."""
    result = cells.measured(floor, cells.Cell("kill", CASES, CONCURRENCY, kill=True))
    assert (str(result.outcome), result.ran.exit, result.problem) == ("54/6/0/0/0", 0, "")
    assert result.asked_twice <= CONCURRENCY


def test_a_process_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    """A time limit or a kill ends the whole group; the exit status tells."""
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    ran = run(
        [sys.executable, "-c", child],
        folder=tmp_path,
        environ=dict(os.environ),
        log=tmp_path / "log",
        limit_s=0.5,
        mock_pid=os.getpid(),
    )
    assert (ran.timed_out, ran.killed, ran.exit) == (True, False, -9)
    assert ran.rss_mb > 1

"""Runs one command against a fresh mock, and measures it: wall, CPU and memory of the whole process tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil
from benchmarks.evals.tool import ROOT

_PACE_S = 0.1
_HASTE_S = 0.005
_KB = 1024
_TOLD, _PORT = "told", "port"


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished process. ``others`` are the cores that all other programs used meanwhile; ``killed`` by us half way."""

    wall: float
    cpu: float
    rss_mb: float
    others: float
    exit: int
    killed: bool
    timed_out: bool


class Mock:
    """The model server in a process of its own; its counts are there after :meth:`stop`."""

    def __init__(self, *, latency_ms: float, faults: bool = False, tell_after: int = -1) -> None:
        command = [sys.executable, "-m", "benchmarks.evals.mock", "--latency-ms", str(latency_ms)]
        command += [*(["--faults"] if faults else []), "--tell-after", str(tell_after)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self._line()[_PORT]}/v1"
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)
        self.told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def half_way(self) -> bool:
        """Whether it has sent as many replies as it was to tell of."""
        if not self.told and self._process.stdout is not None:
            self.told = bool(self._process.stdout.readline())
        return self.told

    def stop(self) -> Mapping[str, Any]:
        """End it; returns the fields of :class:`benchmarks.evals.mock.Seen`."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the mock has no pipes")
        os.set_blocking(self._process.stdout.fileno(), True)
        self._process.stdin.close()
        found = self._line()
        while _TOLD in found:  # said, but nobody had asked
            found = self._line()
        return found

    def _line(self) -> Mapping[str, Any]:
        if self._process.stdout is None:
            raise RuntimeError("the mock has no standard output")
        found: Mapping[str, Any] = json.loads(self._process.stdout.readline())
        return found


class Ended(threading.Thread):
    """Waits for a process in a thread of its own, so that its end is seen at once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.at = 0.0
        self.exit = 0
        self.cpu = 0.0
        self.start()

    def run(self) -> None:
        """Wait; CPU is that of the process and of all of its children that it has waited for."""
        _, status, usage = os.wait4(self._pid, 0)
        self.at = time.perf_counter()
        self.exit = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    log: Path,
    limit_s: float,
    mock_pid: int,
    end_now: Callable[[], bool] | None = None,
) -> Ran:
    """Run a command to its end, or until ``end_now`` says so (SIGKILL to all of its processes) or ``limit_s`` is over."""
    killed = timed_out = False
    peak, looked = 0.0, 0.0
    with log.open("ab") as output:
        busy, mock = _busy(), _used(mock_pid)
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        ended = Ended(process.pid)
        try:
            while ended.is_alive():
                now = time.perf_counter()
                if now - looked > _PACE_S:
                    peak, looked = max(peak, _high_water(process.pid)), now
                timed_out = now - began > limit_s
                if not killed and (timed_out or (end_now is not None and end_now())):
                    killed = True
                    _kill(process.pid)
                ended.join(_PACE_S if end_now is None else _HASTE_S)
        finally:  # whatever ends us ends it too
            if not ended.at:  # is_alive() cannot be trusted after a join that was interrupted
                _kill(process.pid)
        wall = ended.at - began
        process.returncode = ended.exit
        others = max(0.0, (_busy() - busy) - ended.cpu - (_used(mock_pid) - mock)) / wall
    return Ran(wall, ended.cpu, peak / _KB, others, ended.exit, killed and not timed_out, timed_out)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _busy() -> float:
    """CPU seconds that the machine has worked."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0))


def _used(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _high_water(pid: int) -> float:
    """KB: the sum of the resident high-water marks of all processes of the tree that live now."""
    return _mark(pid) + sum(_high_water(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, file.read_text().split())
    return found


def _mark(pid: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return float(line.split()[1])
    return 0.0

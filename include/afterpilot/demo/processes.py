"""Processes of the demo: each in a group of its own, with a log file, and none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from afterpilot.demo.shell_file import relative
from afterpilot.demo.state import DemoError

_STOP_SECONDS = 12.0
_KILL_SECONDS = 10.0
_LOG_LINES = 12
_MARK = (
    "AFTERPILOT_DEMO_PROCESS_OF"  # in the environment of all that a demo starts, so that no other process is ever ended
)


class Processes:
    """The processes that this demo has started."""

    def __init__(self, folder: Path) -> None:
        self._logs = folder / "logs"
        self._logs.mkdir(exist_ok=True)
        self._mark = str(folder.resolve())
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._kill_left_over()  # of a demo that was killed

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start a process that stays; its output goes to ``logs/<name>.log``."""
        log = (self._logs / f"{name}.log").open("wb")
        self._running[name] = subprocess.Popen(  # noqa: S603 - the commands are our own
            command,
            # Without SPT_NOENV the processes of Airflow write their titles over the mark.
            env={**environ, _MARK: self._mark, "SPT_NOENV": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        log.close()

    def run(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a command to its end.

        Raises:
            DemoError: it failed; the text holds the end of its output.
        """
        self.start(name, command, environ)
        code = self._running.pop(name).wait()
        if code != 0:
            raise DemoError(f"{name} failed with exit status {code}.\n{self.tail(name)}")

    def require_alive(self) -> None:
        """Raise DemoError where a process that should stay has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise DemoError(f"{name} ended with exit status {process.returncode}.\n{self.tail(name)}")

    def tail(self, name: str) -> str:
        """The last lines of a process' log, and where the rest is."""
        path = self._logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-_LOG_LINES:] if path.exists() else []
        return "\n".join([*lines, f"(all of it: {relative(path)})"])

    def stop(self) -> None:
        """Stop all of them, gently first; whole groups, so that no worker is left."""
        groups = [process.pid for process in self._running.values()]
        for group in groups:
            _signal(group, signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for group in groups:
            _signal(group, signal.SIGKILL)
        for process in self._running.values():
            process.wait()
        self._running.clear()
        self._kill_left_over()

    def _kill_left_over(self) -> None:
        """Kill what carries the mark of this folder, also what left its group, and wait until its ports are free."""
        deadline = time.monotonic() + _KILL_SECONDS
        while (left := _marked(self._mark)) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def _marked(mark: str) -> list[int]:
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if wanted in environ.read_bytes().split(b"\0"):
                found.append(int(environ.parent.name))
    return found


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)

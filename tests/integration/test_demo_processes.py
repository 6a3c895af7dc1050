"""The demo's processes: none is left by a second signal, and those of a killed demo are ended by the next one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afterpilot.demo.processes import Processes

pytestmark = pytest.mark.integration
PATIENCE_SECONDS = 60
# Ignores SIGINT, starts a worker in a session of its own that holds a port, and says the port.
STUBBORN = """
import os, signal, socket, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
if os.fork() == 0:
    os.setsid()
    print(taken.getsockname()[1], os.getpid(), flush=True)
time.sleep(600)
"""
# The real entry point around one such process instead of PostgreSQL, model and Airflow.
STAND_IN = f"""
import os, sys
from pathlib import Path
from afterpilot.demo import __main__ as entry, processes
processes._STOP_SECONDS = 2.0
class Demo:
    def __init__(self, folder, console):
        self.processes = processes.Processes(folder)
    def run(self, *, everything):
        self.processes.start("stubborn", [sys.executable, "-c", {STUBBORN!r}], os.environ)
        return []
    def stay(self):
        import time
        time.sleep(600)
    def stop(self):
        self.processes.stop()
entry.Demo, entry.open_state = Demo, lambda: Path(os.environ["DEMO_FOLDER"])
sys.exit(entry.main())
"""


def until(said: Callable[[], str]) -> str:
    """What is said, once anything is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (text := said()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert text, "nothing was said in time"
    return text


def worker(folder: Path) -> tuple[int, int]:
    """The port and the process id of the stubborn one's worker, once it is up."""
    log = folder / "logs" / "stubborn.log"
    port, pid = until(lambda: log.read_text() if log.exists() else "").split()
    return int(port), int(pid)


def gone(pid: int) -> bool:
    """Whether the process has ended; nobody may have asked for its exit status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no demo has started."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_second_signal_while_stopping_leaves_nothing_running(tmp_path: Path) -> None:
    """`timeout` sends two: the second neither ends the stopping nor shows a traceback."""
    command = [sys.executable, "-u", "-c", STAND_IN]
    environ = {**os.environ, "DEMO_FOLDER": str(tmp_path)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        _, pid = worker(tmp_path)
        demo.send_signal(signal.SIGTERM)
        assert demo.stdout is not None
        assert "Stopping …\n" in demo.stdout  # reads up to it
        demo.send_signal(signal.SIGTERM)
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in rest
    assert demo.returncode == 0
    assert gone(pid)


def test_the_next_demo_ends_what_a_killed_one_left_and_frees_its_port(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    """Also a worker whose parent is gone; nobody else's process, and nothing of another folder's demo."""
    here, there = tmp_path / "demo", tmp_path / "demo2"
    for folder in (here, there):
        folder.mkdir()
    killed, other = Processes(here), Processes(there)
    killed.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ)
    other.start("stubborn", [sys.executable, "-c", STUBBORN], os.environ)
    port, pid = worker(here)
    parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(parent, signal.SIGKILL)
    Processes(here)
    assert gone(pid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
    assert not gone(worker(there)[1])
    assert bystander.poll() is None
    other.stop()
    assert gone(worker(there)[1])

"""The demo as a newcomer starts it: everything real, from PostgreSQL and the language model to Airflow's four processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]
TIMEOUT_SECONDS = 1500


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo(home: Path, port: int, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "afterpilot.demo", *options],
        env={**os.environ, "AFTERPILOT_DEMO_HOME": str(home), "AFTERPILOT_PORT": str(port), **environ},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def left_over(home: Path) -> list[str]:
    """Processes that still carry the demo's folder in their environment or command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in text and int(process.name) != os.getpid():
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_the_whole_path_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Every stage ran in Airflow, outputs went to people with the reason, the history is behind the login, no process is left."""
    done = demo(tmp_path, free_port(), "--once")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    for words in (
        "outputs released",
        "to people",
        "purchase order PO-",
        "our prompt changed",
        "wait to become cases",
        "/afterpilot/",
        "week of",
    ):
        assert words in done.stdout, f"{words!r} is missing in:\n{done.stdout}"
    assert "UNKNOWN  no run yet" not in done.stdout
    assert left_over(tmp_path) == []


def test_a_port_in_use_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    """The message names the port and a way out; no process and no lock stays."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo(tmp_path, port, "--once")
    assert done.returncode == 2
    assert f"Port {port} is in use" in done.stdout
    assert f"AFTERPILOT_PORT={port + 1}" in done.stdout
    assert left_over(tmp_path) == []


def test_a_real_model_without_a_name_is_said_at_once(tmp_path: Path) -> None:
    """Half a configuration is an error with what is missing, not a call to a nameless model."""
    done = demo(tmp_path, free_port(), "--once", MODEL_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "MODEL_NAME" in done.stdout
    assert left_over(tmp_path) == []

"""The DAGs `watchdog` and `deliver` as Airflow runs them: each pass leaves its beat, and the watchdog calls the heartbeat's address."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

RUN = """
from airflow.utils import db
db.initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r})
assert not bag.import_errors, bag.import_errors
for name in {names!r}:
    print("PROBE", name, str(bag.dags[name].test().state))
"""


class Monitor(http.server.BaseHTTPRequestHandler):
    """A service that waits for the heartbeat."""

    asked: list[str]

    def do_GET(self) -> None:
        """Take it."""
        self.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_each_pass_leaves_its_beat_and_the_heartbeat_goes_out(tmp_path: Path, ops_url: str, ops: sa.Engine) -> None:
    """Over a real ops database, without Slack: green, on record, and the address called once by the watchdog alone."""
    folder = tmp_path / "dags"
    folder.mkdir()
    for name in ("deliver", "watchdog"):
        (folder / f"{name}.py").write_text((ROOT / "dags" / f"{name}.py").read_text())
    asked: list[str] = []
    handler = type("Handler", (Monitor,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environ = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "AFTERPILOT_DATABASE_URL": ops_url,
            "AFTERPILOT_WORKFLOWS": str(ROOT / "include" / "workflows"),
            "AFTERPILOT_HEARTBEAT_URL": f"http://127.0.0.1:{server.server_port}/0b6c-secret",
        }
        script = RUN.format(folder=str(folder), names=("deliver", "watchdog"))
        done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
        server.shutdown()
    lines = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert lines == ["PROBE deliver success", "PROBE watchdog success"], done.stdout[-3000:] + done.stderr[-3000:]
    with ops.connect() as connection:
        beats = set(connection.scalars(sa.text("SELECT name FROM beats")))
    assert {"dag:deliver", "dag:watchdog", "delivery", "dead_man"} <= beats
    assert asked == ["/0b6c-secret"]
    assert "0b6c-secret" not in done.stdout + done.stderr

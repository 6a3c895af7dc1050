"""What people have added under Admin → Connections is found by the pages, which run in Airflow's API server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

ASKED = """
import os, sys
from airflow.models import Connection
from airflow.utils.db import initdb
from airflow.utils.session import create_session
initdb()
with create_session() as session:
    session.add(Connection(conn_id="kept", uri="http://:a-key@models.example:8000/v1"))
os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # as Airflow's API server says of itself
from afterpilot.orchestration import plugin
from afterpilot.orchestration.connections import AirflowConnections
assert plugin.AirflowConnections is AirflowConnections and not hasattr(plugin, "EnvConnections")
endpoint = AirflowConnections().endpoint("kept")
assert endpoint.secret == "a-key"
print(endpoint.url)
"""


def test_the_api_server_finds_what_airflows_database_keeps(tmp_path: Path) -> None:
    """By the same class as tasks; the command line says of such a connection what to set."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__FERNET_KEY": "",
    }
    command = [sys.executable, "-c", ASKED]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "http://models.example:8000/v1"

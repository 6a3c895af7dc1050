"""Roles as Airflow's own auth managers give them: which of ours each is, and what an auditor may and may not open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

ROOT = Path(__file__).parents[2]
_MANAGERS = {
    "fab": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "simple": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
}


def ask(manager: str, home: Path, ops_url: str) -> dict[str, dict[str, Any]]:
    """Statuses by role and page, of an Airflow of its own with the roles of docker-compose.yaml."""
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    roles = compose["x-airflow-environment"]["AIRFLOW__FAB__CUSTOM_ROLES"]
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": _MANAGERS[manager],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,op:op,user:user,viewer:viewer",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API__SECRET_KEY": "s" * 32,
        "AIRFLOW__API_AUTH__JWT_SECRET": "j" * 64,
        "AIRFLOW__FAB__CUSTOM_ROLES": roles,
        "AFTERPILOT_DATABASE_URL": ops_url,
        "AFTERPILOT_WORKFLOWS": str(ROOT / "include" / "workflows"),
    }
    airflow = str(Path(sys.executable).parent / "airflow")
    subprocess.run([airflow, "db", "migrate"], env=environ, check=True, capture_output=True, timeout=300)
    script = [sys.executable, str(Path(__file__).with_name("asked_as_roles.py")), manager]
    done = subprocess.run(script, env=environ, capture_output=True, text=True, timeout=300, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line is not None, done.stderr[-4000:]
    found: dict[str, dict[str, Any]] = json.loads(line.removeprefix("FOUND "))
    return found


def test_the_auditor_of_docker_compose_reads_the_history_and_nothing_that_may_hold_data(
    tmp_path: Path, ops_url: str
) -> None:
    """With Airflow's FAB auth manager: what is checked is open, logs, XComs, connections, variables and code are not."""
    found = ask("fab", tmp_path, ops_url)
    roles = {name: answers.pop("role", "") for name, answers in found.items()}
    assert roles == {
        "Admin": "engineer",
        "Op": "engineer",
        "User": "owner",
        "Viewer": "auditor",
        "Auditor": "auditor",
        "Public": "auditor",
        "nobody": "",
    }
    auditor = found["Auditor"]
    opened = {name for name, status in auditor.items() if status == 200}
    assert opened == {"history", "plugins", "dag runs", "audit log"}
    assert {status for name, status in auditor.items() if name not in opened} == {403}
    assert found["Viewer"]["history"] == 200
    assert found["Viewer"]["task log"] != 403  # which is why an auditor is none
    assert {found[name]["history"] for name in ("Admin", "Op", "User")} == {200}
    assert found["Public"]["history"] == 403
    assert set(found["nobody"].values()) == {401}


def test_the_roles_of_the_simple_auth_manager(tmp_path: Path, ops_url: str) -> None:
    """Viewers are auditors, users owners, operators and administrators engineers; nobody gets in without a login."""
    found = ask("simple", tmp_path, ops_url)
    roles = {name: answers.pop("role", "") for name, answers in found.items()}
    assert roles == {"admin": "engineer", "op": "engineer", "user": "owner", "viewer": "auditor", "nobody": ""}
    assert {found[name]["history"] for name in ("admin", "op", "user", "viewer")} == {200}
    assert found["viewer"]["begin a silence"] == 403
    assert found["viewer"]["connections"] == 403
    assert set(found["nobody"].values()) == {401}

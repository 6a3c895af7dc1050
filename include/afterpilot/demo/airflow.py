"""Airflow as the demo runs it: its environment, its four processes, and a client of its public API."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from afterpilot.demo.postgres import APPLICATION, EmbeddedPostgres
from afterpilot.demo.processes import Processes
from afterpilot.demo.state import LOGINS, ROOT, DemoError, Model, State, free_port
from afterpilot.record.ledger.signing_keys import make_key
from afterpilot.web.api.tokens import hash_of

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_START_SECONDS = 240
_TIMEOUT = (5, 30)  # seconds to connect, and to answer
_ATTEMPTS = 5


def environment(state: State, postgres: EmbeddedPostgres, model: Model, *, bill_port: int) -> dict[str, str]:
    """The environment of every Airflow process of this demo. ``bill_port`` is where the provider's bill can be read."""
    home = state.folder / "airflow"
    home.mkdir(exist_ok=True)
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({name: state.secrets[name] for name in LOGINS}))
    passwords.chmod(0o600)
    airflow = {
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{state.address}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__FERNET_KEY": state.secrets["fernet"],
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "5",
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in LOGINS.items()),
        "API__BASE_URL": state.address,
        "API__HOST": "127.0.0.1",
        "API__PORT": str(state.port),
        "API__SECRET_KEY": state.secrets["session"],
        "API__WORKERS": "1",
        "API_AUTH__JWT_SECRET": state.secrets["jwt"],
        "DAG_PROCESSOR__REFRESH_INTERVAL": "15",
        "DATABASE__SQL_ALCHEMY_CONN": postgres.url("airflow", driver="psycopg2"),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
    }
    ours = {
        "AFTERPILOT_BASE_URL": state.address,
        "AFTERPILOT_DATABASE_URL": postgres.url("afterpilot", role=APPLICATION),
        "AIRFLOW_CONN_ERP": _database_connection(postgres, "erp"),
        "AIRFLOW_CONN_MAILBOX": _database_connection(postgres, "mailbox"),
        "AIRFLOW_CONN_AI_CALLS": json.dumps({"conn_type": "fs", "extra": {"path": str(state.folder / "calls")}}),
        "AIRFLOW_CONN_LOCAL_MODEL": json.dumps({"conn_type": "http", "host": model.base_url, "password": model.key}),
        "AIRFLOW_CONN_PROVIDER_BILL": json.dumps(
            {"conn_type": "http", "host": f"http://127.0.0.1:{bill_port}/v1", "password": state.secrets["bill"]}
        ),
        "AFTERPILOT_LEDGER_KEY_FILE": str(_ledger_key(state.folder / "ledger.pem")),
        "AFTERPILOT_GATEWAY_TOKENS": hash_of(state.secrets["gateway"]),
    }
    slack = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN", "SLACK_API_URL")
    chosen = {name: state.environ[name] for name in slack if state.environ.get(name)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    keys = {f"AIRFLOW__{name}": value for name, value in airflow.items()}
    return {**os.environ, "PATH": path, "AIRFLOW_HOME": str(home), **keys, **ours, **chosen}


def _ledger_key(path: Path) -> Path:
    """The file of the key that signs the ledger's heads, made with the first start."""
    if not path.exists():
        make_key(path)
    return path


def _database_connection(postgres: EmbeddedPostgres, database: str) -> str:
    from sqlalchemy import make_url

    host = make_url(postgres.url(database)).query["host"]
    return json.dumps({"conn_type": "postgres", "login": "postgres", "host": host, "schema": database})


def command(*arguments: str) -> list[str]:
    """An ``airflow`` command in this environment."""
    return [str(Path(sys.executable).parent / "airflow"), *arguments]


def start(processes: Processes, environ: Mapping[str, str]) -> None:
    """Start api-server, scheduler, dag-processor and triggerer."""
    for component in COMPONENTS:
        processes.start(component, command(component), environ)


class Api:
    """Airflow's public REST API, as the user ``admin``."""

    def __init__(self, state: State, processes: Processes) -> None:
        self._state = state
        self._processes = processes
        self._session = requests.Session()

    def wait(self) -> None:
        """Wait until the API answers, then log in.

        Raises:
            DemoError: a process ended, or nothing answered in time.
        """
        self._until(lambda: self._answers("/api/v2/monitor/health"), "Airflow's API server does not answer")
        login = {"username": "admin", "password": self._state.secrets["admin"]}
        reply = self._session.post(f"{self._state.address}/auth/token", json=login, timeout=_TIMEOUT)
        reply.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def wait_for_dags(self, dag_ids: set[str]) -> None:
        """Wait until the DAG processor has brought in all of these."""
        self._until(lambda: dag_ids <= self.dag_ids(), "the DAGs do not appear; import errors: Airflow's home page")

    def dag_ids(self) -> set[str]:
        """The DAGs that Airflow knows."""
        return {dag["dag_id"] for dag in self._get("/api/v2/dags", limit=100)["dags"]}

    def trigger(self, dag_id: str) -> str:
        """Ask for a run of a DAG; returns the run's id."""
        reply = self._session.post(
            f"{self._state.address}/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None}, timeout=_TIMEOUT
        )
        reply.raise_for_status()
        return str(reply.json()["dag_run_id"])

    def finish(self, dag_id: str, run_id: str, watch: Callable[[str], None]) -> str:
        """Wait for the end of a run; ``watch`` is told where it stands. Returns its final state."""
        while True:
            state: str = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]
            if state in {"success", "failed"}:
                return state
            self._processes.require_alive()
            watch(self._where(dag_id, run_id))
            time.sleep(0.5)

    def page_of(self, dag_id: str) -> str:
        """Where a DAG is shown."""
        return f"{self._state.address}/dags/{dag_id}"

    def _where(self, dag_id: str, run_id: str) -> str:
        instances = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100)["task_instances"]
        running = [
            f"{i['task_id'].split('.')[-1]} {i.get('rendered_map_index') or ''}".strip()
            for i in instances
            if i["state"] == "running"
        ]
        done = sum(instance["state"] == "success" for instance in instances)
        return f"{done} of {len(instances)} tasks done" + (f", now {', '.join(sorted(running))}" if running else "")

    def _get(self, path: str, **params: object) -> dict[str, Any]:
        """Read, and ask again where a busy machine takes too long to answer."""
        for last in (*[False] * (_ATTEMPTS - 1), True):
            try:
                reply = self._session.get(f"{self._state.address}{path}", params=params, timeout=_TIMEOUT)  # type: ignore[arg-type]
                break
            except requests.Timeout:
                self._processes.require_alive()
                if last:
                    raise
        reply.raise_for_status()
        return dict(reply.json())

    def _answers(self, path: str) -> bool:
        try:
            return self._session.get(f"{self._state.address}{path}", timeout=_TIMEOUT).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def _until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not condition():
            self._processes.require_alive()
            if time.monotonic() > deadline:
                raise DemoError(f"{otherwise} after {_START_SECONDS} seconds.\n{self._processes.tail('api-server')}")
            time.sleep(0.3)

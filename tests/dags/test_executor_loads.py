"""The executor of docker-compose.yaml with the packages of the lock."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).parents[2]
LOAD = """
from airflow.executors.executor_loader import ExecutorLoader
from airflow.providers.celery.executors.celery_executor import app
print(ExecutorLoader.import_default_executor_cls()[0].__name__, app.conf.broker_url)
"""


def test_airflow_and_celery_of_the_lock_fit_together(tmp_path: Path) -> None:
    """The scheduler can load the executor that compose names, and the worker its Celery app: a lock can break both."""
    raw = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    executor = raw["x-airflow-environment"]["AIRFLOW__CORE__EXECUTOR"]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__EXECUTOR": executor,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CELERY__BROKER_URL": "redis://:word@redis:6379/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql+psycopg2://airflow:word@postgres:5432/airflow",
    }
    done = subprocess.run([sys.executable, "-c", LOAD], env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == [executor, "redis://:word@redis:6379/0"]

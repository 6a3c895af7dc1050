"""A stage that breaks makes its DAG run red, and what is to be told is told all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAGS = """
from airflow.sdk import DAG, task
from afterpilot.orchestration import tasks

@task(retries=0)
def work(x):
    if x == "breaks":
        raise ValueError("boom")

@task(trigger_rule="all_done")
def deliver():
    print("told")

tasks.deliver = deliver
for name, items in {"good": ["a", "b"], "bad": ["a", "breaks"]}.items():
    with DAG(name, schedule=None) as dag:
        tasks.told(work.expand(x=items))
    globals()[name] = dag
"""

RUN = """
from airflow.utils import db
db.initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r})
assert not bag.import_errors, bag.import_errors
for name in ("good", "bad"):
    run = bag.dags[name].test()
    states = sorted((i.task_id, i.map_index, str(i.state)) for i in run.get_task_instances())
    print("PROBE", name, str(run.state), states)
"""


def test_a_broken_stage_makes_the_run_red_and_is_told(tmp_path: Path) -> None:
    """The run with a failed mapped instance fails, and delivers; the good one succeeds."""
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "probe_dags.py").write_text(DAGS)
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    code = RUN.format(folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert len(lines) == 2, done.stdout[-2000:] + done.stderr[-2000:]
    assert lines[0].startswith("PROBE good success")
    assert lines[1].startswith("PROBE bad failed")
    assert "('deliver', -1, 'success')" in lines[1]

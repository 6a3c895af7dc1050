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
from airflow.sdk.exceptions import AirflowSkipException
from afterpilot.orchestration import tasks
from afterpilot.orchestration.tasks import delivery

@task(retries=0)
def work(x):
    if x == "breaks":
        raise ValueError("boom")

@task(trigger_rule="all_done")
def deliver():
    print("told")

delivery.deliver = deliver
for name, items in {"good": ["a", "b"], "bad": ["a", "breaks"]}.items():
    with DAG(name, schedule=None) as dag:
        tasks.told(work.expand(x=items))
    globals()[name] = dag

@task(retries=0)
def probe(x):
    if x == "breaks":
        raise ValueError("boom")
    return {"label": x, "workflows": [x] if x == "changed" else [], "broken": ["w"] if x == "part" else []}

for name, items in {
    "quiet": ["a", "b"], "starts": ["a", "changed"], "half": ["breaks", "changed"], "part": ["part", "changed"],
}.items():
    with DAG(name, schedule=None) as dag:
        probed = probe.expand(x=items)
        tasks.told(probed, tasks.all_probed(probed), work.expand(x=tasks.changed(probed)))
    globals()[name] = dag

@task
def plan():
    raise AirflowSkipException("no declaration is synced yet")

with DAG("unsynced", schedule=None) as unsynced:
    tasks.told(work.expand(x=plan()))
with DAG("unsynced_probe", schedule=None) as unsynced_probe:
    probed = probe.expand(x=plan())
    tasks.told(probed, tasks.all_probed(probed), work.expand(x=tasks.changed(probed)))
"""

RUN = """
from airflow.utils import db
db.initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r})
assert not bag.import_errors, bag.import_errors
for name in {names!r}:
    run = bag.dags[name].test()
    states = sorted((i.task_id, i.map_index, str(i.state)) for i in run.get_task_instances())
    print("PROBE", name, str(run.state), states)
"""


def ran(tmp_path: Path, names: tuple[str, ...]) -> list[str]:
    """Run these DAGs in a process of their own; a line for each with its state and those of its tasks."""
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
    code = RUN.format(folder=str(folder), names=names)
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert len(lines) == len(names), done.stdout[-2000:] + done.stderr[-2000:]
    return lines


def test_a_broken_stage_makes_the_run_red_and_is_told(tmp_path: Path) -> None:
    """The run with a failed mapped instance fails, and delivers; the good one succeeds."""
    lines = ran(tmp_path, ("good", "bad"))
    assert lines[0].startswith("PROBE good success")
    assert lines[1].startswith("PROBE bad failed")
    assert "('deliver', -1, 'success')" in lines[1]


def test_only_what_changed_is_evaluated(tmp_path: Path) -> None:
    """Nothing new: no suite, and a green run. A probe that broke stops no other suite, and the run is red, also where it broke
    for one workflow of a batch.
    """
    quiet, starts, half, part = ran(tmp_path, ("quiet", "starts", "half", "part"))
    assert quiet.startswith("PROBE quiet success")
    assert "('work', -1, 'skipped')" in quiet
    assert starts.startswith("PROBE starts success")
    assert "('work', 0, 'success')" in starts
    assert half.startswith("PROBE half failed")
    assert part.startswith("PROBE part failed")
    assert "('work', 0, 'success')" in half
    assert "('work', 0, 'success')" in part
    assert all("('deliver', -1, 'success')" in line for line in (quiet, starts, half, part))


def test_a_plan_before_the_first_sync_is_no_failure(tmp_path: Path) -> None:
    """The plan and its work are skipped, what waits elsewhere is delivered, and the run is green."""
    for line in ran(tmp_path, ("unsynced", "unsynced_probe")):
        assert " success [" in line
        assert "'failed'" not in line
        assert "('plan', -1, 'skipped')" in line
        assert "('work', -1, 'skipped')" in line
        assert "('deliver', -1, 'success')" in line
        assert "('red', -1, 'skipped')" in line

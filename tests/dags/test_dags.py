"""What Airflow makes of dags/ and plugins/."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from afterpilot.domain.watching import DAGS, dag_of

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

PROBE = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
dags = {
    dag.dag_id: {
        "schedule": str(dag.schedule),
        "owner": dag.owner,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md or "",
        "catchup": dag.catchup,
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "templates": {task.task_id: task.map_index_template for task in dag.tasks if hasattr(task, "map_index_template")},
        "retries": min(task.retries for task in dag.tasks if task.task_id != "red"),
    }
    for dag in bag.dags.values()
}
heavy = [name for name in ("great_expectations", "matplotlib", "pandas", "genai_prices") if name in sys.modules]
print("PROBE" + json.dumps({"dags": dags, "errors": bag.import_errors, "heavy": heavy}))
"""


def probe(tmp_path: Path, workflows: Path) -> dict:
    """Load the DAGs in a process of their own, as the DAG processor would."""
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AFTERPILOT_WORKFLOWS": str(workflows),
    }
    environ.pop("AFTERPILOT_DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(ROOT / "dags")], env=environ, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[-1].removeprefix("PROBE"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The DAGs of this checkout, loaded once."""
    return probe(tmp_path_factory.mktemp("airflow"), ROOT / "include" / "workflows")


def test_exactly_these_dags_are_there(loaded: dict) -> None:
    """Each DAG by name, so that a missing folder or file cannot pass; and no import error."""
    assert loaded["errors"] == {}
    assert sorted(loaded["dags"]) == [
        "declarations",
        "deliver",
        "evals.nightly",
        "gate",
        "probe",
        "provider_bills",
        "records.hourly",
        "records.nightly",
        "retention",
        "seal",
        "spend",
        "spot_checks",
        "watchdog",
        "weekly_outcomes.monday_morning",
    ]


def test_the_watchdog_knows_the_rhythm_of_every_dag(loaded: dict) -> None:
    """Those of its table, as the files have them; the others are named after a schedule of the fleet."""
    known = {dag_id: dag["schedule"] for dag_id, dag in loaded["dags"].items() if "." not in dag_id}
    assert known == dict(DAGS)
    named = [dag_of(name) for name in ("records.hourly", "records.nightly", "evals.nightly", "report.monday_morning")]
    assert sorted(named) == sorted(dag_id for dag_id in loaded["dags"] if "." in dag_id)


def test_the_watchdog_is_apart(loaded: dict) -> None:
    """One task, which looks and delivers by itself; its code takes nothing from that of the other tasks."""
    assert loaded["dags"]["watchdog"]["tasks"] == {"watch": []}
    text = (ROOT / "include" / "afterpilot" / "orchestration" / "watchdog.py").read_text()
    assert "orchestration.tasks" not in text
    assert "import tasks" not in text


def test_parsing_imports_nothing_heavy(loaded: dict) -> None:
    """Every task parses its DAG file: Great Expectations and the like must not come with it."""
    assert loaded["heavy"] == []


def test_every_dag_tells_whose_it_is_and_what_to_do(loaded: dict) -> None:
    """Owner, tag, docs with an existing runbook, retries, and no catch-up."""
    for dag_id, dag in loaded["dags"].items():
        assert dag["owner"] == "afterpilot", dag_id
        assert "afterpilot" in dag["tags"], dag_id
        assert dag["catchup"] is False, dag_id
        assert dag["retries"] >= 1, dag_id
        runbook = dag["doc"].rsplit("`", 2)[1]
        assert (ROOT / runbook).exists(), f"{dag_id}: {runbook}"
        assert dag["doc"].startswith(f"### {dag_id.split('.')[0]}"), dag_id


def test_the_path_of_records(loaded: dict) -> None:
    """First plan, then pull → check → route in one mapped group, then deliver."""
    assert loaded["dags"]["records.hourly"]["tasks"] == {
        "plan": ["records_path.pull"],
        "records_path.pull": ["records_path.check"],
        "records_path.check": ["records_path.route"],
        "records_path.route": ["deliver", "red"],
        "deliver": ["red"],
        "red": [],
    }


def test_the_sweep_of_every_minute(loaded: dict) -> None:
    """First the review queue, then the outbox, which has what the first has to tell; either turns the run red."""
    assert loaded["dags"]["deliver"]["tasks"] == {
        "look_after_reviews": ["carry_out_stops", "red"],
        "carry_out_stops": ["look_after_alerts", "red"],
        "look_after_alerts": ["deliver", "red"],
        "deliver": ["red"],
        "red": [],
    }


def test_the_path_of_probes(loaded: dict) -> None:
    """Plan, probe, then evaluate only what changed; a probe that failed makes the run red although the others go on."""
    assert loaded["dags"]["probe"]["tasks"] == {
        "plan_probes": ["probe"],
        "probe": ["all_probed", "changed", "red"],
        "all_probed": ["red"],
        "changed": ["evaluate"],
        "evaluate": ["deliver", "red"],
        "deliver": ["red"],
        "red": [],
    }


def test_the_path_of_the_gate(loaded: dict) -> None:
    """Plan, then decide in labelled batches; what it has to tell goes with the sweep of the outbox."""
    gate = loaded["dags"]["gate"]
    assert gate["tasks"] == {"plan_gates": ["gate"], "gate": []}
    assert gate["templates"]["gate"] == "{{ batch_label }}"


def test_the_path_of_bills(loaded: dict) -> None:
    """One task for all accounts, then deliver."""
    assert loaded["dags"]["provider_bills"]["tasks"] == {
        "provider_bills": ["deliver", "red"],
        "deliver": ["red"],
        "red": [],
    }


def test_mapped_instances_are_labelled(loaded: dict) -> None:
    """The grid shows which workflows an instance holds."""
    mapped_tasks = {"pull", "check", "route", "evaluate", "report", "probe"}
    for dag_id in ("records.hourly", "evals.nightly", "weekly_outcomes.monday_morning", "probe"):
        templates = loaded["dags"][dag_id]["templates"]
        mapped = [task for task in templates if task.split(".")[-1] in mapped_tasks]
        assert mapped
        assert {templates[task] for task in mapped} == {"{{ batch_label }}"}


def test_the_dags_do_not_depend_on_the_number_of_workflows(tmp_path: Path, loaded: dict) -> None:
    """Three hundred folders, some of them broken, give the same DAGs: no declaration is read at parse time."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    shutil.copy(ROOT / "include" / "workflows" / "_fleet.yaml", folder)
    for number in range(300):
        (folder / f"w{number}").mkdir()
        (folder / f"w{number}" / "workflow.yaml").write_text("workflow: [broken" if number % 2 else "workflow: x")
    assert probe(tmp_path, folder) == loaded


def test_a_broken_schedule_takes_its_own_dag_alone(tmp_path: Path, loaded: dict) -> None:
    """All other DAGs are as they were; `declarations` tells of the broken one."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    text = (ROOT / "include" / "workflows" / "_fleet.yaml").read_text()
    (folder / "_fleet.yaml").write_text(text.replace("hourly: 5 * * * *", "hourly: 99 * * * *"))
    found = probe(tmp_path, folder)
    assert found["errors"] == {}
    assert loaded["dags"].keys() - found["dags"].keys() == {"records.hourly"}


def test_a_broken_fleet_file_is_told_and_leaves_the_reporter_alive(tmp_path: Path) -> None:
    """Without named schedules their DAGs are import errors with the reason; `declarations` still loads and reports."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "_fleet.yaml").write_text("schedules: [")
    found = probe(tmp_path, folder)
    assert {"declarations", "deliver", "gate", "probe", "provider_bills", "spend", "watchdog"} <= found["dags"].keys()
    assert all("_fleet.yaml" in text for text in found["errors"].values())
    assert len(found["errors"]) == 3

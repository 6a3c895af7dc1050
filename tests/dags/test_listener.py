"""Airflow tells of tasks that failed for good and of DAG files that do not load, as its own runs do it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.orchestration import listener

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAGS = """
from airflow.sdk import DAG, task
from pathlib import Path

MENDED = Path({flag!r})

@task(retries=0)
def check(batch):
    if batch["label"] == "bad" and not MENDED.exists():
        raise ValueError("secret text of production")

@task(retries=0)
def plan():
    if not MENDED.exists():
        raise ValueError("boom")

for name, tags in {{"ours": ["afterpilot"], "theirs": []}}.items():
    with DAG(name, schedule=None, tags=tags) as dag:
        plan()
        check.expand(batch=[{{"label": "good", "workflows": ["a"]}}, {{"label": "bad", "workflows": ["b", "c"]}}])
    globals()[name] = dag
"""

RUN = """
from airflow.utils import db
db.initdb()
from airflow.dag_processing.dagbag import DagBag
from pathlib import Path
import sqlalchemy as sa, os
bag = DagBag({folder!r})
assert not bag.import_errors, bag.import_errors
def show(word):
    with sa.create_engine(os.environ["AFTERPILOT_DATABASE_URL"]).connect() as connection:
        for row in connection.execute(sa.text(
            "SELECT dag_id, task_id, map_index, label, error, workflows, over_at IS NULL AS open FROM task_failures ORDER BY task_id")):
            print("PROBE", word, *row)
for name in ("ours", "theirs"):
    bag.dags[name].test()
show("failed")
Path({flag!r}).touch()
bag.dags["ours"].test()
show("mended")
"""


def test_failed_tasks_are_kept_until_they_succeed(tmp_path: Path, ops_url: str) -> None:
    """With the workflows of the batch and the kind of the error; nothing of other teams' DAGs."""
    folder, flag = tmp_path / "dags", str(tmp_path / "mended")
    folder.mkdir()
    (folder / "some.py").write_text(DAGS.format(flag=flag))
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AFTERPILOT_DATABASE_URL": ops_url,
    }
    script = RUN.format(folder=str(folder), flag=flag)
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    found = [line.removeprefix("PROBE ") for line in done.stdout.splitlines() if line.startswith("PROBE")]
    assert found == [
        "failed ours check 1 bad ValueError ['b', 'c'] True",
        "failed ours plan -1  ValueError [] True",
        "mended ours check 1 bad ValueError [] False",
        "mended ours plan -1  ValueError [] False",
    ], done.stdout[-2000:] + done.stderr[-3000:]


def instance(**more: Any) -> Any:
    """A task instance as Airflow hands it over."""
    task = SimpleNamespace(dag=SimpleNamespace(tags={"afterpilot"}), op_kwargs={})
    return SimpleNamespace(
        **{
            "task": task,
            "dag_id": "spend",
            "task_id": "spend",
            "run_id": "r",
            "map_index": -1,
            "state": "failed",
            **more,
        }
    )


@pytest.fixture
def kept(ops_url: str, ops: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The ops database that the listener writes to."""
    monkeypatch.setenv("AFTERPILOT_DATABASE_URL", ops_url)
    listener._engine.cache_clear()
    return ops


def count(ops: sa.Engine, table: str) -> int:
    """Rows of the table."""
    with ops.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ({}, 1),
        ({"state": "up_for_retry"}, 0),
        ({"task_id": "red"}, 0),
        ({"task_id": "deliver"}, 0),
        ({"task": SimpleNamespace(dag=SimpleNamespace(tags=set()))}, 0),
        ({"task": None}, 0),
    ],
)
def test_only_the_last_try_of_a_task_of_ours_is_kept(kept: sa.Engine, more: dict[str, Any], rows: int) -> None:
    """Neither a try before the last, nor what only repeats others' failures, nor other teams' tasks."""
    listener.on_task_instance_failed(None, instance(**more), ValueError("x"))
    assert count(kept, "task_failures") == rows


def test_it_never_breaks_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ops database is away, or a variable is missing: a line in the log, nothing else."""
    for url in ("postgresql+psycopg://nobody@127.0.0.1:9/none", ""):
        monkeypatch.setenv("AFTERPILOT_DATABASE_URL", url)
        listener._engine.cache_clear()
        listener.on_task_instance_failed(None, instance(), "boom")
        listener.on_task_instance_success(None, instance(state="success"))
        listener.on_new_dag_import_error("/dags/records.py", "Traceback")
    listener._engine.cache_clear()


def test_a_dag_file_of_ours_that_does_not_load_leaves_a_beat(kept: sa.Engine) -> None:
    """With the last line of the trace; other teams' files leave none."""
    before = datetime.now(UTC)
    listener.on_new_dag_import_error(
        "/opt/dags/records.py", "Traceback:\n  File x\nDeclarationError: _fleet.yaml:3\n\n"
    )
    listener.on_existing_dag_import_error("/opt/dags/theirs.py", "SyntaxError")
    with kept.connect() as connection:
        (row,) = connection.execute(sa.text("SELECT name, at, detail FROM beats"))
    assert (row.name, row.detail) == ("import:records.py", {"error": "DeclarationError: _fleet.yaml:3"})
    assert row.at >= before


def test_the_files_are_those_of_the_folder() -> None:
    """A new DAG file is told of too."""
    assert sorted(path.stem for path in (ROOT / "dags").glob("*.py")) == sorted(listener._FILES)

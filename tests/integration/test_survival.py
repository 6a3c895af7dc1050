"""What Airflow forgets, Afterpilot keeps: a cleared task, `airflow db clean` and a deleted DAG take nothing from runs and ledger."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from path_site import HOUR, Site

from afterpilot.record.ledger.audit import missing
from afterpilot.record.ledger.documents import hash_of, run_document

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

ROOT = Path(__file__).parents[2]
NAMES = ("declarations", "records.hourly")
KEPT = (
    "runs",
    "findings",
    "records",
    "declarations",
    "incidents",
    "incident_events",
    "outbox",
    "review_items",
    "ledger",
)
# The same moment is the same run: Airflow clears its tasks and runs them anew, as a person would have it.
RUN = """
import sys
from datetime import datetime
from airflow.utils import db
db.initdb()
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r})
assert not bag.import_errors, bag.import_errors
for name in {names!r}:
    at = datetime.fromisoformat({at!r})
    run = bag.dags[name].test(run_after=at, logical_date=at)
    print("PROBE", name, run.run_id, str(run.state))
"""


class Airflow:
    """An Airflow with its own metadata database, beside the site."""

    def __init__(self, site: Site, home: Path) -> None:
        self._at = datetime.now(UTC).replace(microsecond=0).isoformat()
        self._metadata = home / "airflow.db"
        self._folder = home / "dags"
        self._folder.mkdir(parents=True)
        for file in ("declarations.py", "records.py"):
            (self._folder / file).write_text((ROOT / "dags" / file).read_text())
        self._environ = {
            **os.environ,
            **site.env,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._metadata}",
        }

    def runs(self) -> list[str]:
        """Run the DAGs; whoever has run them before clears and repeats that very run."""
        code = RUN.format(folder=str(self._folder), names=NAMES, at=self._at)
        out = self._ran([sys.executable, "-c", code])
        return [line for line in out.splitlines() if line.startswith("PROBE")]

    def says(self, *words: str) -> None:
        """A command of Airflow's."""
        self._ran([str(Path(sys.executable).parent / "airflow"), *words])

    def knows(self, table: str) -> int:
        """How many rows Airflow has in a table of its own."""
        with contextlib.closing(sqlite3.connect(self._metadata)) as connection:
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            return count

    def _ran(self, command: list[str]) -> str:
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


def test_nothing_is_lost_with_what_airflow_forgets(site: Site, tmp_path: Path) -> None:
    """Two real DAG runs; then their tasks are cleared, a DAG is deleted, the metadata is cleaned, and the runs are made again."""
    site.invoices([1, 2], at=datetime.now(UTC) - HOUR)
    site.invoices([40], at=datetime.now(UTC) - HOUR, total=Decimal("999.99"))
    airflow = Airflow(site, tmp_path / "airflow")
    first = airflow.runs()
    assert [line.split()[-1] for line in first] == ["success", "success"]
    kept = state(site)
    stages = {row["stage"] for row in site.rows("SELECT stage FROM runs")}
    assert {"declare", "pull", "check", "gate"} <= stages
    assert airflow.knows("dag_run") == len(NAMES)

    assert airflow.runs() == first
    assert state(site) == kept, "a cleared task has written something twice"

    airflow.says("dags", "delete", "records.hourly", "--yes")
    assert airflow.knows("dag_run") == 1
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    airflow.says("db", "clean", "--clean-before-timestamp", tomorrow, "--skip-archive", "--yes")
    assert airflow.knows("task_instance") == airflow.knows("dag_run") == airflow.knows("xcom") == 0
    assert state(site) == kept
    agree(site)

    assert airflow.runs() == first
    assert state(site) == kept, "a run that Airflow has forgotten was written twice"


def state(site: Site) -> dict[str, list[str]]:
    """Every row that an auditor may ask for, as it stands; what delivery and further sightings change of a row is left out."""
    return {name: [row["text"] for row in site.rows(_AS_TEXT.format(table=name))] for name in KEPT}


_AS_TEXT = "SELECT (to_jsonb(one) - 'attempts' - 'lease' - 'leased_until')::text AS text FROM {table} AS one ORDER BY 1"


def agree(site: Site) -> None:
    """Every row has its entry, and every run is still the one that its entry names."""
    with site.ops.begin() as connection:
        long = {"since": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
        assert not missing(connection, **long)
        named = connection.execute(sa.text("SELECT subject, payload FROM ledger WHERE action LIKE '%\\:recorded'"))
        documents = {row.subject: json.loads(row.payload)["document"] for row in named}
        for row in _rows(connection, "SELECT * FROM runs"):
            findings = _rows(connection, "SELECT * FROM findings WHERE run_id = :id", id=row["id"])
            assert documents.pop(f"run:{row['id']}") == hash_of(run_document(row, findings))
    assert not documents


def _rows(connection: sa.Connection, statement: str, **values: Any) -> list[Mapping[Any, Any]]:
    return list(connection.execute(sa.text(statement), values).mappings())

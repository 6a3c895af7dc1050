"""``afterpilot watch`` looks from outside Airflow: a table, messages, and an exit status for cron."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from path_site import Site, trigger
from typer.testing import CliRunner

from afterpilot import pipeline
from afterpilot.cli.app import app
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.watching import DAGS, dag_of
from afterpilot.record.beats import Beats


@pytest.fixture
def declared(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose declarations are loaded, and a shell with its variables."""
    for name, value in site.env.items():
        monkeypatch.setenv(name, value)
    site.now = datetime.now(UTC)
    wired = site.wired()
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    return site


def passed(site: Site, *, ago: timedelta) -> None:
    """Every DAG has passed so long ago."""
    wired = site.wired()
    at = datetime.now(UTC) - ago
    with wired.engine.begin() as connection:
        for dag in (*DAGS, *map(dag_of, wired.services.fleet.schedules)):
            Beats(connection).beat(f"dag:{dag}", at=at)


def watch(*more: str) -> tuple[int, str]:
    """Exit status, and what is printed."""
    done = CliRunner().invoke(app, ["watch", *more], catch_exceptions=False)
    return done.exit_code, done.stdout


def test_where_nothing_ever_passed_it_is_not_good(declared: Site) -> None:
    """UNKNOWN is never green: the DAGs may never have been switched on."""
    status, shown = watch()
    assert status == 2
    assert "Nothing has ever passed here" in shown
    assert declared.incidents() == []


def test_all_is_well(declared: Site) -> None:
    """Every DAG with its last pass."""
    passed(declared, ago=timedelta(minutes=1))
    status, shown = watch()
    assert status == 0, shown
    assert "watchdog" in shown
    assert "records.hourly" in shown
    assert "overdue." in shown
    assert json.loads(watch("--json")[1])["good"] is True


def test_a_dead_scheduler_is_one_and_is_told(declared: Site) -> None:
    """Nothing has passed for hours: exit status 1, one incident, and its message is delivered by this command."""
    passed(declared, ago=timedelta(hours=3))
    status, shown = watch()
    assert status == 1
    assert "Airflow has started nothing since" in shown
    (incident,) = declared.incidents()
    assert incident["kind"] == "watch.scheduler"
    assert [one["state"] for one in declared.letters()] == ["sent"]
    found = json.loads(watch("--json")[1])
    assert found["good"] is False
    assert found["scheduler_dead_since"]


def test_it_says_when_it_cannot_look(declared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error, which the command line ends in with exit status 2."""
    assert declared.env
    monkeypatch.delenv("AFTERPILOT_DATABASE_URL")
    with pytest.raises(ConfigurationError):
        watch()


@pytest.mark.parametrize("away", ["postgresql+psycopg://a:hunter2@127.0.0.1:9/x", ""])
def test_without_its_database_it_ends_in_one_sentence(declared: Site, empty_database: str, away: str) -> None:
    """The database is away, or was never made: no traceback, which cron would mail; exit status 2."""
    env = {**os.environ, **declared.env, "AFTERPILOT_DATABASE_URL": away or empty_database}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("afterpilot")), "watch"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("afterpilot: the ops database")
    assert "hunter2" not in done.stderr

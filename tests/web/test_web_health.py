"""The page of health, behind the gate, and the bare word for monitors, before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fastapi import Depends, HTTPException
from fastapi.testclient import TestClient

from afterpilot.domain.watching import DAGS, beat_of
from afterpilot.record.beats import Beats
from afterpilot.web.app import create_app

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
ALIVE: Mapping[str, datetime | None] = {"scheduler": NOW, "dag_processor": NOW}


def client(ops: sa.Engine, components: Mapping[str, datetime | None] = ALIVE, *, let_in: bool = True) -> TestClient:
    """The pages over this database, at noon."""

    def gate() -> None:
        if not let_in:
            raise HTTPException(401, "log in")

    app = create_app(lambda: ops, gate=[Depends(gate)], prefix="", clock=lambda: NOW, heartbeats=lambda: components)
    return TestClient(app)


@pytest.fixture
def passing(ops: sa.Engine) -> sa.Engine:
    """Every DAG has passed a minute ago; the watchdog has watched for a day."""
    since = (NOW - timedelta(days=1)).isoformat()
    with ops.begin() as connection:
        for dag in DAGS:
            Beats(connection).beat(
                beat_of(dag), at=NOW - timedelta(minutes=1), detail={"first": since, "since": since, "paused": []}
            )
    return ops


def test_a_monitor_learns_the_one_word_without_a_login(passing: sa.Engine) -> None:
    """200 and nothing else; the page is for those who are let in."""
    pages = client(passing, let_in=False)
    answer = pages.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "good"})
    assert pages.get("/health").status_code == 401


@pytest.mark.parametrize(
    "components", [{"scheduler": None, "dag_processor": NOW}, {"scheduler": NOW, "dag_processor": None}]
)
def test_a_part_of_airflow_that_is_not_alive_is_bad(
    passing: sa.Engine, components: Mapping[str, datetime | None]
) -> None:
    """503 for monitors, and the page says which."""
    pages = client(passing, components)
    assert pages.get("/api/v1/health").status_code == 503
    assert "not alive" in pages.get("/health").text


def test_where_the_watchdog_never_passed_nothing_is_good(ops: sa.Engine) -> None:
    """Nothing is known: UNKNOWN is never green."""
    pages = client(ops)
    assert pages.get("/api/v1/health").json() == {"status": "bad"}
    assert "has not passed yet" in pages.get("/health").text


def test_a_watchdog_that_has_stopped_is_bad(passing: sa.Engine) -> None:
    """And with the sweep of every minute the whole scheduler is dead."""
    with passing.begin() as connection:
        connection.execute(
            sa.text("UPDATE beats SET at = at - interval '3 hours' WHERE name IN ('dag:watchdog', 'dag:deliver')")
        )
    pages = client(passing)
    assert pages.get("/api/v1/health").status_code == 503
    assert "Airflow has started nothing since" in pages.get("/health").text


def test_a_database_that_is_away_is_bad(passing: sa.Engine) -> None:
    """A monitor gets its answer all the same."""
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none")
    assert client(away).get("/api/v1/health").status_code == 503


def test_the_page_shows_what_passes_and_what_does_not(passing: sa.Engine) -> None:
    """Each DAG with its schedule and last pass, delivery, the heartbeat to somebody outside, what failed; markup stays text."""
    with passing.begin() as connection:
        connection.execute(sa.text("UPDATE beats SET at = at - interval '3 hours' WHERE name = 'dag:spend'"))
        beats = Beats(connection)
        beats.beat("dead_man", at=NOW, detail={"error": "it answered 500"})
        beats.beat("delivery", at=NOW, detail={"blocked": "Slack says <b>token_revoked</b>"})
        beats.beat("import:records.py", at=NOW, detail={"error": "SyntaxError"})
        connection.execute(
            sa.text(
                "INSERT INTO task_failures (dag_id, task_id, run_id, map_index, at, label, error)"
                " VALUES ('records.hourly', 'plan', 'r', -1, :at, '', 'OSError')"
            ),
            {"at": NOW},
        )
    pages = client(passing)
    text = pages.get("/health").text
    for words in (
        "<b>overdue</b>",
        "*/10 * * * *",
        "it answered 500",
        "plan of records.hourly",
        "records.py cannot be loaded",
    ):
        assert words in text
    assert "Slack says &lt;b&gt;token_revoked" in text
    assert pages.get("/api/v1/health").status_code == 503


def test_a_page_without_trouble_says_so(passing: sa.Engine) -> None:
    """In one sentence."""
    assert "Everything that must keep happening does." in client(passing).get("/health").text


def test_where_the_grants_do_not_hold_health_and_ledger_say_so(passing: sa.Engine, ops_owner: sa.Engine) -> None:
    """An application that owns its tables is warned of; one with a role of its own is not; a trigger that is gone is a failure."""
    for path in ("/health", "/ledger"):
        assert "the grants" not in client(passing).get(path).text.lower(), path
        assert "triggers alone do: its role afterpilot_owner owns the tables" in client(ops_owner).get(path).text, path
    with ops_owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger DISABLE TRIGGER append_only")
    for path in ("/health", "/ledger"):
        assert (
            "The triggers that keep history from being changed are missing on ledger" in client(passing).get(path).text
        )

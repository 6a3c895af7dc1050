"""What the whole fleet's alarms have shown since a day: the input of the test that confirms a regression."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.record.evals.baselines import Baselines
from afterpilot.record.evals.results import EvalResult, EvalResults
from doubles.kept_runs import put_runs

pytestmark = pytest.mark.integration
FIRST = datetime(2026, 10, 1, 2, tzinfo=UTC)


@pytest.fixture
def connection(ops_url: str) -> Iterator[sa.Connection]:
    """A transaction that is rolled back."""
    engine = sa.create_engine(ops_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def kept(connection: sa.Connection, workflow: str, at: datetime, evidence: float | None) -> uuid.UUID:
    """A run with its result."""
    times = dict.fromkeys(("window_start", "window_end", "started_at", "finished_at"), at)
    (run_id,) = put_runs(connection, {"workflow": workflow, "stage": "evaluate", "verdict": "PASS", **times})
    result = EvalResult(
        run_id=run_id,
        workflow=workflow,
        at=at,
        origin="schedule",
        valid=True,
        suite="s",
        cases=1,
        passed=1,
        scored=1,
        outcomes={"a": (1, 1)},
        evidence=evidence,
    )
    EvalResults(connection).add(result)
    return run_id


def test_the_last_evidence_of_each_day_since_by_workflow(connection: sa.Connection) -> None:
    """The day before is left out, and so are runs that could say nothing."""
    for workflow in ("claims", "mail"):
        approved = kept(connection, workflow, FIRST - timedelta(days=1), 9.0)
        Baselines(connection).approve(workflow, [approved], by="Dana Ruiz", note="", at=FIRST)
    kept(connection, "claims", FIRST, 1.0)
    kept(connection, "claims", FIRST + timedelta(hours=3), 2.0)
    kept(connection, "claims", FIRST + timedelta(days=1), None)
    kept(connection, "claims", FIRST + timedelta(days=2), 3.0)
    kept(connection, "mail", FIRST + timedelta(days=1), 0.5)
    found = EvalResults(connection).fleet_evidence(date(2026, 10, 1))
    assert found == {"claims": [2.0, 3.0], "mail": [0.5]}


def test_only_the_runs_since_that_day_are_read(connection: sa.Connection) -> None:
    """By the index: years of results are not looked through while an alarm is open."""
    asked: list[tuple[str, Any]] = []
    sa.event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    EvalResults(connection).fleet_evidence(date(2026, 10, 1))
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {asked[0][0]}", asked[0][1]).scalars())
    assert "ix_eval_results_workflow_at" in plan
    assert any("Index Cond" in line and "at >=" in line for line in plan.splitlines()), plan

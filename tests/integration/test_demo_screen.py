"""The demo's last screen shows what the demo itself has run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from afterpilot.demo import screen
from afterpilot.domain.run import Stage, Trigger
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.settings import WORKFLOWS, EnvConnections, Settings
from afterpilot.wiring import Wired, wire

pytestmark = pytest.mark.integration
AT = datetime(2026, 11, 21, 15, tzinfo=UTC)


@pytest.fixture
def wired(ops_url: str) -> Wired:
    """The example over an ops database of its own."""
    environ = {"AFTERPILOT_DATABASE_URL": ops_url, "AFTERPILOT_WORKFLOWS": str(WORKFLOWS)}
    return wire(Settings.from_environment(environ), EnvConnections(environ))


def checked(wired: Wired, run_id: str, summary: str, *, at: datetime) -> None:
    """A run of the check as Airflow's DAG would leave it."""
    with wired.services.ops.begin() as unit:
        unit.runs.add(
            StageResult(workflow="invoice_matching", stage=Stage.CHECK, summary=summary, checked=1),
            window=Window(at - timedelta(hours=1), at),
            trigger=Trigger(origin="airflow", run_id=run_id, dag_id="records.hourly"),
            versions={},
            started_at=at,
            finished_at=at,
        )


def shown(wired: Wired, made: dict[str, str]) -> str:
    """The text of the screen."""
    said = StringIO()
    screen.show(
        Console(file=said, width=200), wired.services.ops, wired.declarations.workflows, {"filed": 12}, made=made
    )
    return said.getvalue()


def test_an_hourly_run_of_the_schedule_does_not_replace_the_demos_own(wired: Wired) -> None:
    """It may end at any moment, and has looked at a few minutes only; without one of the demo's own the newest is shown."""
    checked(wired, "manual__1", "980 records, all hold", at=AT)
    checked(wired, "scheduled__2", "3 records, all hold", at=AT + timedelta(minutes=5))
    assert "980 records, all hold" in shown(wired, {"records.hourly": "manual__1", "spend": "manual__9"})
    assert "3 records, all hold" in shown(wired, {"spend": "manual__9"})


def test_money_that_nobody_has_looked_at_is_unknown(wired: Wired) -> None:
    """No run of spend and none of the bills: neither is fine, and no whole cost is 0."""
    said = shown(wired, {})
    money = said[said.index("Money: caps") : said.index("Messages, as")]
    assert money.count("? UNKNOWN  no run yet") == 4  # two workflows with a volume, all of them together, the bill
    assert "bill against meter" in money
    assert money.count("UNKNOWN: no usage was recorded") == 2

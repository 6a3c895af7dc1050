"""A workflow made by ``afterpilot new`` and loaded as it is: nothing is told of it before something is wrong."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from path_site import trigger
from test_new_and_preview import NEW, crm, folder
from typer.testing import CliRunner

from afterpilot import pipeline
from afterpilot.cli.app import app
from afterpilot.domain.verdict import Verdict
from afterpilot.record.tables import incidents
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

pytestmark = pytest.mark.integration
__all__ = ["crm", "folder"]
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MORE = """
INSERT INTO ai_refunds SELECT 'n' || :n, asked_at, :at, letter, customer_email, amount, currency, answer,
  'ORD-' || lpad((5000 + :n)::text, 7, '0'), urgent, model_name, tok_in, tok_out FROM ai_refunds WHERE refund_id = 'r01949'
"""


def at(moment: datetime) -> Wired:
    """As a process of that moment is wired."""
    wired = wire(Settings.from_environment(), EnvConnections())
    return dataclasses.replace(wired, services=dataclasses.replace(wired.services, now=lambda: moment))


def told(ops_url: str) -> list[tuple[str, str]]:
    """Kind and title of all incidents that there ever were."""
    engine = sa.create_engine(ops_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(incidents.c.kind, incidents.c.title).order_by(incidents.c.opened_at))
        return [(row.kind, row.title) for row in rows]


@pytest.fixture(params=[40, 9], ids=["forty days of history", "nine days of history"])
def healthy(request: pytest.FixtureRequest, folder: Path, crm: sa.Engine) -> sa.Engine:
    """A table in which nothing is wrong, up to now, and its proposed declaration."""
    with crm.begin() as connection:
        connection.execute(sa.text("DELETE FROM ai_refunds WHERE currency = 'XXX'"))
        connection.execute(
            sa.text(
                "UPDATE ai_refunds SET finished_at = finished_at + (SELECT now() - max(finished_at) FROM ai_refunds)"
            )
        )
        connection.execute(
            sa.text("DELETE FROM ai_refunds WHERE finished_at < now() - make_interval(days => :days)"),
            {"days": request.param},
        )
    made = CliRunner().invoke(app, [*NEW, "--output", "amount", "--output", "currency"])
    assert made.exit_code == 0, made.output
    assert CliRunner().invoke(app, ["validate"]).exit_code == 0
    return crm


def test_a_new_workflow_raises_no_alarm_by_itself(healthy: sa.Engine, ops_url: str) -> None:
    """From its load on, whichever DAG passes first, over its first hours, up to the report of its first week."""
    now = datetime.now(UTC)
    wired = at(now)
    pipeline.declare(wired.services, wired.declarations, trigger=trigger())
    refunds = wired.workflow("refunds")
    wired.watch(own=True)
    pipeline.spend(wired.services, refunds, trigger=trigger())  # every ten minutes, and so before the first pull
    assert told(ops_url) == []
    for hour in range(3):
        services = at(now).services
        pulled = pipeline.pull(services, refunds, until=now, trigger=trigger())
        assert pipeline.check(services, refunds, window=pulled.window, trigger=trigger()).verdict is Verdict.PASS
        pipeline.gate(services, refunds, window=pulled.window, trigger=trigger())
        pipeline.judge_review(services, refunds, trigger=trigger())
        pipeline.spend(services, refunds, trigger=trigger())
        assert told(ops_url) == []
        with healthy.begin() as connection:
            for number in (2 * hour, 2 * hour + 1):
                given = {"n": number, "at": now + (20 + 25 * (number % 2)) * MINUTE}
                connection.execute(sa.text(MORE), given)
        now += HOUR
    report = pipeline.report(at(now).services, refunds, at=now, trigger=trigger())
    assert report.verdict is Verdict.UNKNOWN  # nobody has looked at anything yet, and the report says so
    assert told(ops_url) == []

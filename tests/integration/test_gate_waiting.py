"""Micro-batches between the runs of the records' path: what is new is decided on, what is not costs nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import HOUR, NOW, SLUG, Site, checked, gated, pulled, trigger
from test_releases import COLUMN, LOG, accept, declare, due, moves, statuses
from typer.testing import CliRunner

from afterpilot import pipeline
from afterpilot.cli.app import app
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.verdict import Verdict

pytestmark = pytest.mark.integration
MINUTE = timedelta(minutes=1)


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str) -> Site:
    """An office whose invoices wait for release; the records' path ran at noon."""
    site = Site(folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database)
    site.produce(LOG)
    declare(site, COLUMN)
    site.invoices(range(1, 4))
    gated(site, pulled(site).window)
    return site


def swept(site: Site, *, started_by: Trigger | None = None) -> Run | None:
    """One turn of the DAG ``gate``."""
    wired = site.wired()
    return pipeline.gate_waiting(wired.services, wired.workflow(SLUG), until=site.now, trigger=started_by or trigger())


def test_a_new_output_is_released_without_the_hourly_run(site: Site) -> None:
    """Pulled, decided on and released by one turn; the check of quality still looks at it in its own time."""
    site.now = NOW + 10 * MINUTE
    site.invoices([10], at=NOW + 9 * MINUTE)
    site.invoices([90], at=NOW + 8 * MINUTE, total="1.00")
    attempt = trigger()
    run = swept(site, started_by=attempt)
    assert run is not None
    assert (run.verdict, run.evidence["released"], run.evidence["routed"]) == (Verdict.PASS, 1, 1)
    assert statuses(site)["r-00010"] == "ready"
    assert statuses(site)["r-00090"] == "review"
    assert swept(site, started_by=attempt) == run
    site.now = NOW + HOUR
    assert checked(site, pulled(site).window).window.start <= NOW


def test_where_nothing_waits_nothing_stands_in_the_run_history(site: Site) -> None:
    """Ten turns over an idle source leave every table as it was."""
    before = site.counts()
    for minute in range(2, 22, 2):
        site.now = NOW + minute * MINUTE
        assert swept(site) is None
    assert site.counts() == before


def test_a_row_that_is_committed_after_the_time_it_bears_is_taken(site: Site) -> None:
    """Its time lies a minute before the watermark."""
    site.now = NOW + 4 * MINUTE
    site.invoices([10], at=NOW + 3 * MINUTE)
    assert swept(site) is not None
    site.now = NOW + 6 * MINUTE
    site.invoices([11], at=NOW + 2 * MINUTE)
    assert swept(site) is not None
    assert statuses(site)["r-00011"] == "ready"


def test_a_decision_of_a_person_is_told_by_the_next_turn(site: Site) -> None:
    """Without any new output."""
    site.now = NOW + 10 * MINUTE
    site.invoices([90], at=NOW + 9 * MINUTE, total="1.00")
    swept(site)
    assert accept(site, "r-00090", "accepted")
    run = swept(site)
    assert run is not None
    assert run.evidence["releases"] == {"done": 1, "pending": 0}
    assert statuses(site)["r-00090"] == "ready"


def test_a_reference_that_is_away_is_tried_again_each_turn_and_said_once_an_hour(site: Site) -> None:
    """One incident and one message; the output is released by the first turn after it is back."""
    site.now = NOW + 10 * MINUTE
    site.invoices([10], at=NOW + 9 * MINUTE)
    site.produce("ALTER TABLE purchase_orders RENAME TO away")
    first = swept(site)
    assert first is not None
    assert first.verdict is Verdict.UNKNOWN
    said = site.counts()
    for turn in range(1, 30):
        site.now = NOW + (10 + 2 * turn) * MINUTE
        assert swept(site) is None
    assert site.counts() == said
    site.now = NOW + 75 * MINUTE
    again = swept(site)
    assert again is not None
    assert again.verdict is Verdict.UNKNOWN
    more = {name: many - said[name] for name, many in site.counts().items() if many != said[name]}
    assert more == {"runs": 1, "run_ids": 1, "findings": 1, "incident_events": 1, "ledger": 1}
    assert [(row["kind"], row["occurrences"]) for row in site.incidents()] == [("gate.could_not_run", 2)]
    assert site.rows("SELECT count(*) AS pulls FROM runs WHERE stage = 'pull'")[0]["pulls"] == 2
    site.produce("ALTER TABLE away RENAME TO purchase_orders")
    run = swept(site)
    assert run is not None
    assert run.verdict is Verdict.PASS
    assert statuses(site)["r-00010"] == "ready"


def test_another_reason_why_the_gate_cannot_run_is_said_at_once(site: Site) -> None:
    """The table is back without the column that is compared, two minutes after it went."""
    site.now = NOW + 10 * MINUTE
    site.invoices([10], at=NOW + 9 * MINUTE)
    site.produce("ALTER TABLE purchase_orders RENAME TO away")
    swept(site)
    site.produce("ALTER TABLE away RENAME TO purchase_orders")
    site.produce("ALTER TABLE purchase_orders RENAME COLUMN amount TO worth")
    site.now = NOW + 12 * MINUTE
    run = swept(site)
    assert run is not None
    assert (run.verdict, "amount" in run.evidence["error"]) == (Verdict.UNKNOWN, True)
    site.now = NOW + 14 * MINUTE
    assert swept(site) is None


def test_the_command_line_never_says_that_nothing_waits_while_the_gate_cannot_run(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call says what is wrong, also where the history holds it already."""
    for name, value in site.env.items():
        monkeypatch.setenv(name, value)
    site.invoices([10], at=datetime.now(UTC) - MINUTE)
    site.produce("ALTER TABLE purchase_orders RENAME TO away")
    for _ in range(2):
        told = CliRunner().invoke(app, ["release", SLUG])
        assert "UNKNOWN" in told.output
        assert told.exit_code == 2


def test_a_source_that_is_away_is_told_once(site: Site) -> None:
    """The first turn makes the incident, the others say nothing more; what came meanwhile is released when it is back."""
    site.produce("ALTER TABLE ai_invoice_runs RENAME TO away")
    for minute in (2, 4, 6):
        site.now = NOW + minute * MINUTE
        swept(site)
    (incident,) = site.incidents()
    assert (incident["kind"], incident["occurrences"]) == ("pull.source_unreadable", 1)
    site.produce("ALTER TABLE away RENAME TO ai_invoice_runs")
    site.invoices([10], at=NOW + 3 * MINUTE)
    swept(site)
    assert statuses(site)["r-00010"] == "ready"
    assert [row["state"] for row in site.incidents()] == ["resolved"]


def test_trouble_with_production_is_told_once_and_over_when_it_is(site: Site) -> None:
    """No run for each turn while nothing changes."""
    site.now = NOW + 10 * MINUTE
    site.invoices([10], at=NOW + 9 * MINUTE)
    site.produce("ALTER TABLE ai_invoice_runs ADD CONSTRAINT words CHECK (status <> 'ready') NOT VALID")
    run = swept(site)
    assert run is not None
    assert run.verdict is Verdict.FAIL
    assert swept(site) is None
    site.produce("ALTER TABLE ai_invoice_runs DROP CONSTRAINT words")
    due(site)
    run = swept(site)
    assert run is not None
    assert run.verdict is Verdict.PASS
    assert [row["state"] for row in site.incidents()] == ["resolved"]
    assert ("r-00010", "waiting", "ready") in moves(site)


def test_the_command_line_does_the_same(site: Site, monkeypatch: Any) -> None:
    """Nothing waits; or the verdict, and what was given up is taken up again."""
    for name, value in site.env.items():
        monkeypatch.setenv(name, value)
    cli = CliRunner()
    assert cli.invoke(app, ["release", SLUG]).output == "nothing waits\n"
    site.rows("UPDATE releases SET state = 'failed' WHERE key = 'r-00002' RETURNING 1")
    told = cli.invoke(app, ["release", SLUG, "--again"])
    assert (told.exit_code, told.output) == (0, "✓ PASS gate: no new outputs\n")
    assert {row["state"] for row in site.rows("SELECT state FROM releases")} == {"done"}

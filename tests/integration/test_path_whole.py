"""The whole path without Airflow: from a declaration to the weekly report, on real data, with the real Great Expectations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from path_site import CASES, HOUR, NOW, SLUG, Site, perfect, trigger

from afterpilot import pipeline
from afterpilot.domain.run import OF_WORKFLOWS, Run, Stage, Trigger
from afterpilot.domain.verdict import Verdict
from doubles.model import ModelDouble

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("great_expectations")]

MONDAY = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def site(tmp_path: Path, ops_url: str, empty_database: str, model: ModelDouble) -> Site:
    """Thirty good invoices and three bad ones."""
    made = Site(
        folder=tmp_path / "workflows", ops_url=ops_url, erp_url=empty_database, model_url=model.url, light=False
    )
    made.invoices(range(1, 31))
    made.invoices([40], total="999.99")
    made.invoices([41], po_number="PO-99999", currency="CHF")
    made.invoices(
        [42], extracted_json="I am a language model", supplier=None, invoice_no=None, po_number=None, total=None
    )
    made.produce(
        "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, clerk) "
        "VALUES ('r-00040', :at, 'fixed', 6.5, 'Ann'), ('r-00001', :at, 'ok', 0.5, 'Ann')",
        at=NOW - timedelta(minutes=20),
    )
    made.produce(  # the KPI leaves out what was read within two days of the newest entry
        "INSERT INTO ap_decisions (run_id, decided_at, decision, minutes, clerk) VALUES ('r-00002', :at, 'ok', 0.5, 'Ann')",
        at=MONDAY - HOUR,
    )
    return made


@pytest.fixture
def model() -> Any:
    """A model that knows every answer."""
    with ModelDouble(perfect) as double:
        yield double


def whole_path(site: Site, triggers: dict[Stage, Trigger]) -> dict[Stage, Run]:
    """Every stage once, in order; ``at`` the report the clock stands on Monday."""
    wired = site.wired()
    services, workflow = wired.services, wired.workflow(SLUG)
    runs = {}
    declared = pipeline.declare(services, wired.declarations, trigger=triggers[Stage.DECLARE])
    runs[Stage.DECLARE] = next(run for run in declared if run.workflow == SLUG)
    runs[Stage.PULL] = pipeline.pull(services, workflow, until=NOW, trigger=triggers[Stage.PULL])
    window = runs[Stage.PULL].window
    runs[Stage.CHECK] = pipeline.check(services, workflow, window=window, trigger=triggers[Stage.CHECK])
    runs[Stage.GATE] = pipeline.gate(services, workflow, window=window, trigger=triggers[Stage.GATE])
    runs[Stage.REVIEW] = pipeline.judge_review(services, workflow, trigger=triggers[Stage.REVIEW])
    runs[Stage.EVALUATE] = pipeline.evaluate(services, workflow, trigger=triggers[Stage.EVALUATE])
    runs[Stage.SPEND] = pipeline.spend(services, workflow, trigger=triggers[Stage.SPEND])
    site.now = MONDAY
    runs[Stage.REPORT] = pipeline.report(services, workflow, at=MONDAY, trigger=triggers[Stage.REPORT])
    return runs


def test_the_whole_path(site: Site, model: ModelDouble) -> None:
    """Every stage runs, says what it found and can be traced; the same triggers again change nothing and ask nothing."""
    triggers = {stage: trigger() for stage in Stage}
    runs = whole_path(site, triggers)
    _verdicts_and_versions(site, runs)
    assert len(model.requests) == CASES
    _outputs(site, runs[Stage.GATE])
    _messages(site)
    _report(site, runs[Stage.REPORT])

    before = site.counts()
    site.now = NOW + HOUR
    again = whole_path(site, triggers)
    assert again == runs
    assert site.counts() == before
    assert len(model.requests) == CASES
    assert site.wired().deliver().sent == 0


def _verdicts_and_versions(site: Site, runs: dict[Stage, Run]) -> None:
    expected = dict.fromkeys(OF_WORKFLOWS, Verdict.PASS) | {Stage.CHECK: Verdict.FAIL}
    assert {stage: run.verdict for stage, run in runs.items()} == expected, [run.reasons for run in runs.values()]
    workflow = site.wired().workflow(SLUG)
    for stage, run in runs.items():
        assert run.versions["declaration"] == workflow.sha256, stage
        assert run.versions["code"].endswith("+0123456789ab"), stage
        assert run.trigger.dag_id == "records.hourly", stage
        assert run.window.end > run.window.start or stage is Stage.DECLARE, stage
        assert run.finished_at >= run.started_at, stage
    assert workflow.evals is not None
    assert runs[Stage.EVALUATE].versions["model_answered"] == "smollm2-135m-instruct"
    assert runs[Stage.EVALUATE].versions["prompt"] == workflow.evals.target.prompt.sha256
    assert runs[Stage.EVALUATE].versions["cases"] == workflow.evals.sha256
    assert runs[Stage.PULL].evidence["pulled"] == site.count("records") == 33
    assert runs[Stage.PULL].evidence["decisions"] == 2
    assert runs[Stage.SPEND].evidence["calls"] == 33 + CASES
    (kept,) = {row["contact"] for row in site.rows("SELECT data ->> 'supplier_contact' AS contact FROM records")}
    assert "ann.miller" not in kept


def _outputs(site: Site, gate: Run) -> None:
    """Thirty are released; three go to a clerk, who reads what the invoice and what the order says."""
    assert (gate.evidence["released"], gate.evidence["routed"], gate.evidence["undecided"]) == (30, 3, 0)
    items = {row["key"]: row["discrepancies"] for row in site.rows("SELECT key, discrepancies FROM review_items")}
    assert set(items) == {"r-00040", "r-00041", "r-00042"}
    (price,) = items["r-00040"]
    assert price["text"] == "Total: the AI's reading says 999.99 GBP, purchase order PO-50040 says 140.00 GBP"
    assert any("PO-99999" in found["text"] for found in items["r-00041"])
    assert any(found["check"] == "json_schema" for found in items["r-00042"])


def _messages(site: Site) -> None:
    """One message for the incident and one for the week, delivered to the preview once."""
    incidents = site.incidents()
    assert len(incidents) == 1, [one["title"] for one in incidents]
    (incident,) = incidents
    assert incident["kind"] == "quality.column_values_to_be_in_set"
    assert [letter["kind"] for letter in site.letters()] == ["incident", "weekly"]
    delivered = site.wired().deliver()
    assert (delivered.sent, delivered.deferred, delivered.dead, delivered.blocked) == (2, 0, 0, "")
    assert {(letter["state"], letter["transport"], letter["channel"]) for letter in site.letters()} == {
        ("sent", "preview", "#ap-automation")
    }
    message = site.letters()[0]["message"]
    assert [fact["label"] for fact in message["facts"]] == ["Since", "Who acts", "What to do"]
    assert [fact["label"] for fact in message["details"]] == ["How sure", "What it costs"]
    assert [link["text"] for link in message["links"]] == [
        *("Acknowledge", "Waive…", "Open the run", "Incident", "Runbook"),
    ]
    assert message["links"][2]["url"].startswith("https://airflow.example/afterpilot/runs/")


def _report(site: Site, run: Run) -> None:
    (report,) = site.rows("SELECT * FROM reports")
    assert report["chart"].startswith(PNG)
    assert report["run_id"] == run.id
    assert report["week"].isoformat() == "2026-11-16"
    message = site.letters()[-1]["message"]
    assert message["picture"] == str(report["id"])
    facts = {fact["label"]: fact["value"] for fact in message["facts"]}
    assert facts["Handled alone"].startswith("30 of 33")
    assert not facts["Cost"].startswith("UNKNOWN")
    assert "target 1.2" in facts["Minutes per invoice"]


def test_a_report_whose_figures_are_not_known_is_no_pass(site: Site) -> None:
    """Nothing came through the checks: the run is UNKNOWN with an incident, and the week's message is there all the same."""
    services = site.wired().services
    run = pipeline.report(services, site.wired().workflow(SLUG), at=MONDAY, trigger=trigger())
    assert run.verdict is Verdict.UNKNOWN
    (incident,) = site.incidents()
    assert (incident["kind"], incident["severity"]) == ("report.incomplete", "unknown")
    assert "handled alone: no output came through the checks this week" in incident["detail"]
    assert sorted(letter["kind"] for letter in site.letters()) == ["incident", "weekly"]

"""The example's third workflow: from the spans of the AI app through the whole path to its owner's week."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from afterpilot import pipeline
from afterpilot.demo import databases
from afterpilot.demo.asked import asked_by
from afterpilot.demo.spans import SpanFile
from afterpilot.domain.record import GateDecision, Record
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.settings import WORKFLOWS, EnvConnections, Settings
from afterpilot.wiring import Wired, wire

pytestmark = pytest.mark.integration

SLUG = "invoice_reader_calls"
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
BODY = {"model": "smollm2-135m-instruct", "usage": {"prompt_tokens": 674, "completion_tokens": 60}}


@pytest.fixture
def wired(ops_url: str, empty_database: str, tmp_path: Path) -> Wired:
    """The shipped declarations over an office whose invoices were read in four seconds each."""
    office = sa.make_url(empty_database)
    connection = {"conn_type": "postgres", "login": "postgres", "schema": office.database, "host": office.query["host"]}
    engine = sa.create_engine(empty_database)
    databases.erp.create_all(engine)
    with engine.begin() as opened:
        row = {"received_at": NOW, "finished_at": NOW, "invoice_id": "", "document": "", "supplier_contact": ""}
        opened.execute(sa.insert(databases.ai_invoice_runs).values(**row, run_id="inv-1", latency_ms=4000))
    engine.dispose()
    environ = {
        "AFTERPILOT_DATABASE_URL": ops_url,
        "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
        "AIRFLOW_CONN_ERP": json.dumps(connection),
        "AIRFLOW_CONN_AI_CALLS": json.dumps({"conn_type": "fs", "extra": {"path": str(tmp_path)}}),
    }
    made = wire(Settings.from_environment(environ), EnvConnections(environ))
    return replace(made, services=replace(made.services, now=lambda: NOW))


def path(wired: Wired) -> dict[str, Run]:
    """One run of each stage, by its name."""
    services, workflow, trigger = wired.services, wired.workflow(SLUG), Trigger(origin="test", run_id="1")
    pulled = pipeline.pull(services, workflow, until=NOW, trigger=trigger)
    checked = pipeline.check(services, workflow, window=pulled.window, trigger=trigger)
    gated = pipeline.gate(services, workflow, window=pulled.window, trigger=trigger)
    spent = pipeline.spend(services, workflow, trigger=trigger)
    reviewed = pipeline.judge_review(services, workflow, trigger=trigger)
    reported = pipeline.report(services, workflow, at=NOW, trigger=trigger)
    return {str(run.stage): run for run in (pulled, checked, gated, spent, reviewed, reported)}


def test_calls_that_succeed_are_good_at_every_stage(wired: Wired, tmp_path: Path) -> None:
    """Also in the week's report: nobody is asked to look at calls, so that nobody did is no gap."""
    spans = SpanFile(tmp_path / "reader.jsonl")
    for number in range(20):
        began = NOW.timestamp() - 60 * (number + 1)
        spans.write("smollm2-135m-instruct", began=began, ended=began + 4, answer=BODY)
    runs = path(wired)
    assert {name: (run.verdict, run.summary) for name, run in runs.items() if run.verdict is not Verdict.PASS} == {}
    assert "20 of 20 outputs released" in runs["gate"].summary
    assert "on 20 calls" in runs["spend"].summary


def test_a_reader_that_gets_no_answers_is_told(wired: Wired, tmp_path: Path) -> None:
    """Every other call fails."""
    spans = SpanFile(tmp_path / "reader.jsonl")
    for number in range(20):
        began = NOW.timestamp() - 60 * (number + 1)
        failed = "ReadTimeout" if number % 2 else ""
        spans.write(
            "smollm2-135m-instruct", began=began, ended=began + 4, answer=None if failed else BODY, error=failed
        )
    runs = path(wired)
    assert runs["check"].verdict is Verdict.FAIL
    assert "status" in str(runs["check"].reasons)
    assert "10 of 20 outputs released" in runs["gate"].summary


def test_people_are_asked_for_what_the_gate_picks(wired: Wired, ops_url: str, empty_database: str) -> None:
    """Before its first decision by the keys, after that by the review queue; where there is no table yet, by the keys too."""
    terms = SpotCheck()
    keys = [f"inv-{number:06d}" for number in range(400)]
    foreseen = {key for key in keys if asked_by(ops_url, "invoice_matching", terms).spot_check(key)}
    assert 5 < len(foreseen) < 40
    assert {key for key in keys if asked_by(empty_database, "invoice_matching", terms).spot_check(key)} == foreseen
    with wired.services.ops.begin() as unit:
        run = uuid.uuid4()
        unit.records.write([Record("invoice_matching", keys[0], NOW, {})], run)
        unit.gate.write([GateDecision("invoice_matching", keys[0], NOW, released=True, reason="spot_check")], run)
        unit.records.set_pulled_to("invoice_matching", NOW)
    asked = asked_by(ops_url, "invoice_matching", terms)
    assert [key for key in keys if asked.spot_check(key)] == [keys[0]]
    assert asked.entered(NOW - timedelta(hours=1), NOW + timedelta(days=1)) == NOW + timedelta(days=1)
    assert asked.entered(NOW + timedelta(hours=1), NOW + timedelta(days=1)) == NOW + timedelta(hours=1)

"""The example's eval nights: recorded answers go through the stage of evals as they would have gone then."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from afterpilot.declare import load
from afterpilot.demo import screen
from afterpilot.demo.ai_app import RECORDED
from afterpilot.demo.eval_history import APPROVED_AFTER, NIGHTS, SHORTENED, read_nights, replay
from afterpilot.demo.model_server import MODEL_NAME, WEIGHTS_SHA256
from afterpilot.demo.record_nights import SHORTER_TAKES, TAKES, shorter
from afterpilot.demo.steps import Steps
from afterpilot.domain.workflow import ModelTarget
from afterpilot.record.tables import eval_results, findings, incidents, outbox, runs, samples
from afterpilot.settings import WORKFLOWS, EnvConnections, Settings
from afterpilot.wiring import Wired, wire

pytestmark = pytest.mark.integration
NIGHTS_FILE = RECORDED / "eval_nights.jsonl"
NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)


@pytest.fixture
def wired(ops_url: str) -> Wired:
    """The example's declarations over an ops database of its own; nobody can be asked."""
    environ = {"AFTERPILOT_DATABASE_URL": ops_url, "AFTERPILOT_WORKFLOWS": str(WORKFLOWS)}
    return wire(Settings.from_environment(environ), EnvConnections(environ))


def replayed(wired: Wired) -> tuple[int, str]:
    """Replay the nights: how many were run, and what stays on the screen, without the seconds that it took."""
    shown = StringIO()
    steps = Steps(Console(file=shown, width=200))
    count = replay(wired.services, wired.workflow("invoice_matching"), read_nights(NIGHTS_FILE), now=NOW, steps=steps)
    return count, re.sub(r" \d+\.\d s$", "", shown.getvalue().strip())


def test_four_weeks_with_two_nights_of_a_shorter_prompt(wired: Wired) -> None:
    """The alarm is raised on the first of them, names the prompt, and is over soon after; a second start adds and says nothing."""
    workflow = wired.workflow("invoice_matching")
    assert replayed(wired) == (NIGHTS, "✓ Replaying four weeks of eval nights, as recorded")
    assert replayed(wired) == (0, "")
    with wired.engine.connect() as connection:
        found = connection.execute(sa.select(eval_results).order_by(eval_results.c.at)).all()
        regressed = connection.execute(sa.select(incidents).where(incidents.c.kind == "evals.regressed")).one()
        said = connection.scalars(sa.select(outbox.c.message).order_by(outbox.c.created_at)).all()
        kept = connection.scalar(sa.select(sa.func.count()).select_from(samples))
    assert len(found) == NIGHTS
    assert [row.alarm for row in found[:APPROVED_AFTER]] == [""] * APPROVED_AFTER
    alarmed = [number for number, row in enumerate(found) if row.alarm == "alarm"]
    assert alarmed[0] == SHORTENED[0]
    assert alarmed[-1] < SHORTENED[-1] + 4
    assert (regressed.state, regressed.opened_at) == ("resolved", found[SHORTENED[0]].at)
    assert any("our prompt changed" in message["summary"] for message in said)
    assert kept is not None
    assert kept >= NIGHTS * len(workflow.evals.cases if workflow.evals else ())


def test_a_regression_that_is_over_is_shown_as_over_with_its_cause(wired: Wired) -> None:
    """The line of the nights in the past tense, and of the incident's messages the newest one alone, which repeats the cause."""
    replayed(wired)
    shown = StringIO()
    screen.show(Console(file=shown, width=240), wired.services.ops, wired.declarations.workflows, {"filed": 12})
    text = " ".join(shown.getvalue().split())
    assert re.search(
        r"✓ 11 to 14 November: worse than the approved baseline by about \d+ points; cause: our prompt changed "
        r"\(\w+ → \w+\)\. It is over\.",
        text,
    ), text
    assert "✓ OVER after 3 d · invoice_matching: Worse than the approved baseline" in text
    assert "(3 d)" in text
    assert re.search(r"It was our prompt changed \(\w+ → \w+\) ", text)
    assert "✗ invoice_matching: Worse than" not in text
    assert "as before by now" not in text


def test_cases_that_pass_again_are_not_called_broken(wired: Wired) -> None:
    """In the third night the old prompt is back, and the alarm stands: it says which cases broke and since when they pass again."""
    replayed(wired)
    with wired.engine.connect() as connection:
        regressed = (
            sa.select(findings).join(runs, findings.c.run_id == runs.c.id).where(findings.c.kind == "evals.regressed")
        )
        first, *_, last = connection.execute(regressed.order_by(runs.c.started_at)).all()
        passed = sa.select(eval_results.c.outcomes).where(eval_results.c.run_id == last.run_id)
        outcomes = connection.scalars(passed).one()
    assert "Broken: " in first.detail
    assert first.evidence["passing_again"] == []
    assert all(outcomes[one["case"]][0] == 0 for one in last.evidence["broken"])
    again = [one["case"] for one in last.evidence["passing_again"]]
    assert again
    assert all(outcomes[case][0] == outcomes[case][1] for case in again)
    assert f"Broke on 11 November, pass again since 13 November: {again[0]}" in last.detail
    assert f"passes again: {again[0]} (since 13 November)" in last.evidence["examples"]
    assert last.evidence["to_do"].startswith("See in the next runs")


def test_the_recording_is_of_the_model_prompt_and_cases_of_today(wired: Wired) -> None:
    """Otherwise the example would show somebody else's answers."""
    nights = read_nights(NIGHTS_FILE)
    evals = wired.workflow("invoice_matching").evals
    assert evals is not None
    assert (nights.model, nights.weights_sha256, nights.prompt_sha256) == (
        MODEL_NAME,
        WEIGHTS_SHA256,
        evals.prompt_sha256,
    )
    assert nights.takes(nights.prompt_sha256) == TAKES
    assert nights.takes(nights.shorter.sha256) == SHORTER_TAKES
    assert isinstance(evals.target, ModelTarget)
    assert nights.shorter == shorter(evals.target.prompt)
    assert {case.id for case in evals.cases} <= {case for _, _, case in nights.answers}


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("prompt.md", "as JSON", "as JSON, please", "another prompt."),
        ("workflow.yaml", MODEL_NAME, "other-model", f"another model ({MODEL_NAME}, not other-model)."),
        ("cases.jsonl", '"id": "', '"id": "new-', "other cases (without "),
    ],
    ids=["prompt", "model", "cases"],
)
def test_another_suite_has_no_past(ops_url: str, tmp_path: Path, file: str, old: str, new: str, why: str) -> None:
    """Recorded answers to one prompt are never shown as answers to another, nor of another model or to other cases; the screen says so."""
    folder = tmp_path / "workflows"
    shutil.copytree(WORKFLOWS, folder)
    path = folder / "invoice_matching" / file
    path.write_text(path.read_text().replace(old, new))
    environ = {"AFTERPILOT_DATABASE_URL": ops_url, "AFTERPILOT_WORKFLOWS": str(folder)}
    wired = wire(Settings.from_environment(environ), EnvConnections(environ))
    assert [one.slug for one in load(folder).workflows] == ["email_triage", "invoice_matching", "invoice_reader_calls"]
    count, said = replayed(wired)
    assert count == 0
    assert said.startswith(f"• The eval page begins without a past: the recorded nights are of {why}")

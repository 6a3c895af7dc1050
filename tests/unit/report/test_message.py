"""The weekly message, readable in ten seconds, and its golden files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from afterpilot.domain.message import Link, Message
from afterpilot.domain.verdict import Verdict
from afterpilot.notify.blocks import render
from afterpilot.report.message import weekly_message
from afterpilot.report.outcome import weekly_outcome
from doubles.slack import block_problems
from doubles.weeks import BUSY, WORKFLOW, facts, life, stages

GOLDEN = Path(__file__).parents[2] / "golden" / "notify"
OPEN = Link("Open the run", "https://airflow.example.com/afterpilot/runs/1", primary=True)
WEEKS: dict[str, dict[str, Any]] = {
    "weekly": {"stages": stages(evaluate=Verdict.FAIL), "waiting_old": 2, "life": life(workflow=BUSY)},
    "weekly_good": {},
    "weekly_unknown": {"kpi": (), "counts": (), "life": life(None, outputs=0, alone=0), "stages": ()},
}


def message(**more: Any) -> Message:
    """The message of a week."""
    outcome = weekly_outcome(WORKFLOW, facts(**more))
    return weekly_message(outcome, links=[OPEN], mention=WORKFLOW.owner.slack, picture="report-1")


@pytest.mark.parametrize("kind", sorted(WEEKS))
def test_a_weekly_message_looks_as_agreed(kind: str) -> None:
    """The Block Kit equals its golden file (AFTERPILOT_GOLDEN=write renews them)."""
    rendered = render(message(**WEEKS[kind]))
    assert list(block_problems(list(rendered.blocks))) == []
    shown = json.dumps({"text": rendered.text, "blocks": rendered.blocks}, indent=1, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{kind}.json"
    if os.environ.get("AFTERPILOT_GOLDEN") == "write":
        path.write_text(shown)
    assert shown == path.read_text()


@pytest.mark.parametrize("kind", sorted(WEEKS))
def test_a_weekly_message_is_short(kind: str) -> None:
    """Nine facts and four points at most, so that it can be read in ten seconds."""
    shown = message(**WEEKS[kind])
    assert len(shown.facts) <= 9
    assert 1 <= len(shown.points) <= 4


def test_the_notification_says_the_most_by_itself() -> None:
    """A phone shows one line."""
    assert message().notification == (
        "invoice_matching, week of 16 November: 170 of 203 handled alone (84 %), 33 by people; "
        "minutes per invoice 1.4 against a target of 1.2."
    )


def test_a_good_week_calls_nobody() -> None:
    """The owner is called only where something needs them."""
    assert (message().mention, message().points, message().tone) == ("", ("Nothing needs you.",), "good")
    assert message(**WEEKS["weekly"]).mention == "U02AB3CD4"


@pytest.mark.parametrize(
    ("verdict", "tone"), [(Verdict.WARN, "warning"), (Verdict.FAIL, "critical"), (Verdict.UNKNOWN, "unknown")]
)
def test_the_tone_is_that_of_the_gravest_stage(verdict: Verdict, tone: str) -> None:
    """UNKNOWN is never green."""
    assert message(stages=stages(spend=verdict)).tone == tone


def test_an_unknown_kpi_is_named_in_the_summary() -> None:
    """No value is made up."""
    assert message(kpi=()).summary == ("170 of 203 handled alone (84 %), 33 by people; minutes per invoice is UNKNOWN.")


def test_the_picture_is_described_in_words() -> None:
    """Who cannot see it reads what it shows."""
    shown = message()
    assert shown.picture == "report-1"
    assert "baseline 6 and target 1.2" in shown.picture_alt

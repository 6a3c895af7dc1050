"""The recorded answers belong to this prompt, these weights and these documents; the eval cases do not occur in production."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterpilot.demo.ai_app import RECORDED, read_recording
from afterpilot.demo.model_server import MODEL_NAME, WEIGHTS_SHA256
from afterpilot.demo.office import Office
from afterpilot.demo.office_hours import first_ordinal
from afterpilot.domain.prompt import Prompt

WORKFLOWS = Path(__file__).parents[3] / "include" / "workflows"
CASES = [json.loads(line) for line in (WORKFLOWS / "invoice_matching" / "cases.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("slug", ["invoice_matching", "email_triage"])
def test_answers_were_recorded_with_the_prompt_and_weights_of_today(slug: str) -> None:
    """After a change to the prompt or the weights the answers must be recorded again."""
    recording = read_recording(RECORDED / f"{slug}.jsonl")
    prompt = Prompt((WORKFLOWS / slug / "prompt.md").read_text(encoding="utf-8"))
    assert (recording.model, recording.weights_sha256) == (MODEL_NAME, WEIGHTS_SHA256)
    assert recording.prompt_sha256 == prompt.sha256
    assert recording.answers


def test_the_recorded_weeks_are_complete() -> None:
    """Every invoice of the recorded weeks has an answer to its very document, and there are at least three weeks."""
    office = Office()
    recorded = read_recording(RECORDED / "invoice_matching.jsonl").answers
    weeks = [office.invoice(ordinal).answer_key for ordinal in range(len(recorded))]
    assert set(recorded) == set(weeks)
    assert len(recorded) >= first_ordinal(office.seed, 3)


def test_no_eval_case_occurs_in_production() -> None:
    """A case that production holds as well would test memory: neither document nor invoice number may be the same."""
    production = [Office().invoice(ordinal) for ordinal in range(3_000)]
    texts = {invoice.text for invoice in production}
    numbers = {(invoice.supplier, invoice.invoice_no) for invoice in production}
    for case in CASES:
        assert case["vars"]["invoice"] not in texts
        assert (case["expected"]["supplier"], case["expected"]["invoice_no"]) not in numbers


def test_the_eval_cases_are_answerable() -> None:
    """There are 24 with ids of their own, and the text holds every expected value (the amount apart from its commas)."""
    assert len({case["id"] for case in CASES}) == len(CASES) == 24
    for case in CASES:
        text = case["vars"]["invoice"]
        for name, value in case["expected"].items():
            assert value in (text.replace(",", "") if name == "total_due" else text), case["id"]


def test_the_eval_cases_hold_hard_ones() -> None:
    """Some are harder than production: two order numbers, thousands, long names."""
    tags = [tag for case in CASES for tag in case["tags"]]
    assert {"two order numbers", "thousands", "long supplier", "order line", "our reference"} <= set(tags)
    assert tags.count("hard") >= 6

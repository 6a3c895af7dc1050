"""What an eval run says of the model, and when it says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.evals import judge_evals
from afterpilot.domain.evals import Case, Sample, Score, ScorerSpec
from afterpilot.domain.record import Usage
from afterpilot.domain.verdict import Severity, StageResult, Verdict
from afterpilot.domain.workflow import Workflow
from doubles.weeks import WORKFLOW


def workflow(cases: int = 100, *, epochs: int = 1, bar: str = "0.8", drop: str = "0.05", **more: Any) -> Workflow:
    """One with so many cases."""
    assert WORKFLOW.evals is not None
    suite = tuple(Case(f"case-{n:03d}", {}, {"po_number": "PO-1"}, ("plain",)) for n in range(cases))
    evals = replace(
        WORKFLOW.evals, cases=suite, epochs=epochs, pass_rate=Decimal(bar), largest_drop=Decimal(drop), **more
    )
    return replace(WORKFLOW, evals=evals)


def sample(number: int, *, passed: bool = True, error: str = "", epoch: int = 0, **more: Any) -> Sample:
    """What came of one case."""
    reason = "" if passed else "'PO-2' instead of 'PO-1'"
    scores = () if error else (Score("exact(po_number)", float(passed), passed, reason),)
    given_ = {"usage": Usage("m", 100, 10), "cost": Decimal("0.001"), "latency_ms": 100 + number, "attempts": 1}
    return Sample(
        f"case-{number:03d}", epoch, None if error else "{}", scores, error, **({} if error else given_ | more)
    )


def judged(
    samples: Sequence[Sample], baseline: Mapping[str, bool] | None = None, of: Workflow | None = None
) -> StageResult:
    """The verdict, whose evidence must be JSON."""
    result = judge_evals(of or workflow(), samples, baseline, baseline_of="run-7" if baseline else "")
    json.dumps(result.evidence, allow_nan=False)
    json.dumps([finding.evidence for finding in result.findings], allow_nan=False)
    return result


def run(passed: int, *, of: int = 100, errors: int = 0) -> list[Sample]:
    """So many pass, then come those that fail, then the errors."""
    return [
        sample(n, passed=n < passed, error="HTTP 503" if n >= of - errors else "")  # errors are the last ones
        for n in range(of)
    ]


def baseline(passed: int, *, of: int = 100) -> dict[str, bool]:
    """An approved run where so many pass."""
    return {f"case-{n:03d}": n < passed for n in range(of)}


def test_a_complete_run_above_its_bar_passes() -> None:
    """With its share, interval, bar, cost and latency as figures."""
    result = judged(run(90))
    assert (result.verdict, result.checked) == (Verdict.PASS, 100)
    assert result.summary == "90 of 100 cases passed, 90 % (95 % interval 83 % to 94 %); the bar is 80 %"
    found = result.evidence
    assert (found["passed"], found["pass_rate"], found["bar"], found["errors"]) == (90, 0.9, "0.8", 0)
    assert (found["cost"], found["unpriced_calls"], found["input_tokens"]) == ("0.100", 0, 10_000)
    assert (found["latency_ms_p50"], round(found["latency_ms_p95"], 2)) == (149.5, 194.05)
    assert found["by_scorer"] == {"exact(po_number)": {"passed": 90, "of": 100, "share": 0.9}}
    assert found["by_tag"] == {"plain": {"passed": 90, "of": 100, "share": 0.9}}


@pytest.mark.parametrize(("passed", "verdict"), [(80, Verdict.PASS), (79, Verdict.FAIL)])
def test_the_bar_itself_is_enough(passed: int, verdict: Verdict) -> None:
    """One case below it is a FAIL."""
    assert judged(run(passed)).verdict is verdict


def test_below_the_bar_says_how_sure_what_it_costs_and_what_to_do() -> None:
    """In the words that the message shows, with failing cases and why they fail."""
    (finding,) = judged(run(77)).findings
    assert (finding.kind, finding.severity) == ("evals.below_bar", Severity.CRITICAL)
    assert finding.title == "77 of 100 eval cases pass, 80 % must"
    assert finding.detail == "Weakest: exact(po_number), 77 of 100 right."
    assert finding.evidence["certainty"] == (
        "measured on 100 cases, 95 % interval 68 % to 84 % (the bar lies inside: a second run may pass it)"
    )
    assert finding.evidence["cost"] == "at this rate about 23 % of outputs are wrong before the output checks"
    assert finding.evidence["to_do"]
    assert finding.evidence["examples"][0] == "fails: case-077: exact(po_number): 'PO-2' instead of 'PO-1'"
    assert len(finding.evidence["examples"]) == 5


def test_without_output_checks_wrong_outputs_are_said_to_go_unchecked() -> None:
    """Nobody is told of a check that is not there."""
    (finding,) = judged(run(50), of=replace(workflow(), outputs=())).findings
    assert finding.evidence["cost"] == "at this rate about 50 % of outputs are wrong, and no output check is declared"


def test_an_experiment_is_told_as_one() -> None:
    """Its failure is a FAIL all the same."""
    (finding,) = judged(run(50), of=replace(workflow(), stage="experiment")).findings
    assert "nothing depends on it yet" in finding.detail


@pytest.mark.parametrize(("errors", "verdict"), [(5, Verdict.PASS), (6, Verdict.UNKNOWN)])
def test_fewer_than_95_percent_scored_is_unknown(errors: int, verdict: Verdict) -> None:
    """95 % are enough."""
    assert judged(run(100, errors=errors)).verdict is verdict


@pytest.mark.parametrize("passed", [0, 94])
def test_unknown_says_nothing_else(passed: int) -> None:
    """Neither below its bar nor regressed, whatever the scored part looks like; and neither is taken back."""
    result = judged(run(passed, errors=6), baseline(100))
    (finding,) = result.findings
    assert (finding.kind, finding.severity, result.verdict) == ("evals.incomplete", Severity.UNKNOWN, Verdict.UNKNOWN)
    assert finding.title == "Only 94 of 100 eval samples could be scored: nothing is known about the model"
    assert finding.detail == "6 times: HTTP 503"
    assert {"certainty", "cost", "to_do", "examples"} <= finding.evidence.keys()
    assert result.covered == ("evals.incomplete",)
    assert "pass_rate" not in result.evidence


def test_samples_that_never_came_are_missing_ones() -> None:
    """A suite that ended early is not judged by what it has."""
    result = judged(run(50, of=50))
    assert (result.verdict, result.findings[0].detail) == (Verdict.UNKNOWN, "The suite ended early.")


def test_no_cases_are_unknown() -> None:
    """A run of nothing is never a pass."""
    result = judged([], of=workflow(0))
    assert (result.verdict, result.findings[0].title) == (
        Verdict.UNKNOWN,
        "The eval suite has no cases: nothing is known about the model",
    )


@given(st.integers(0, 5), st.data())
def test_errors_of_the_harness_never_count_against_the_model(errors: int, data: st.DataObject) -> None:
    """The share is that of the scored cases, whichever of them could not be asked."""
    lost = data.draw(st.sets(st.integers(0, 99), min_size=errors, max_size=errors))
    samples = [sample(n, error="the connection failed" if n in lost else "") for n in range(100)]
    result = judged(samples, baseline(100))
    assert (result.verdict, result.evidence["pass_rate"], result.evidence["errors"]) == (Verdict.PASS, 1.0, errors)


def test_regressed_beyond_chance_and_tolerance_is_a_failure() -> None:
    """With the run to compare with and the cases that broke."""
    result = judged(run(85), baseline(95))
    (finding,) = result.findings
    assert (finding.kind, finding.severity) == ("evals.regressed", Severity.CRITICAL)
    assert finding.title == "Worse than the approved baseline by 10 % of the cases: 10 broke, 0 were fixed"
    assert finding.detail == "Broken: case-085, case-086, case-087, case-088, case-089 and 5 more."
    assert finding.evidence["certainty"] == (
        "chance alone would change as many cases in under 1 % of runs (exact McNemar test, 100 cases)"
    )
    assert "run-7" in finding.evidence["to_do"]
    assert finding.evidence["examples"][0] == "broke: case-085: exact(po_number): 'PO-2' instead of 'PO-1'"
    assert finding.evidence["cost"].startswith("at this rate about 15 %")
    assert result.evidence["compared"]["p_value"] == pytest.approx(2 / 2**10)


def test_a_drop_that_may_be_chance_is_a_warning_that_says_so() -> None:
    """One of ten cases is more than is tolerated, and proves nothing."""
    result = judged(run(9, of=10), baseline(10, of=10), workflow(10))
    (finding,) = result.findings
    assert (result.verdict, finding.kind) == (Verdict.WARN, "evals.regressed")
    assert finding.evidence["certainty"].startswith("not sure: chance alone would change as many cases in 100 % of")


def test_a_sure_drop_within_the_tolerance_is_a_warning() -> None:
    """It is real, and the team has said that it can live with it."""
    result = judged(run(90), baseline(100), workflow(drop="0.1"))
    assert result.verdict is Verdict.WARN
    assert "within the tolerated 10 %" in result.findings[0].detail


def test_a_small_drop_is_none() -> None:
    """Neither sure nor more than is tolerated."""
    assert judged(run(95), baseline(100)).findings == ()


def test_better_than_the_baseline_is_fine() -> None:
    """And counted."""
    result = judged(run(100), baseline(90))
    assert (result.verdict, len(result.evidence["compared"]["fixed"])) == (Verdict.PASS, 10)


@pytest.mark.parametrize("approved", [None, {}, {"other": True}])
def test_without_a_baseline_nothing_is_compared_nor_taken_back(approved: dict[str, bool] | None) -> None:
    """An open regression stays open until it can be looked for."""
    result = judged(run(100), approved)
    assert result.verdict is Verdict.PASS
    assert "compared" not in result.evidence
    assert "evals.regressed" not in result.covered
    if approved is None:
        assert result.evidence["baseline"] == "no approved baseline yet"


def test_below_the_bar_and_regressed_are_two_findings() -> None:
    """Each is an incident of its own."""
    kinds = [finding.kind for finding in judged(run(60), baseline(95)).findings]
    assert kinds == ["evals.below_bar", "evals.regressed"]


def classified(rare: int, *, bar: str) -> Workflow:
    """A hundred mails, of which the last few are advertisements."""
    labels = ("discussion",) * (100 - rare) + ("advertisement",) * rare
    cases = tuple(Case(f"case-{n:03d}", {}, {"": label}) for n, label in enumerate(labels))
    of = workflow()
    assert of.evals is not None
    evals = replace(of.evals, cases=cases, scorers=(ScorerSpec("exact", ""),), pass_rate=Decimal(bar))
    return replace(of, evals=evals)


def test_recall_is_told_for_each_class() -> None:
    """A model that always says the same looks good on average only."""
    result = judged(run(90), of=classified(10, bar="0.95"))
    assert result.evidence["by_class"] == {
        "advertisement": {"passed": 0, "of": 10, "share": 0.0},
        "discussion": {"passed": 90, "of": 90, "share": 1.0},
    }
    (finding,) = result.findings
    assert (finding.kind, finding.detail) == ("evals.below_bar", "Never answered rightly: advertisement (0 of 10).")
    assert "evals.class_never_right" not in result.covered


def test_a_class_that_is_never_right_is_a_warning_above_the_bar_too() -> None:
    """The average hides it."""
    result = judged(run(90), of=classified(10, bar="0.9"))
    (finding,) = result.findings
    assert (result.verdict, finding.kind, finding.about) == (Verdict.WARN, "evals.class_never_right", "advertisement")
    assert finding.title == "advertisement is never answered rightly: 0 of 10"
    assert judged(run(91), of=classified(10, bar="0.9")).verdict is Verdict.PASS
    assert "evals.class_never_right" in judged(run(91), of=classified(10, bar="0.9")).covered


def test_two_wrong_answers_are_no_class_that_is_never_right() -> None:
    """Too few to say so."""
    assert judged(run(98), of=classified(2, bar="0.9")).verdict is Verdict.PASS


def test_answers_that_all_differ_are_no_classes() -> None:
    """Free text fills no table of classes."""
    of = workflow()
    assert of.evals is not None
    cases = tuple(Case(f"case-{n:03d}", {}, {"": f"text {n}"}) for n in range(100))
    of = replace(of, evals=replace(of.evals, cases=cases, scorers=(ScorerSpec("exact", ""),)))
    assert judged(run(90), of=of).evidence["by_class"] == {}


def test_a_case_passes_when_all_its_epochs_do() -> None:
    """One of two is not enough; an epoch that could not be asked says nothing."""
    both = [sample(n, epoch=epoch, passed=n != 3 or epoch == 0) for n in range(20) for epoch in range(2)]
    both[0] = sample(0, error="HTTP 503")
    result = judged(both, of=workflow(20, epochs=2))
    assert (result.evidence["passed"], result.evidence["samples"], result.evidence["scored"]) == (19, 40, 39)


def test_one_call_without_a_price_makes_the_cost_unknown() -> None:
    """A sum that leaves something out is not the cost."""
    result = judged([sample(0, cost=None), *(sample(n) for n in range(1, 100))])
    assert (result.evidence["cost"], result.evidence["unpriced_calls"]) == (None, 1)


def test_an_epoch_reason_cannot_flood_the_message() -> None:
    """What a model said is cut."""
    long = replace(sample(0, passed=False), scores=(Score("exact", 0, passed=False, reason="x" * 100_000),))
    (finding,) = judged([long], of=workflow(1)).findings
    assert all(len(line) <= 160 for line in finding.evidence["examples"])


def test_a_workflow_without_evals_cannot_be_judged() -> None:
    """That is a bug of the caller, not a verdict."""
    with pytest.raises(ValueError, match="declares no evals"):
        judge_evals(replace(WORKFLOW, evals=None), [], None, baseline_of="")

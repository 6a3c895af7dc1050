"""What an eval run says of the model, and when it says nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.against import Against
from afterpilot.decide.alarm import AlarmSettings, Kind, RunOutcome, judge
from afterpilot.decide.causes import causes
from afterpilot.decide.eval_figures import measure
from afterpilot.decide.evals import judge_budget_spent, judge_evals, judge_out_of_reach
from afterpilot.domain.evals import Case, Reducer, Sample, Score, ScorerSpec, Waiver
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.record import Usage
from afterpilot.domain.verdict import Severity, StageResult, Verdict
from afterpilot.domain.workflow import Workflow
from doubles.weeks import WORKFLOW

TODAY = date(2026, 11, 18)


def workflow(cases: int = 100, *, epochs: int = 1, bar: str = "0.8", **more: Any) -> Workflow:
    """One with so many cases."""
    assert WORKFLOW.evals is not None
    suite = tuple(Case(f"case-{n:03d}", {}, {"po_number": "PO-1"}, ("plain",)) for n in range(cases))
    evals = replace(WORKFLOW.evals, cases=suite, epochs=epochs, pass_rate=Decimal(bar), **more)
    return replace(WORKFLOW, evals=evals)


def sample(number: int, *, passed: bool = True, error: str = "", epoch: int = 0, **more: Any) -> Sample:
    """What came of one case."""
    reason = "" if passed else "'PO-2' instead of 'PO-1'"
    scores = () if error else (Score("exact(po_number)", float(passed), passed, reason),)
    given_ = {"usage": Usage("m", 100, 10), "cost": Decimal("0.001"), "latency_ms": 100 + number, "attempts": 1}
    return Sample(
        f"case-{number:03d}", epoch, None if error else "{}", scores, error, **({} if error else given_ | more)
    )


def judged(samples: Sequence[Sample], against: Against | None = None, of: Workflow | None = None) -> StageResult:
    """The verdict, whose evidence must be JSON."""
    of = of or workflow()
    assert of.evals is not None
    result = judge_evals(of, measure(of.evals, samples, today=TODAY), against)
    json.dumps(result.evidence, allow_nan=False)
    json.dumps([finding.evidence for finding in result.findings], allow_nan=False)
    return result


def run(passed: int, *, of: int = 100, errors: int = 0) -> list[Sample]:
    """So many pass, then come those that fail, then the errors."""
    return [
        sample(n, passed=n < passed, error="HTTP 503" if n >= of - errors else "")  # errors are the last ones
        for n in range(of)
    ]


def held(samples: Sequence[Sample], *, passed: int = 100, days: int = 10, **more: Any) -> Against:
    """Ten approved runs in which so many of a hundred cases passed, and the alarm that this run raises against them."""
    then = {f"case-{n:03d}": (int(n < passed), 1) for n in range(100)}
    approved = [RunOutcome(TODAY - timedelta(days=n), then) for n in range(1, days + 1)]
    now = {one.case_id: (int(one.passed), 1) for one in samples if one.scored}
    given = {
        "run": "run-7",
        "at": datetime(2026, 11, 17, 9, tzinfo=UTC),
        "by": "Dana Ruiz",
        "cases": 100,
        "common": 100,
        "alarm": judge(approved, [RunOutcome(TODAY, now)], AlarmSettings()),
        "passed_then": {case: bool(good) for case, (good, _) in then.items()},
        "causes": causes({"prompt": "b" * 64}, [{"prompt": "a" * 64}]),
        "before": {"case-060": "PO-1"},
        "after": {"case-060": "PO-2"},
    }
    return Against(**given | more)


def test_a_complete_run_above_its_bar_passes() -> None:
    """With its share, interval, bar, cost and latency as figures."""
    result = judged(run(90))
    assert (result.verdict, result.checked) == (Verdict.PASS, 100)
    assert result.summary == "90 of 100 cases passed, 90 % (95 % interval 83 % to 94 %); the bar is 80 %"
    found = result.evidence
    assert (found["passed"], found["pass_rate"], found["bar"], found["errors"]) == (90, 0.9, "0.8", 0)
    assert (found["cost"], found["unpriced_calls"], found["input_tokens"]) == ("0.100", 0, 10_000)
    assert (found["latency_ms_p50"], round(found["latency_ms_p95"], 2)) == (149.5, 194.05)
    assert found["by_scorer"] == {"exact(po_number)": {"passed": 90, "of": 100, "share": 0.9, "mean": 0.9}}
    assert found["by_tag"] == {"plain": {"passed": 90, "of": 100, "share": 0.9}}


@pytest.mark.parametrize(
    ("passed", "then", "said"),
    [
        (79, None, "95 % interval 70 % to 86 %); below the bar of 80 %"),
        (100, 100, "the bar is 80 %; as the approved baseline"),
        (85, 100, "the bar is 80 %; worse than the approved baseline by about 15 points"),
        (60, 100, "below the bar of 80 %; worse than the approved baseline by about 40 points"),
    ],
    ids=["below", "good", "regressed", "both"],
)
def test_the_sentence_says_what_the_run_missed(passed: int, then: int | None, said: str) -> None:
    """The bar, the approved baseline, both or neither: two nights of other verdicts never read alike."""
    samples = run(passed)
    assert judged(samples, None if then is None else held(samples, passed=then)).summary.endswith(said)


@pytest.mark.parametrize(("passed", "verdict"), [(80, Verdict.PASS), (79, Verdict.FAIL)])
def test_the_bar_itself_is_enough(passed: int, verdict: Verdict) -> None:
    """One case below it is a FAIL."""
    assert judged(run(passed)).verdict is verdict


def test_below_the_bar_says_how_sure_what_it_costs_and_what_to_do() -> None:
    """In the words that the message shows, with failing cases and why they fail."""
    (finding, _) = judged(run(77)).findings
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


def test_one_case_is_no_plural() -> None:
    """Nor is one sample, one error, one answer of a class."""
    (below, *_) = judged(run(0, of=1), of=workflow(1)).findings
    assert below.title == "0 of 1 eval case passes, 80 % must"
    assert below.evidence["certainty"].startswith("measured on 1 case, ")
    (incomplete, *_) = judged(run(0, of=1, errors=1), of=workflow(1)).findings
    assert incomplete.title.startswith("Only 0 of 1 eval sample could be scored")
    assert incomplete.detail == "1 time: HTTP 503"


def test_without_output_checks_wrong_outputs_are_said_to_go_unchecked() -> None:
    """Nobody is told of a check that is not there."""
    (finding, _) = judged(run(50), of=replace(workflow(), outputs=())).findings
    assert finding.evidence["cost"] == "at this rate about 50 % of outputs are wrong, and no output check is declared"


def test_an_experiment_is_told_as_one() -> None:
    """Its failure is a FAIL all the same."""
    (finding, _) = judged(run(50), of=replace(workflow(), stage="experiment")).findings
    assert "nothing depends on it yet" in finding.detail


@pytest.mark.parametrize(("errors", "verdict"), [(5, Verdict.PASS), (6, Verdict.UNKNOWN)])
def test_fewer_than_95_percent_scored_is_unknown(errors: int, verdict: Verdict) -> None:
    """95 % are enough."""
    assert judged(run(100, errors=errors)).verdict is verdict


@pytest.mark.parametrize("passed", [0, 94])
def test_unknown_says_nothing_else(passed: int) -> None:
    """Neither below its bar nor regressed, whatever the scored part looks like; and neither is taken back."""
    result = judged(run(passed, errors=6), held(run(60)))
    (finding,) = result.findings
    assert (finding.kind, finding.severity, result.verdict) == ("evals.incomplete", Severity.UNKNOWN, Verdict.UNKNOWN)
    assert finding.title == "Only 94 of 100 eval samples could be scored: nothing is known about the model"
    assert finding.detail == "6 times: HTTP 503"
    assert {"certainty", "cost", "to_do", "examples"} <= finding.evidence.keys()
    assert not {"evals.below_bar", "evals.regressed", "evals.class_never_right"} & set(result.covered)
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
    result = judged(samples)
    assert (result.verdict, result.evidence["pass_rate"], result.evidence["errors"]) == (Verdict.PASS, 1.0, errors)


def test_an_alarm_is_a_failure_with_its_cause() -> None:
    """Drop, likely start, broken cases with answers before and after, how sure, and the false alarms it promises."""
    samples = run(60)
    result = judged(samples, held(samples))
    finding = next(one for one in result.findings if one.kind == "evals.regressed")
    assert (finding.severity, result.verdict) == (Severity.CRITICAL, Verdict.FAIL)
    assert finding.title == "Worse than the approved baseline by about 40 points since 2026-11-18"
    assert finding.detail.startswith("Cause: our prompt changed (aaaaaaa → bbbbbbb). Broken: case-060, case-061")
    assert "0.1 false alarms a year" in finding.evidence["certainty"]
    assert finding.evidence["changed"] == ["prompt"]
    assert finding.evidence["since"] == "2026-11-18"
    first = finding.evidence["broken"][0]
    assert (first["case"], first["before"], first["after"]) == ("case-060", "PO-1", "PO-2")
    assert first["reason"] == "exact(po_number): 'PO-2' instead of 'PO-1'"
    assert finding.evidence["examples"][0] == "broke: case-060: exact(po_number): 'PO-2' instead of 'PO-1'"
    assert result.evidence["regression"]["alarm"] == "alarm"
    assert "evals.regressed" in result.covered


def test_a_case_that_passes_again_is_not_called_broken() -> None:
    """What broke by the alarm's word and passes in this very run is told apart, with its days; it is no example of a failure."""
    samples = run(60)
    against = held(samples)
    assert against.alarm is not None
    told = (("case-005", 0.99), ("case-099", 0.9), ("case-007", 0.8))
    alarm = replace(against.alarm, kind=Kind.SLICE, broken=told, since=TODAY - timedelta(days=2))
    against = replace(against, alarm=alarm, passing_since={"case-005": TODAY, "case-007": TODAY - timedelta(days=9)})
    finding = next(one for one in judged(samples, against).findings if one.kind == "evals.regressed")
    assert "Broken: case-099, case-060, case-061, case-062, case-063 and 35 more." in finding.detail
    assert "Broke on 16 November, pass again since 18 November: case-005." in finding.detail
    assert "Broke on 16 November, pass in this run: case-007." in finding.detail
    assert not {"case-005", "case-007"} & {one["case"] for one in finding.evidence["broken"]}
    assert finding.evidence["passing_again"] == [
        {"case": "case-005", "since": "2026-11-18"},
        {"case": "case-007", "since": None},
    ]
    healed = judged(run(100), replace(against, passing_since={"case-005": TODAY}))
    finding = next(one for one in healed.findings if one.kind == "evals.regressed")
    assert "Broken" not in finding.detail
    assert finding.evidence["examples"][0] == "passes again: case-005 (since 18 November)"


@pytest.mark.parametrize(("confirmed", "severity"), [(True, Severity.CRITICAL), (False, Severity.WARNING)])
def test_a_small_real_drop_is_a_warning_unless_the_fleet_confirms_it(*, confirmed: bool, severity: Severity) -> None:
    """It is smaller than what the team looks for."""
    samples = run(60)
    against = held(samples, confirmed=confirmed, fleet=12)
    assert against.alarm is not None
    small = replace(against, alarm=replace(against.alarm, drop=0.03))
    finding = next(one for one in judged(samples, small).findings if one.kind == "evals.regressed")
    assert finding.severity is severity
    assert ("confirmed over the fleet of 12 workflows" in finding.evidence["certainty"]) is confirmed


def test_a_small_drop_is_no_alarm() -> None:
    """One case is nothing; the comparison with the approved run is in the evidence."""
    samples = run(99)
    result = judged(samples, held(samples))
    assert (result.verdict, result.findings) == (Verdict.PASS, ())
    assert result.evidence["compared"]["broken"] == ["case-099"] or result.evidence["compared"]["broken"] == (
        "case-099",
    )
    assert "evals.regressed" in result.covered


def test_without_a_baseline_every_run_says_so() -> None:
    """It is a note and no incident; an open regression stays open until it can be looked for."""
    result = judged(run(100))
    (note,) = result.findings
    assert (result.verdict, note.kind, note.severity) == (Verdict.PASS, "evals.no_baseline", Severity.INFO)
    assert "afterpilot baseline approve invoice_matching" in note.detail
    assert "evals.regressed" not in result.covered
    assert result.evidence["baseline"] == "no approved baseline yet"


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({"common": 99}, Severity.INFO),
        ({"common": 49}, Severity.WARNING),
        ({"common": 0, "scorers_changed": True}, Severity.WARNING),
    ],
)
def test_another_suite_than_the_approved_one_says_that_an_approval_is_due(
    more: dict[str, Any], severity: Severity
) -> None:
    """A note while most cases are compared still, a warning where too little is."""
    (finding,) = judged(run(100), held(run(100), **more)).findings
    assert (finding.kind, finding.severity) == ("evals.baseline_due", severity)


def test_below_the_bar_and_regressed_are_two_findings() -> None:
    """Each is an incident of its own."""
    kinds = [finding.kind for finding in judged(run(60), held(run(60))).findings]
    assert kinds == ["evals.below_bar", "evals.regressed"]


def waived(until: date, **about: str) -> Workflow:
    """A suite with a waiver."""
    return workflow(waivers=(Waiver(until, "Dana Ruiz", "the supplier's new layout", **about),))


def test_a_waived_case_does_not_count_and_is_listed() -> None:
    """Neither in the rate nor in the alarm; the report says by whom, why and until when. Its last day is included."""
    result = judged(run(99), of=replace(waived(TODAY, case="case-099"), stage="live"))
    assert (result.evidence["passed"], result.evidence["pass_rate"]) == (99, 1.0)
    (told,) = result.evidence["waived"]
    assert told == {
        "case": "case-099",
        "passed": False,
        "until": "2026-11-18",
        "by": "Dana Ruiz",
        "why": "the supplier's new layout",
    }
    assert result.summary.endswith("; 1 waived")
    below = judged(run(50), of=waived(TODAY, case="case-099")).findings[0]
    assert "Waived, and not counted: case-099 until 2026-11-18 by Dana Ruiz (the supplier's new layout)" in below.detail


def test_an_expired_waiver_is_a_warning_and_its_cases_count_again() -> None:
    """With the case, who, why and since when; it is over when the declaration has it no more."""
    result = judged(run(99), of=waived(TODAY - timedelta(days=1), case="case-099"))
    finding = next(one for one in result.findings if one.kind == "evals.waiver_expired")
    assert (finding.severity, finding.about) == (Severity.WARNING, "case-099")
    assert "expired on 2026-11-17" in finding.title
    assert "Dana Ruiz waived it until 2026-11-17: the supplier's new layout" in finding.detail
    assert (result.evidence["passed"], result.evidence["pass_rate"]) == (99, 0.99)
    assert "evals.waiver_expired" in judged(run(99)).covered


def test_a_waiver_of_a_tag_covers_all_its_cases() -> None:
    """Where that is all of them, nothing is known about the model."""
    result = judged(run(100), of=waived(TODAY, tag="plain"))
    assert result.verdict is Verdict.UNKNOWN
    assert "waived" in result.findings[0].title
    assert {one["tag"] for one in result.evidence["waived"]} == {"plain"}


def test_judges_on_probation_decide_nothing() -> None:
    """Where they are the only scorers the run is UNKNOWN, and their figures are shown as advice."""
    samples = [replace(one, scores=tuple(replace(score, advisory=True) for score in one.scores)) for one in run(100)]
    result = judged(samples)
    assert (result.verdict, result.findings[0].kind) == (Verdict.UNKNOWN, "evals.nothing_decides")
    assert result.evidence["by_scorer"]["exact(po_number)"]["advisory"] is True
    assert result.evidence["errors"] == 0


@pytest.mark.parametrize(
    ("reducer", "verdict"),
    [
        (Reducer(), Verdict.FAIL),
        (Reducer("majority"), Verdict.PASS),
        (Reducer("at_least", k=2), Verdict.PASS),
        (Reducer("at_least", k=3), Verdict.FAIL),
        (Reducer("mean", share=0.6), Verdict.PASS),
        (Reducer("pass_at", k=1, share=0.7), Verdict.FAIL),
    ],
)
def test_epochs_become_one_verdict_by_the_declared_reducer(reducer: Reducer, verdict: Verdict) -> None:
    """Two of three epochs of each case pass; the outcomes keep the counts."""
    samples = [sample(n, epoch=epoch, passed=epoch != 1) for n in range(20) for epoch in range(3)]
    of = workflow(20, epochs=3, reducer=reducer)
    assert judged(samples, of=of).verdict is verdict
    assert of.evals is not None
    assert measure(of.evals, samples, today=TODAY).outcomes["case-000"] == (2, 3)


def test_re_runs_count_for_the_alarm_alone() -> None:
    """Epochs after the suite's own change neither rate nor figures."""
    again = [sample(n, epoch=1, passed=False) for n in range(50)]
    assert judged([*run(100), *again]).evidence == judged(run(100)).evidence


def test_fields_are_counted_over_all_answers() -> None:
    """Precision and recall of each; places of a list count together."""
    details = {"f1": 0.5, "right": ["po"], "wrong": ["lines[0].price"], "missing": ["lines[1].price"], "extra": ["vat"]}
    score = Score("json_fields", 0.5, passed=False, details=details)
    found = judged([replace(one, scores=(score,)) for one in run(100)]).evidence["by_field"]
    assert found["po"] == {"right": 100, "given": 100, "expected": 100, "precision": 1.0, "recall": 1.0}
    assert (found["lines[].price"]["given"], found["lines[].price"]["expected"]) == (100, 200)
    assert (found["vat"]["precision"], found["vat"]["recall"]) == (0.0, None)


def test_a_spent_budget_and_a_silent_target_are_unknown() -> None:
    """Neither is ever green, and each says what to do."""
    cap = Cap.parse("1 USD/month")
    spent = judge_budget_spent(workflow(), cap, Money.parse("1.20 USD"))
    silent = judge_out_of_reach(workflow(), "HTTP 503", times=3)
    assert {spent.verdict, silent.verdict} == {Verdict.UNKNOWN}
    assert spent.findings[0].title == "The eval budget of 1.00 USD a month is spent: the suite did not run"
    assert silent.findings[0].detail == "HTTP 503"


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
    finding = result.findings[0]
    assert (finding.kind, finding.detail) == ("evals.below_bar", "Never answered rightly: advertisement (0 of 10).")
    assert "evals.class_never_right" not in result.covered


def test_a_class_that_is_never_right_is_a_warning_above_the_bar_too() -> None:
    """The average hides it."""
    result = judged(run(90), of=classified(10, bar="0.9"))
    finding = result.findings[0]
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
    finding = judged([long], of=workflow(1)).findings[0]
    assert all(len(line) <= 160 for line in finding.evidence["examples"])

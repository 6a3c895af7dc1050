"""The verdict on an eval run: complete or not, above its bar or below, worse than the approved baseline or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from afterpilot.decide import eval_findings as findings
from afterpilot.decide import regressions
from afterpilot.decide.against import Against
from afterpilot.decide.alarm import Alarm, Flaky, State
from afterpilot.decide.eval_figures import Measured
from afterpilot.decide.eval_words import points
from afterpilot.decide.paired import compare
from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import Interval, percent, wilson
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, StageResult
from afterpilot.domain.workflow import Workflow

_MOST_FLAKY = 50


def judge_evals(
    workflow: Workflow,
    measured: Measured,
    against: Against | None,
    *,
    flaky: Sequence[Flaky] = (),
    evidence: Mapping[str, Any] | None = None,
) -> StageResult:
    """Judge a run against its bar and, where one is approved, its baseline; ``evidence`` is kept with the run's figures.

    Fewer than 95 % of the samples or cases scored is UNKNOWN and nothing else: an answer that was never given says nothing
    about the model. Waived cases count neither for the bar nor for the alarm.
    """
    figures = {**measured.figures, **(evidence or {})}
    expired = findings.waivers_expired(workflow, measured.expired)
    if not measured.valid or not measured.passed:
        return _unknown(workflow, measured, figures, expired)
    rate = wilson(sum(measured.passed.values()), len(measured.passed))
    bar = float(measured.evals.pass_rate)
    low = rate.value < bar
    # Below the bar the finding about it names the class.
    found = [findings.below(workflow, measured, rate)] if low else findings.never_right(workflow, measured)
    found += _compared(workflow, measured, against, rate)
    looked = against is not None and against.alarm is not None
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary=_said(measured, against, rate, bar),
        findings=(*found, *expired),
        evidence=figures
        | {
            "passed": sum(measured.passed.values()),
            "pass_rate": rate.value,
            "interval": [rate.low, rate.high],
            "bar": str(measured.evals.pass_rate),
            **_baseline_evidence(measured, against),
            **({"flaky": [_flaky(one) for one in flaky[:_MOST_FLAKY]]} if flaky else {}),
        },
        checked=len(measured.scored),
        # Without anything to compare with, a regression that is open stays open; below the bar, so does a class never right.
        covered=(
            findings.INCOMPLETE,
            findings.NOTHING_DECIDES,
            findings.BUDGET,
            findings.OUT_OF_REACH,
            findings.WAIVER_EXPIRED,
            findings.BELOW,
            regressions.BASELINE_DUE,
            *(() if low else (findings.NEVER_RIGHT,)),
            *((regressions.REGRESSED,) if looked else ()),
        ),
    )


def _said(measured: Measured, against: Against | None, rate: Interval, bar: float) -> str:
    """The run in one sentence: against its bar and against the approved baseline, so that it says which of them it missed."""
    parts = [f"{sum(measured.passed.values())} of {plural(len(measured.passed), 'case')} passed, {rate}"]
    parts.append(f"below the bar of {percent(bar)}" if rate.value < bar else f"the bar is {percent(bar)}")
    if against is not None:
        parts.append(_against_baseline(against.alarm))
    if measured.waived:
        parts.append(f"{len(measured.waived)} waived")
    return "; ".join(parts)


def _against_baseline(alarm: Alarm | None) -> str:
    if alarm is None:
        return "not compared with the approved baseline"
    if alarm.state is State.ALARM:
        return "worse than the approved baseline" + (
            f" by about {points(alarm.drop)}" if alarm.drop is not None else ""
        )
    return "as the approved baseline" + (", with suspicious cases" if alarm.state is State.WATCH else "")


def judge_budget_spent(workflow: Workflow, cap: Cap, spent: Money, *, expected: Decimal | None = None) -> StageResult:
    """UNKNOWN: what is left of the eval budget pays for no run, which is ``expected`` to cost so much; nothing was asked."""
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary=f"not run: the eval budget of {cap} is spent",
        findings=(findings.budget_spent(workflow, cap, spent, expected),),
        evidence={"budget": {"cap": str(cap), "spent": str(spent), "run": None if expected is None else str(expected)}},
        covered=(findings.BUDGET,),
    )


def judge_out_of_reach(workflow: Workflow, error: str, *, times: int) -> StageResult:
    """UNKNOWN: the target did not answer so many probes in a row."""
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary="the model is out of reach",
        findings=(findings.out_of_reach(workflow, error, times=times),),
        evidence={"probes_without_answer": times},
        covered=(findings.OUT_OF_REACH,),
    )


def _unknown(
    workflow: Workflow, measured: Measured, figures: Mapping[str, Any], expired: Sequence[Finding]
) -> StageResult:
    """Nothing can be said of the model: too little was scored, nothing may decide, or every case is waived."""
    answered = [sample for sample in measured.samples if not sample.error and sample.judged]
    undecided = bool(answered) and not any(sample.deciding for sample in answered)
    finding = findings.nothing_decides(workflow) if undecided else findings.incomplete(workflow, measured)
    said = "answered, and nothing may decide" if undecided else "could be scored"
    count = len(answered) if undecided else len(measured.scored)
    waived = "" if not measured.valid else "; every case that was scored is waived"
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary=f"only {count} of {plural(measured.expected, 'sample')} {said}{waived}",
        findings=(finding, *expired),
        evidence=figures,
        checked=len(measured.scored),
        covered=(
            findings.INCOMPLETE,
            findings.NOTHING_DECIDES,
            findings.BUDGET,
            findings.WAIVER_EXPIRED,
            *((findings.OUT_OF_REACH,) if measured.scored or answered else ()),
        ),
    )


def _compared(workflow: Workflow, measured: Measured, against: Against | None, rate: Any) -> list[Finding]:  # noqa: ANN401
    if against is None:
        return [regressions.no_baseline(workflow)]
    found = regressions.regressed(workflow, measured, against, rate)
    return [*([found] if found else []), *([regressions.baseline_due(workflow, against)] if against.due else [])]


def _baseline_evidence(measured: Measured, against: Against | None) -> dict[str, Any]:
    if against is None:
        return {"baseline": "no approved baseline yet"}
    told: dict[str, Any] = {
        "baseline": against.run,
        "baseline_approved": f"{against.at:%Y-%m-%d} by {against.by}",
        "cases_in_common": against.common,
    }
    if against.alarm is not None:
        told["regression"] = regressions.as_evidence(against.alarm, against)
    if (compared := compare(measured.passed, against.passed_then)).cases:
        told["compared"] = {**asdict(compared), "drop": compared.drop, "p_value": compared.p_value}
    return told


def _flaky(one: Flaky) -> dict[str, Any]:
    return {"case": one.case, "passed": one.passed, "scored": one.scored, "share": one.share.value}

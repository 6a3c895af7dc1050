"""The verdict on an eval run: complete or not, above its bar or below, better or worse than the approved baseline."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import median, quantiles
from typing import Any

from afterpilot.decide.intervals import Interval, mcnemar, wilson
from afterpilot.domain.evals import Sample
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Evals, Workflow

INCOMPLETE, BELOW, REGRESSED = "evals.incomplete", "evals.below_bar", "evals.regressed"
LEAST_SCORED = 0.95  # of the samples; below it nothing is said about the model
_SIGNIFICANT = 0.05
_NAMED = 5
_PERCENTILE_CASES = 2


def judge_evals(
    workflow: Workflow, samples: Sequence[Sample], baseline: Mapping[str, bool] | None, *, baseline_of: str
) -> StageResult:
    """Judge a run; ``baseline`` is case id → passed of the approved run ``baseline_of``, or None without one.

    A case passes when all its samples pass. Fewer than 95 % of the samples scored is UNKNOWN and nothing else: an answer
    that was never given says nothing about the model.
    """
    evals = _evals(workflow)
    expected = len(evals.cases) * evals.epochs
    scored = [sample for sample in samples if sample.scored]
    evidence = _figures(evals, samples, scored)
    if not scored or len(scored) < LEAST_SCORED * expected:
        return _result(
            workflow,
            f"only {len(scored)} of {expected} samples could be scored",
            evidence,
            scored,
            [_incomplete(workflow, samples, len(scored), expected)],
            covered=(INCOMPLETE,),
        )
    passed = _passed(scored)
    rate = wilson(sum(passed.values()), len(passed))
    evidence |= {"passed": sum(passed.values()), "pass_rate": rate.value, "interval": [rate.low, rate.high], "bar": str(evals.pass_rate)}
    findings = [
        *_below(workflow, evals, rate, passed, evidence),
        *_compared(workflow, evals, passed, baseline, evidence),
    ]
    evidence["baseline"] = baseline_of or "no approved baseline yet"
    summary = f"{sum(passed.values())} of {len(passed)} cases passed, {rate}; the bar is {evals.pass_rate:.0%}"
    return _result(workflow, summary, evidence, scored, findings, covered=(INCOMPLETE, BELOW, REGRESSED))


def _result(
    workflow: Workflow,
    summary: str,
    evidence: Mapping[str, Any],
    scored: Sequence[Sample],
    findings: Sequence[Finding],
    *,
    covered: tuple[str, ...],
) -> StageResult:
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary=summary,
        findings=tuple(findings),
        evidence=evidence,
        checked=len(scored),
        covered=covered,
    )


def _incomplete(workflow: Workflow, samples: Sequence[Sample], scored: int, expected: int) -> Finding:
    errors = Counter(sample.error for sample in samples if sample.error)
    reasons = [f"{count} times: {error}" for error, count in errors.most_common(_NAMED)]
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=INCOMPLETE,
        severity=Severity.UNKNOWN,
        title=f"Only {scored} of {expected} eval samples could be scored: nothing is known about the model",
        detail="; ".join(reasons) or "The suite ended early.",
        evidence={
            "certainty": "the harness could not finish; this says nothing about the model",
            "to_do": "See whether the model's endpoint answers, then run the suite again.",
            "examples": reasons,
        },
    )


def _below(
    workflow: Workflow, evals: Evals, rate: Interval, passed: Mapping[str, bool], evidence: Mapping[str, Any]
) -> Iterable[Finding]:
    if rate.value >= float(evals.pass_rate):
        return
    experiment = " It is an experiment: nothing depends on it yet." if workflow.stage == "experiment" else ""
    yield Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=BELOW,
        severity=Severity.CRITICAL,
        title=f"{sum(passed.values())} of {len(passed)} eval cases pass, {evals.pass_rate:.0%} must",
        detail=f"{_weakest(evidence)}{experiment}",
        evidence={
            "certainty": f"measured on {len(passed)} cases, 95 % interval {rate.low:.0%} to {rate.high:.0%}",
            "examples": [f"fails: {case}" for case, good in passed.items() if not good][:_NAMED],
        },
    )


def _compared(
    workflow: Workflow,
    evals: Evals,
    passed: Mapping[str, bool],
    baseline: Mapping[str, bool] | None,
    evidence: dict[str, Any],
) -> Iterable[Finding]:
    """Paired with the baseline, case by case; only cases that both have are compared."""
    if baseline is None:
        return
    both = [case for case in passed if case in baseline]
    broken = [case for case in both if baseline[case] and not passed[case]]
    fixed = [case for case in both if passed[case] and not baseline[case]]
    p_value = mcnemar(len(fixed), len(broken))
    drop = (len(broken) - len(fixed)) / len(both) if both else 0.0
    evidence["compared"] = {"cases": len(both), "broken": broken, "fixed": fixed, "drop": drop, "p_value": p_value}
    significant = p_value < _SIGNIFICANT and len(broken) > len(fixed)
    if not significant and drop <= float(evals.largest_drop):
        return
    sure = (
        f"chance alone would do this in {p_value:.1%} of runs"
        if significant
        else f"not sure: chance alone would do this in {p_value:.0%} of runs (exact McNemar test on {len(both)} cases)"
    )
    yield Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=REGRESSED,
        severity=Severity.CRITICAL,
        title=f"Worse than the approved baseline by {drop:.0%}: {len(broken)} cases broke, {len(fixed)} were fixed",
        detail=f"Broken: {', '.join(broken[:_NAMED])}.",
        evidence={"certainty": sure, "examples": [f"broke: {case}" for case in broken[:_NAMED]]},
    )


def _figures(evals: Evals, samples: Sequence[Sample], scored: Sequence[Sample]) -> dict[str, Any]:
    """Everything that the run measured, per scorer, tag and class; costs are None where any call has no price."""
    asked = [sample for sample in samples if sample.attempts]
    costs = [sample.cost for sample in asked]
    latencies = sorted(sample.latency_ms for sample in scored if sample.latency_ms is not None)
    return {
        "samples": len(samples),
        "scored": len(scored),
        "errors": len(samples) - len(scored),
        "by_scorer": _shares((score.scorer, score.passed) for sample in scored for score in sample.scores),
        "by_tag": _by_tag(evals, scored),
        "by_class": _by_class(evals, scored),
        "cost": None
        if None in costs or not costs
        else str(sum((cost for cost in costs if cost is not None), Decimal(0))),
        "unpriced_calls": costs.count(None),
        "latency_ms_p50": median(latencies) if latencies else None,
        "latency_ms_p95": quantiles(latencies, n=20)[-1] if len(latencies) >= _PERCENTILE_CASES else None,
        "input_tokens": sum(sample.usage.input_tokens or 0 for sample in asked if sample.usage),
        "output_tokens": sum(sample.usage.output_tokens or 0 for sample in asked if sample.usage),
    }


def _by_tag(evals: Evals, scored: Sequence[Sample]) -> dict[str, dict[str, float]]:
    tags = {case.id: case.tags for case in evals.cases}
    return _shares((tag, sample.passed) for sample in scored for tag in tags.get(sample.case_id, ()))


def _by_class(evals: Evals, scored: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Recall of each class where the whole answer is a class: a model that always says the same looks good on average only."""
    if not any(spec.field == "" and spec.name in {"exact", "one_of"} for spec in evals.scorers):
        return {}
    classes = {case.id: str(case.expected[""]) for case in evals.cases if "" in case.expected}
    return _shares((classes[sample.case_id], sample.passed) for sample in scored if sample.case_id in classes)


def _shares(pairs: Iterable[tuple[str, bool]]) -> dict[str, dict[str, float]]:
    counts: dict[str, list[bool]] = defaultdict(list)
    for name, passed in pairs:
        counts[name].append(passed)
    return {
        name: {"passed": sum(found), "of": len(found), "share": sum(found) / len(found)}
        for name, found in sorted(counts.items())
    }


def _weakest(evidence: Mapping[str, Any]) -> str:
    """The class or scorer with the lowest share, in words."""
    shares: Mapping[str, Mapping[str, float]] = evidence["by_class"] or evidence["by_scorer"]
    if not shares:
        return ""
    name = min(shares, key=lambda key: shares[key]["share"])
    worst = shares[name]
    return f"Weakest: {name}, {worst['passed']:.0f} of {worst['of']:.0f} right."


def _passed(scored: Sequence[Sample]) -> dict[str, bool]:
    passed: dict[str, bool] = {}
    for sample in scored:
        passed[sample.case_id] = passed.get(sample.case_id, True) and sample.passed
    return passed


def _evals(workflow: Workflow) -> Evals:
    if workflow.evals is None:
        raise ValueError(f"{workflow.slug} declares no evals")
    return workflow.evals

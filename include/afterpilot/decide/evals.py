"""The verdict on an eval run: complete or not, above its bar or below, better or worse than the approved baseline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from statistics import median, quantiles
from typing import Any

from afterpilot.decide.eval_findings import (
    BELOW,
    INCOMPLETE,
    NEVER_RIGHT,
    REGRESSED,
    below,
    incomplete,
    never_right,
    regressed,
)
from afterpilot.decide.paired import compare
from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import percent, wilson
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, StageResult
from afterpilot.domain.workflow import Evals, Workflow

LEAST_SCORED = 0.95  # of the samples; below it nothing is said about the model
_PERCENTILE_CASES = 2
_MOST_CLASSES = 50  # more different answers are free text, not classes


def judge_evals(
    workflow: Workflow, samples: Sequence[Sample], baseline: Mapping[str, bool] | None, *, baseline_of: str
) -> StageResult:
    """Judge a run; ``baseline`` is case id → passed of the approved run ``baseline_of``, or None without one.

    A case passes when all its scored samples pass. Fewer than 95 % of the samples scored is UNKNOWN and nothing else: an
    answer that was never given says nothing about the model.
    """
    evals = _evals(workflow)
    expected = len(evals.cases) * evals.epochs
    scored = [sample for sample in samples if sample.scored]
    figures = _figures(evals, samples, scored)
    if not scored or len(scored) < LEAST_SCORED * expected:
        return StageResult(
            workflow=workflow.slug,
            stage=Stage.EVALUATE,
            summary=f"only {len(scored)} of {expected} samples could be scored",
            findings=(incomplete(workflow, samples, scored=len(scored), expected=expected),),
            evidence=figures,
            checked=len(scored),
            covered=(INCOMPLETE,),
        )
    passed = _passed(scored)
    rate = wilson(sum(passed.values()), len(passed))
    findings: list[Finding | None] = []
    low = rate.value < float(evals.pass_rate)
    if low:
        findings.append(below(workflow, evals, rate, figures, passed=passed, scored=scored))
    else:  # otherwise the finding above names the class
        findings.extend(never_right(workflow, figures))
    compared = compare(passed, baseline or {})
    if compared.cases:
        findings.append(regressed(workflow, evals, compared, rate, baseline_of=baseline_of, scored=scored))
        figures["compared"] = {**asdict(compared), "drop": compared.drop, "p_value": compared.p_value}
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        summary=f"{sum(passed.values())} of {len(passed)} cases passed, {rate}; the bar is {percent(float(evals.pass_rate))}",
        findings=tuple(finding for finding in findings if finding is not None),
        evidence=figures
        | {
            "passed": sum(passed.values()),
            "pass_rate": rate.value,
            "interval": [rate.low, rate.high],
            "bar": str(evals.pass_rate),
            "baseline": baseline_of or "no approved baseline yet",
        },
        checked=len(scored),
        # Without anything to compare with, a regression that is open stays open; below the bar, so does a class never right.
        covered=(INCOMPLETE, BELOW, *(() if low else (NEVER_RIGHT,)), *((REGRESSED,) if compared.cases else ())),
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
        "latency_ms_p95": quantiles(latencies, n=20, method="inclusive")[-1]
        if len(latencies) >= _PERCENTILE_CASES
        else None,
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
    if len(set(classes.values())) > _MOST_CLASSES:
        return {}
    return _shares((classes[sample.case_id], sample.passed) for sample in scored if sample.case_id in classes)


def _shares(pairs: Iterable[tuple[str, bool]]) -> dict[str, dict[str, float]]:
    counts: dict[str, list[bool]] = defaultdict(list)
    for name, passed in pairs:
        counts[name].append(passed)
    return {
        name: {"passed": sum(found), "of": len(found), "share": sum(found) / len(found)}
        for name, found in sorted(counts.items())
    }


def _passed(scored: Sequence[Sample]) -> dict[str, bool]:
    passed: dict[str, bool] = {}
    for sample in scored:
        passed[sample.case_id] = passed.get(sample.case_id, True) and sample.passed
    return passed


def _evals(workflow: Workflow) -> Evals:
    if workflow.evals is None:
        raise ValueError(f"{workflow.slug} declares no evals")
    return workflow.evals

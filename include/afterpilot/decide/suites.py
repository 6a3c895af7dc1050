"""The verdict on a suite that was run from the command line: against its bar alone, with no history and no workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from afterpilot.decide.eval_figures import measure
from afterpilot.domain.counting import plural
from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import percent, wilson
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Evals


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """PASS, FAIL or UNKNOWN with one plain sentence, the figures, and what a reader must know besides."""

    verdict: Verdict
    summary: str
    figures: Mapping[str, Any]
    warnings: tuple[str, ...] = field(default=())


def judge_suite(evals: Evals, samples: Sequence[Sample], *, today: date) -> SuiteOutcome:
    """Judge a suite's samples: FAIL below its bar, UNKNOWN where fewer than 95 % of samples or cases were scored, or none."""
    measured = measure(evals, samples, today=today)
    warnings = tuple(
        f"the waiver of {waiver.case or waiver.tag} by {waiver.by} ended on {waiver.until}: it counts again"
        for waiver in measured.expired
    )
    waived = f"; {len(measured.waived)} waived" if measured.waived else ""
    if not measured.valid or not measured.passed:
        answered = sum(sample.judged and not sample.error for sample in measured.samples)
        why = (
            "nothing but judges on probation has scored them"
            if answered and not any(sample.deciding for sample in measured.samples)
            else f"only {len(measured.scored)} of {plural(measured.expected, 'sample')} could be scored"
            if measured.expected
            else "the suite has no cases"
        )
        return SuiteOutcome(Verdict.UNKNOWN, f"cannot be judged: {why}{waived}", measured.figures, warnings)
    rate = wilson(sum(measured.passed.values()), len(measured.passed))
    good = rate.value >= float(evals.pass_rate)
    return SuiteOutcome(
        Verdict.PASS if good else Verdict.FAIL,
        f"{sum(measured.passed.values())} of {plural(len(measured.passed), 'case')} passed, {rate}; "
        f"the bar is {percent(float(evals.pass_rate))}{waived}",
        {
            **measured.figures,
            "cases": len(evals.cases),
            "passed": sum(measured.passed.values()),
            "pass_rate": rate.value,
            "interval": [rate.low, rate.high],
            "bar": str(evals.pass_rate),
        },
        warnings,
    )

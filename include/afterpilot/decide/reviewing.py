"""What the work of reviewers says: who accepts without reading, and whether people override more than they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import percent, wilson
from afterpilot.domain.run import Stage
from afterpilot.domain.sampling import ErrorRate, Overrides, Reviewing
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

BLIND = "review.blind_acceptance"
RISING = "review.overrides_rising"
NOT_LOOKED_AT = "review.spot_checks_not_done"

FEWEST = 20  # decisions of a person before anything is said about them
NEARLY_ALL = 0.97
MOSTLY = 0.5
# One-sided chance of as many overrides without any change. The days overlap from look to look: this low, a workflow that does
# not change is told of about once in some years.
CHANCE = 0.001


def judge_reviews(
    workflow: Workflow,
    reviewers: Sequence[Reviewing],
    overrides: Overrides,
    rate: ErrorRate | None,
    *,
    picked: int,
    released: int,
    expected: bool = True,
) -> StageResult:
    """The stage's result. Of ``released`` outputs of the last whole period ``picked`` went to people as spot checks; whether
    people have had time enough for them is ``expected``: before, none looked at is told of nobody, and takes nothing back.
    """
    early = bool(picked) and rate is None and not expected
    findings = [*_blind(workflow, reviewers), *_rising(workflow, overrides)]
    findings += [] if early else _not_done(workflow, rate, picked)
    decided = sum(one.decided for one in reviewers)
    return StageResult(
        workflow=workflow.slug,
        stage=Stage.REVIEW,
        summary=_summary(workflow, decided, rate, overrides, released, early=early),
        findings=tuple(findings),
        evidence={
            "reviewers": [
                {
                    "reviewer": one.reviewer,
                    "decided": one.decided,
                    "accepted": one.accepted,
                    "timed": one.timed,
                    "too_fast": one.too_fast,
                }
                for one in reviewers
            ],
            "overrides": {
                "judged": overrides.judged,
                "overridden": overrides.overridden,
                "judged_before": overrides.judged_before,
                "overridden_before": overrides.overridden_before,
            },
            "error_rate": _rate_evidence(rate),
            "spot_checks": picked,
        },
        checked=decided + overrides.judged,
        nothing_is_fine=not released or not _declared(workflow),
        covered=(BLIND, RISING) if early else (BLIND, RISING, NOT_LOOKED_AT),
    )


def _declared(workflow: Workflow) -> bool:
    return bool(workflow.spot_check.share) or workflow.spot_check.precision is not None


def _summary(
    workflow: Workflow,
    decided: int,
    rate: ErrorRate | None,
    overrides: Overrides,
    released: int,
    *,
    early: bool,
) -> str:
    parts = [f"{plural(decided, 'decision')} of people"]
    if overrides.judged:
        parts.append(f"{overrides.overridden:,} of {overrides.judged:,} released outputs overridden")
    if rate is not None:
        parts.append(f"error rate of the period before {rate.whole}")
    elif not _declared(workflow):
        parts.append("no spot checks are declared")
    elif not released:
        parts.append("nothing was released alone in the period before")
    else:
        parts.append("error rate of the period before UNKNOWN: no spot check was looked at" + (" yet" if early else ""))
    return "; ".join(parts)


def _blind(workflow: Workflow, reviewers: Sequence[Reviewing]) -> Iterator[Finding]:
    """Nearly all accepted, and most of it faster than it can be read."""
    for one in reviewers:
        if one.decided < FEWEST or one.timed < FEWEST:
            continue
        accepted, fast = one.accepted / one.decided, one.too_fast / one.timed
        if accepted < NEARLY_ALL or fast < MOSTLY:
            continue
        yield Finding(
            workflow=workflow.slug,
            stage=Stage.REVIEW,
            kind=BLIND,
            severity=Severity.WARNING,
            about=one.reviewer,
            title=(
                f"{one.reviewer} accepted {one.accepted:,} of {one.decided:,} outputs, "
                f"{one.too_fast:,} of them faster than they can be read"
            ),
            detail=(
                f"Reading is counted with {workflow.review.reading_speed} words a minute. Such decisions say nothing about the "
                "outputs: error and override rates that rest on them are too low."
            ),
            evidence={
                "reviewer": one.reviewer,
                "since": one.since.isoformat(),
                "decided": one.decided,
                "accepted": one.accepted,
                "timed": one.timed,
                "too_fast": one.too_fast,
                "cost": f"{one.accepted:,} outputs count as checked by a person and were hardly looked at",
                "to_do": "Talk to the reviewer: too much work, or nothing to decide? Give fewer items, or checks that pick better ones.",
                "examples": [],
            },
        )


def _rising(workflow: Workflow, seen: Overrides) -> Iterator[Finding]:
    """Fisher's exact test (R. A. Fisher, 1935), one-sided, of the latest days against those before them."""
    if not seen.judged or not seen.judged_before or not seen.overridden:
        return
    now, before = seen.overridden / seen.judged, seen.overridden_before / seen.judged_before
    if now <= before or _chance(seen) >= CHANCE:
        return
    yield Finding(
        workflow=workflow.slug,
        stage=Stage.REVIEW,
        kind=RISING,
        severity=Severity.WARNING,
        title=f"People override more: {percent(now)} of what they looked at, {percent(before)} before",
        detail=(
            f"{seen.overridden:,} of {seen.judged:,} in the last 7 days ({wilson(seen.overridden, seen.judged).span}), "
            f"{seen.overridden_before:,} of {seen.judged_before:,} in the 28 days before."
        ),
        evidence={
            "judged": seen.judged,
            "overridden": seen.overridden,
            "judged_before": seen.judged_before,
            "overridden_before": seen.overridden_before,
            "certainty": f"by chance alone less than once in {round(1 / CHANCE):,} looks",
            "cost": f"about {max(1, round(seen.overridden - before * seen.judged)):,} outputs more than usual had to be changed",
            "to_do": "Look at what was overridden: did the input, the prompt, the model or a rule of the office change?",
            "examples": [],
        },
    )


def _chance(seen: Overrides) -> float:
    from scipy.stats import fisher_exact  # half a second

    table = [
        [seen.overridden, seen.judged - seen.overridden],
        [seen.overridden_before, seen.judged_before - seen.overridden_before],
    ]
    return float(fisher_exact(table, alternative="greater").pvalue)


def _not_done(workflow: Workflow, rate: ErrorRate | None, picked: int) -> Iterator[Finding]:
    if picked and rate is None:
        yield Finding(
            workflow=workflow.slug,
            stage=Stage.REVIEW,
            kind=NOT_LOOKED_AT,
            severity=Severity.UNKNOWN,
            title=f"None of {plural(picked, 'spot check')} was looked at: nobody knows how often the workflow is wrong",
            detail="The error rate of what was released alone comes from spot checks only.",
            evidence={
                "picked": picked,
                "cost": "errors in what was released alone go unnoticed",
                "to_do": "Work through the spot checks of the review queue, or ask for fewer: spot_check in the declaration.",
                "examples": [],
            },
        )


def _rate_evidence(rate: ErrorRate | None) -> dict[str, object] | None:
    if rate is None:
        return None
    return {
        "value": rate.whole.value,
        "low": rate.whole.low,
        "high": rate.whole.high,
        "checked": rate.checked,
        "errors": rate.errors,
        "population": rate.population,
        "covered": rate.covered,
        "slices": {name: [one.value, one.low, one.high] for name, one in rate.slices.items()},
    }

"""What can be wrong with an eval run, in the words of its message: how sure, what it costs, what to do, which cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.decide.paired import Compared
from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import Interval, percent
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Evals, Workflow

INCOMPLETE, BELOW, REGRESSED = "evals.incomplete", "evals.below_bar", "evals.regressed"
NEVER_RIGHT = "evals.class_never_right"
_LEAST_OF_CLASS = 3  # fewer may well be wrong together by chance
_NAMED = 5
_LONGEST = 160  # characters of one line of an example


def incomplete(workflow: Workflow, samples: Sequence[Sample], *, scored: int, expected: int) -> Finding:
    """Too few samples could be scored."""
    errors = Counter(_short(sample.error) for sample in samples if sample.error)
    reasons = [f"{count} times: {error}" for error, count in errors.most_common(_NAMED)]
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=INCOMPLETE,
        severity=Severity.UNKNOWN,
        title=f"Only {scored} of {expected} eval samples could be scored: nothing is known about the model"
        if expected
        else "The eval suite has no cases: nothing is known about the model",
        detail="; ".join(reasons) or ("The suite ended early." if expected else ""),
        evidence={
            "certainty": "the harness could not finish; this says nothing about the model",
            "cost": "a change of model, prompt or provider would go unnoticed until this is mended",
            "to_do": "See whether the model's endpoint answers, then run the suite again."
            if expected
            else "Write cases with known answers into the file that the declaration names.",
            "examples": reasons,
        },
    )


def below(
    workflow: Workflow,
    evals: Evals,
    rate: Interval,
    figures: Mapping[str, Any],
    *,
    passed: Mapping[str, bool],
    scored: Sequence[Sample],
) -> Finding:
    """Fewer cases pass than must."""
    bar = float(evals.pass_rate)
    chance = " (the bar lies inside: a second run may pass it)" if rate.high >= bar else ""
    experiment = " It is an experiment: nothing depends on it yet." if workflow.stage == "experiment" else ""
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=BELOW,
        severity=Severity.CRITICAL,
        title=f"{sum(passed.values())} of {len(passed)} eval cases pass, {percent(bar)} must",
        detail=f"{weakest(figures)}{experiment}".strip(),
        evidence={
            "certainty": f"measured on {len(passed)} cases, {rate.span}{chance}",
            "cost": _at_this_rate(workflow, rate.value),
            "to_do": "See which cases fail and what they have in common; mend the prompt, the model or the cases.",
            "examples": _lines("fails", [case for case, good in passed.items() if not good], scored),
        },
    )


def regressed(
    workflow: Workflow, evals: Evals, compared: Compared, rate: Interval, *, baseline_of: str, scored: Sequence[Sample]
) -> Finding | None:
    """Worse than the approved baseline: FAIL where it is both more than chance and more than is tolerated, WARN where one.

    None where it is neither.
    """
    intolerable = compared.drop > float(evals.largest_drop)
    if not compared.significant and not intolerable:
        return None
    chance = f"chance alone would change as many cases in {percent(compared.p_value)} of runs"
    test = f"exact McNemar test, {compared.cases} cases"
    tolerated = "" if intolerable else f" It is within the tolerated {percent(float(evals.largest_drop))}."
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=REGRESSED,
        severity=Severity.CRITICAL if compared.significant and intolerable else Severity.WARNING,
        title=f"Worse than the approved baseline by {percent(compared.drop)} of the cases: "
        f"{len(compared.broken)} broke, {len(compared.fixed)} were fixed",
        detail=f"Broken: {_names(compared.broken)}.{tolerated}",
        evidence={
            "certainty": f"{'' if compared.significant else 'not sure: '}{chance} ({test})",
            "cost": _at_this_rate(workflow, rate.value),
            "to_do": "Compare model, prompt and cases with those of the baseline"
            f"{f' (run {baseline_of})' if baseline_of else ''}; the first that differs is the suspect.",
            "examples": _lines("broke", compared.broken, scored),
        },
    )


def never_right(workflow: Workflow, figures: Mapping[str, Any]) -> list[Finding]:
    """A warning for each class that was never answered rightly, although the suite as a whole passes."""
    return [
        Finding(
            workflow=workflow.slug,
            stage=Stage.EVALUATE,
            kind=NEVER_RIGHT,
            severity=Severity.WARNING,
            title=f"{_short(name)} is never answered rightly: 0 of {figures['by_class'][name]['of']}",
            about=_short(name),
            detail="The suite passes on the other classes alone.",
            evidence={
                "certainty": f"measured on {figures['by_class'][name]['of']} samples of this class",
                "cost": "every output that should be of this class is probably wrong",
                "to_do": "See what is answered instead; mend the prompt, or give the class to people.",
                "examples": [],
            },
        )
        for name in _never_right(figures)
    ]


def _never_right(figures: Mapping[str, Any]) -> list[str]:
    shares: Mapping[str, Mapping[str, float]] = figures["by_class"]
    return [name for name, share in shares.items() if not share["passed"] and share["of"] >= _LEAST_OF_CLASS]


def weakest(figures: Mapping[str, Any]) -> str:
    """The classes that are never right; without any the class or scorer with the lowest share; empty where nothing was scored."""
    shares: Mapping[str, Mapping[str, float]] = figures["by_class"] or figures["by_scorer"]
    if never := [f"{name} (0 of {shares[name]['of']:.0f})" for name in _never_right(figures)]:
        return f"Never answered rightly: {_names(never)}."
    if not shares:
        return ""
    name = min(shares, key=lambda key: shares[key]["share"])
    worst = shares[name]
    return f"Weakest: {_short(name)}, {worst['passed']:.0f} of {worst['of']:.0f} right."


def _at_this_rate(workflow: Workflow, share: float) -> str:
    wrong = percent(1 - share)
    about = wrong if wrong.startswith(("under", "over")) else f"about {wrong}"
    checks = " before the output checks" if workflow.outputs else ", and no output check is declared"
    return f"at this rate {about} of outputs are wrong{checks}"


def _lines(word: str, cases: Sequence[str], scored: Sequence[Sample]) -> list[str]:
    """A line for each case, with the first reason why it does not pass."""
    why: dict[str, str] = {}
    for sample in scored:
        for score in sample.scores:
            if not score.passed and score.reason:
                why.setdefault(sample.case_id, f": {score.scorer}: {score.reason}")
    return [_short(f"{word}: {case}{why.get(case, '')}") for case in cases[:_NAMED]]


def _names(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return ", ".join(_short(case) for case in cases[:_NAMED]) + more


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

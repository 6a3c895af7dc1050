"""What can be wrong with an eval run, in the words of its message: how sure, what it costs, what to do, which cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from afterpilot.decide.eval_figures import Measured
from afterpilot.decide.eval_words import NAMED, at_this_rate, lines, never_right_classes, short, weakest
from afterpilot.domain.counting import plural
from afterpilot.domain.evals import Waiver
from afterpilot.domain.intervals import Interval, percent
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import JsonTarget, ModelTarget, Workflow

INCOMPLETE, BELOW, NEVER_RIGHT = "evals.incomplete", "evals.below_bar", "evals.class_never_right"
NOTHING_DECIDES, BUDGET = "evals.nothing_decides", "evals.budget_spent"
WAIVER_EXPIRED, OUT_OF_REACH = "evals.waiver_expired", "evals.target_out_of_reach"
_UNSEEN = "a change of model, prompt or provider would go unnoticed until this is mended"


def incomplete(workflow: Workflow, measured: Measured) -> Finding:
    """Too few samples could be scored, or none was there."""
    scored, expected = len(measured.scored), measured.expected
    errors = Counter(short(sample.error) for sample in measured.samples if sample.error)
    reasons = [f"{plural(count, 'time')}: {error}" for error, count in errors.most_common(NAMED)]
    title = f"Only {scored} of {plural(expected, 'eval sample')} could be scored: nothing is known about the model"
    if measured.valid:
        title = "Every eval case that could be scored is waived: nothing is known about the model"
    return _unknown(
        workflow,
        INCOMPLETE,
        title if expected else "The eval suite has no cases: nothing is known about the model",
        detail="; ".join(reasons) or ("The suite ended early." if expected else ""),
        certainty="the harness could not finish; this says nothing about the model",
        to_do="See whether the model's endpoint answers, then run the suite again."
        if expected
        else "Write cases with known answers into the file that the declaration names.",
        examples=reasons,
    )


def nothing_decides(workflow: Workflow) -> Finding:
    """Every scorer is advisory: the answers are there, and nobody may judge them."""
    return _unknown(
        workflow,
        NOTHING_DECIDES,
        "Every scorer of the suite is a judge on probation: nothing may decide whether the answers are good",
        detail="The judges' scores are shown as advice.",
        certainty="certain: a judge decides once its agreement with people's labels is above its floor",
        to_do="Let people label outputs in the review queue, or add a scorer that needs no judge.",
    )


def budget_spent(workflow: Workflow, cap: Cap, spent: Money, expected: Decimal | None) -> Finding:
    """What is left of the eval budget pays for no run: nothing was asked."""
    run = "" if expected is None else f", and a run takes about {Money(expected, cap.limit.currency)}"
    return _unknown(
        workflow,
        BUDGET,
        f"The eval budget of {cap} is spent: the suite did not run",
        detail=f"{spent} went to evals in this period{run}. No case was asked.",
        certainty="certain: every known call of the period was counted; one without a price counts as the dearest",
        to_do="Wait for the next period, raise `evals.cap`, or run fewer cases, epochs or schedules.",
    )


def out_of_reach(workflow: Workflow, error: str, *, times: int) -> Finding:
    """Probes that nothing answered, several times in a row."""
    return _unknown(
        workflow,
        OUT_OF_REACH,
        f"The model did not answer {times} probes in a row",
        detail=short(error, 500),
        certainty="certain that the probes had no answer; whether production has the same trouble is not known",
        to_do="See whether the endpoint answers, and whether key and model name are right. The suite runs as soon as it answers.",
        hangs_on=f"model {_connection(workflow)}" if _connection(workflow) else "",
    )


def below(workflow: Workflow, measured: Measured, rate: Interval) -> Finding:
    """Fewer cases pass than must."""
    passed = measured.passed
    bar, passes = float(measured.evals.pass_rate), "passes" if len(passed) == 1 else "pass"
    chance = " (the bar lies inside: a second run may pass it)" if rate.high >= bar else ""
    experiment = " It is an experiment: nothing depends on it yet." if workflow.stage == "experiment" else ""
    said = " ".join(part for part in (weakest(measured.figures), waived_line(measured)) if part)
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=BELOW,
        severity=Severity.CRITICAL,
        title=f"{sum(passed.values())} of {plural(len(passed), 'eval case')} {passes}, {percent(bar)} must",
        detail=f"{said}{experiment}".strip(),
        evidence={
            "certainty": f"measured on {plural(len(passed), 'case')}, {rate.span}{chance}",
            "cost": at_this_rate(workflow, rate.value),
            "to_do": "See which cases fail and what they have in common; mend the prompt, the model or the cases.",
            "examples": lines("fails", [case for case, good in passed.items() if not good], measured.scored),
        },
    )


def never_right(workflow: Workflow, measured: Measured) -> list[Finding]:
    """A warning for each class that was never answered rightly, although the suite as a whole passes."""
    figures = measured.figures
    return [
        Finding(
            workflow=workflow.slug,
            stage=Stage.EVALUATE,
            kind=NEVER_RIGHT,
            severity=Severity.WARNING,
            title=f"{short(name)} is never answered rightly: 0 of {figures['by_class'][name]['of']}",
            about=short(name),
            detail=" ".join(("The suite passes on the other classes alone.", waived_line(measured))).strip(),
            evidence={
                "certainty": f"measured on {plural(figures['by_class'][name]['of'], 'sample')} of this class",
                "cost": "every output that should be of this class is probably wrong",
                "to_do": "See what is answered instead; mend the prompt, or give the class to people.",
                "examples": [],
            },
        )
        for name in never_right_classes(figures)
    ]


def waivers_expired(workflow: Workflow, waivers: Sequence[Waiver]) -> list[Finding]:
    """A warning for each waiver that holds no more: what it covered counts again."""
    return [
        Finding(
            workflow=workflow.slug,
            stage=Stage.EVALUATE,
            kind=WAIVER_EXPIRED,
            severity=Severity.WARNING,
            title=f"The waiver of {_covered(waiver)} has expired on {waiver.until}: {_counts(waiver)} again",
            about=waiver.case or f"tag {waiver.tag}",
            detail=f"{short(waiver.by)} waived it until {waiver.until}: {short(waiver.why)}",
            evidence={
                "certainty": "certain: the declaration says so",
                "cost": "nothing, while what it covered passes; else the suite may fail on it",
                "to_do": "Take the waiver out of the declaration where the cause is mended; else renew it, with a reason.",
                "examples": [],
                "waiver": waiver_as_data(waiver),
            },
        )
        for waiver in waivers
    ]


def waiver_as_data(waiver: Waiver) -> dict[str, str]:
    """A waiver as evidence."""
    until: date = waiver.until
    return {"case": waiver.case, "tag": waiver.tag, "until": until.isoformat(), "by": waiver.by, "why": waiver.why}


def waived_line(measured: Measured) -> str:
    """Which cases are waived, by whom and until when; empty where none is."""
    told = [
        f"{short(case)} until {waiver.until} by {short(waiver.by)} ({short(waiver.why)})"
        for case, (waiver, _) in list(measured.waived.items())[:NAMED]
    ]
    more = f" and {len(measured.waived) - NAMED} more" if len(measured.waived) > NAMED else ""
    return f"Waived, and not counted: {'; '.join(told)}{more}." if told else ""


def _covered(waiver: Waiver) -> str:
    return f"case {waiver.case}" if waiver.case else f"the cases with the tag {waiver.tag}"


def _counts(waiver: Waiver) -> str:
    return "it counts" if waiver.case else "they count"


def _unknown(
    workflow: Workflow,
    kind: str,
    title: str,
    *,
    detail: str,
    certainty: str,
    to_do: str,
    examples: Sequence[Any] = (),
    hangs_on: str = "",
) -> Finding:
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=kind,
        severity=Severity.UNKNOWN,
        title=title,
        detail=detail,
        evidence={"certainty": certainty, "cost": _UNSEEN, "to_do": to_do, "examples": list(examples)},
        hangs_on=hangs_on,
    )


def _connection(workflow: Workflow) -> str:
    """What the target of the suite listens behind; empty where it is none that others may have too."""
    target = workflow.evals.target if workflow.evals else None
    return target.connection if isinstance(target, ModelTarget | JsonTarget) else ""

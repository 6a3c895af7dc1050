"""Messages about evals: the model under test, its cases, its judges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from afterpilot.decide.against import Against
from afterpilot.decide.alarm import Alarm, Kind, Moved, State
from afterpilot.decide.causes import Causes
from afterpilot.decide.eval_figures import Measured, measure
from afterpilot.decide.eval_findings import (
    below,
    budget_spent,
    incomplete,
    never_right,
    nothing_decides,
    out_of_reach,
    waivers_expired,
)
from afterpilot.decide.judging import Drift, judge_drifted
from afterpilot.decide.regressions import baseline_due, regressed
from afterpilot.domain.evals import Sample, Score, Waiver
from afterpilot.domain.intervals import wilson
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.record import Usage
from afterpilot.domain.verdict import Finding
from afterpilot.pipeline.gallery.office import AT, DAY, TODAY, WORKFLOW
from afterpilot.pipeline.gallery.story import Specimen, told

_REASON = "'PO-45001' instead of 'PO-45010'"


def evals() -> Iterator[Specimen]:
    """All of them."""
    yield told("evals-regressed", "It is proven that the model answers worse than when it was approved.", worse())
    measured = _measured(passed=48)
    rate = wilson(48, 60)
    yield told("evals-below-bar", "Fewer cases pass than must.", below(WORKFLOW, measured, rate))
    classes = {**measured.figures, "by_class": {"credit note": {"passed": 0, "of": 6, "share": 0.0}}}
    never = never_right(WORKFLOW, replace(measured, figures=classes))[0]
    yield told("evals-class-never-right", "One sort of case always fails, although the suite passes.", never)
    lost = incomplete(WORKFLOW, _measured(passed=20, errors=36))
    yield told("evals-incomplete", "The suite could not be measured; that says nothing about the model.", lost)
    yield told(
        "evals-nothing-decides", "Nothing in the suite may decide whether an answer is good.", nothing_decides(WORKFLOW)
    )
    cap = Cap.parse("20 USD/month")
    spent = budget_spent(WORKFLOW, cap, Money(Decimal("19.40")), Decimal("0.85"))
    yield told("evals-budget-spent", "No money is left for evals: the suite did not run.", spent)
    waiver = Waiver(TODAY - DAY, "Lee Okafor", "the supplier's new layout is learnt this week", case="invoice-31")
    yield told("evals-waiver-expired", "A waiver in the declaration is over.", waivers_expired(WORKFLOW, [waiver])[0])
    down = out_of_reach(WORKFLOW, "HTTP 503 from openai_prod: upstream connect error", times=3)
    yield told("model-out-of-reach", "The model did not answer several probes in a row.", down)
    approved = Against(run="run-7", at=AT - 30 * DAY, by="Dana Ruiz", cases=60, common=22)
    due = baseline_due(WORKFLOW, approved)
    yield told("evals-baseline-due", "The suite is not the approved one any more.", due)
    moved = Moved(60, ("invoice-04", "invoice-17", "invoice-31", "invoice-52", "invoice-58"), ("invoice-09",), 0.0004)
    drift = judge_drifted(WORKFLOW, Drift("rubric(tone)", "a" * 64, moved, AT), decided=True)
    yield told("judge-drifted", "A model that judges answers is not the one that was measured.", drift)


def worse(*, known_cause: bool = True) -> Finding:
    """A proven regression, with its cause."""
    broken = ("invoice-10", "invoice-23", "invoice-31", "invoice-47")
    alarm = Alarm(
        state=State.ALARM,
        evidence=4180.0,
        threshold=1000.0,
        false_alarms_per_year=0.1,
        kind=Kind.SLICE,
        drop=0.12,
        low=0.07,
        high=0.18,
        since=TODAY - timedelta(days=2),
        earliest=TODAY - timedelta(days=3),
        latest=TODAY - timedelta(days=2),
        broken=tuple((case, 0.97) for case in broken),
        raised=TODAY,
        cases=60,
        days=5,
    )
    line = "the model that answered changed: gpt-5-mini-2026-08-07 → gpt-5-mini-2026-11-18"
    against = Against(
        run="run-7",
        at=AT - 30 * DAY,
        by="Dana Ruiz",
        cases=60,
        common=60,
        alarm=alarm,
        passed_then={f"invoice-{n:02d}": True for n in range(1, 61)},
        causes=Causes(("model",), (line,)) if known_cause else None,
    )
    measured = _measured(passed=53)
    found = regressed(WORKFLOW, measured, against, wilson(53, 60))
    if found is None:
        raise LookupError("an open alarm makes a finding")
    return found


def _measured(*, passed: int, errors: int = 0) -> Measured:
    """A run of the sixty cases: those that fail come first, the errors last."""
    if WORKFLOW.evals is None:
        raise LookupError("the gallery's workflow has a suite")
    cases = WORKFLOW.evals.cases
    failing = {10, 23, 31, 47, *range(60 - (60 - passed - 4), 60)}
    samples = []
    for number, case in enumerate(cases, 1):
        good = number not in failing
        score = Score("exact(po_number)", float(good), good, "" if good else _REASON)
        error = "HTTP 503: upstream connect error" if number > len(cases) - errors else ""
        usage = None if error else Usage("gpt-5-mini", 900, 120)
        cost = None if error else Decimal("0.0005")
        samples.append(
            Sample(case.id, 0, None if error else "{}", () if error else (score,), error, usage, cost, 850, 1)
        )
    return measure(WORKFLOW.evals, samples, today=TODAY)

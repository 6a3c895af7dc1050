"""Runs the eval suite against what is in production."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from afterpilot.decide.eval_figures import Measured, measure
from afterpilot.decide.evals import judge_budget_spent, judge_evals
from afterpilot.decide.judging import with_judges
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError, ConfigurationError
from afterpilot.domain.evals import Estimate
from afterpilot.domain.ports import EvalRunner
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.conclude import concluded, crashed, finished
from afterpilot.pipeline.evals.attempts import Attempt, attempt_of
from afterpilot.pipeline.evals.budgets import Budget, budget_of
from afterpilot.pipeline.evals.comparing import Comparison, compare
from afterpilot.pipeline.evals.estimating import typical
from afterpilot.pipeline.evals.fingerprinting import fingerprint, note, seen_by_run
from afterpilot.pipeline.evals.judging import Watched, watch
from afterpilot.pipeline.evals.keeping import Keeper
from afterpilot.pipeline.evals.knowing import known
from afterpilot.pipeline.evals.locking import Lock, alone
from afterpilot.pipeline.evals.rerunning import Rerun
from afterpilot.pipeline.evals.suites import Suite, suite_of
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.results import EvalResult
from afterpilot.record.ops import Unit

PROBE = "probe"  # the DAG whose suites were started by a change
log = logging.getLogger(__name__)


def evaluated_since(services: Services, workflow: Workflow, since: datetime | None) -> Run | None:
    """The newest run that did its work, where it began at that moment or later."""
    if since is None:
        return None
    with services.ops.begin() as unit:
        newest = unit.runs.latest_ran(workflow.slug, Stage.EVALUATE)
    return newest if newest is not None and newest.window.start >= since else None


def evaluate(services: Services, workflow: Workflow, *, trigger: Trigger, since: datetime | None = None) -> Run:
    """Run the eval suite against the live model, and hold it against its bar and the approved baseline.

    Samples are kept as they come; an attempt that was cut off goes on where it stopped. A workflow has one eval run at a time: a
    second attempt waits for the first, and finds its result. Where another run has begun ``since`` a moment, that one's
    result is enough.
    """
    if (done := finished(services, workflow, Stage.EVALUATE, trigger)) is not None:
        return done
    if workflow.evals is None:
        raise CheckError(f"{workflow.slug} declares no evals")
    run_id = Run.identity(workflow.slug, Stage.EVALUATE, trigger)
    with alone(services.ops, workflow.slug) as lock:
        if (done := finished(services, workflow, Stage.EVALUATE, trigger)) is not None:
            return done
        if (done := evaluated_since(services, workflow, since)) is not None:
            return done
        return _evaluated(services, workflow, workflow.evals, run_id, trigger, lock)


def _evaluated(
    services: Services, workflow: Workflow, evals: Evals, run_id: uuid.UUID, trigger: Trigger, lock: Lock
) -> Run:
    started = services.now()
    try:
        runner = services.runner(workflow)
        budget = budget_of(services, workflow, at=started, run_id=run_id)
    except ConfigurationError as error:  # nobody can be asked; a retry cannot help
        return crashed(services, workflow, Stage.EVALUATE, error, trigger=trigger)
    attempt = attempt_of(services, workflow, evals, run_id, started=started, lock=lock)
    estimate = runner.estimate(evals, typical=typical(services, workflow, evals))
    log.info("%s: the suite takes %s", workflow.slug, _estimated(estimate))
    missing = any((case.id, epoch) not in attempt.done for case in evals.cases for epoch in range(evals.epochs))
    if budget is not None and missing and not budget.allows(estimate):
        result = judge_budget_spent(workflow, budget.cap, budget.spent, expected=estimate.expected)
        window = Window(attempt.began, services.now())
        return concluded(services, result, workflow, window, trigger, started, ran=False)
    if budget is not None:
        evals = budget.lowered(evals)
    watched = watch(services, workflow, evals, runner, estimate, began=attempt.began)
    evals = replace(evals, max_cost=replace(evals.max_cost, amount=evals.max_cost.amount - watched.spent))
    return _suite_run(services, workflow, evals, runner, estimate, budget, watched, attempt, trigger)


def _suite_run(
    services: Services,
    workflow: Workflow,
    evals: Evals,
    runner: EvalRunner,
    estimate: Estimate,
    budget: Budget | None,
    watched: Watched,
    attempt: Attempt,
    trigger: Trigger,
) -> Run:
    keep = Keeper(
        services,
        workflow,
        attempt.run_id,
        began=attempt.began,
        attempt=attempt.started,
        asked=attempt.asked,
        lock=attempt.lock,
    )
    samples = runner.run(evals, keep=keep, done=attempt.done, failed=attempt.failed, advisory=attempt.advisory)
    measured = measure(evals, samples, today=attempt.began.astimezone(UTC).date())
    suite = suite_of(evals, attempt.advisory)
    marks = fingerprint(services, workflow, evals, samples, advisory=attempt.advisory)
    compared = Comparison(against=None)
    if measured.valid:
        compared = compare(
            services,
            workflow,
            measured,
            known(services, workflow, began=attempt.began),
            suite=suite,
            fingerprint=marks,
            began=attempt.began,
            again=Rerun(evals, runner, keep, attempt, samples, estimate),
        )
    result = judge_evals(
        workflow, measured, compared.against, flaky=compared.flaky, evidence=_said(estimate, budget, attempt)
    )
    result = with_judges(result, workflow, watched.standings, watched.drifts, looked=watched.looked)
    row = _row(workflow, measured, compared, suite, marks, attempt, trigger)

    def also(unit: Unit, _run_id: uuid.UUID) -> None:
        unit.eval_results.keep_suite(
            workflow.slug, suite.name, scorers=suite.scorers, digests=suite.digests, at=attempt.began
        )
        unit.eval_results.add(row)
        note(unit, workflow.slug, seen_by_run(marks, evals), at=attempt.began)

    window = Window(attempt.began, services.now())
    return concluded(services, result, workflow, window, trigger, attempt.started, versions=_versions(marks), also=also)


def _row(
    workflow: Workflow,
    measured: Measured,
    compared: Comparison,
    suite: Suite,
    marks: Mapping[str, Any],
    attempt: Attempt,
    trigger: Trigger,
) -> EvalResult:
    figures = measured.figures
    alarm = compared.against.alarm if compared.against else None
    costs = [sample.cost for sample in measured.samples if sample.attempts]
    if compared.against and compared.rounds:
        costs.append(compared.against.rerun_cost)
    latencies = [figures["latency_ms_p50"], figures["latency_ms_p95"]]
    p50, p95 = (None if value is None else round(value) for value in latencies)
    return EvalResult(
        run_id=attempt.run_id,
        workflow=workflow.slug,
        at=attempt.began,
        origin=PROBE if trigger.dag_id == PROBE else "cli" if trigger.origin == "cli" else "schedule",
        valid=measured.valid,
        suite=suite.name,
        cases=len(suite.digests),
        passed=sum(measured.passed.values()),
        scored=len(measured.passed),
        outcomes=measured.outcomes,
        verdicts=measured.verdicts,
        rounds=compared.rounds,
        slices=figures["by_tag"],
        scorers=figures["by_scorer"],
        fingerprint=marks,
        cost=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0)),
        currency=measured.evals.max_cost.currency,
        latency_p50=p50,
        latency_p95=p95,
        evidence=alarm.evidence if alarm else None,
        alarm=str(alarm.state) if alarm else "",
    )


def _said(estimate: Estimate, budget: Budget | None, attempt: Attempt) -> dict[str, Any]:
    told: dict[str, Any] = {
        "estimate": {
            "calls": estimate.calls,
            "expected": None if estimate.expected is None else str(estimate.expected),
            "most": None if estimate.most is None else str(estimate.most),
            "currency": estimate.currency,
            **({"why_unknown": estimate.why_unknown} if estimate.why_unknown else {}),
        }
    }
    if budget is not None:
        told["budget"] = budget.as_evidence()
    if attempt.advisory:
        told["advisory"] = sorted(attempt.advisory)
    return told


def _estimated(estimate: Estimate) -> str:
    if estimate.most is None:
        return f"{plural(estimate.calls, 'call')}, at a cost that is not known: {estimate.why_unknown}"
    return (
        f"{plural(estimate.calls, 'call')}, about {estimate.expected} and at most {estimate.most} {estimate.currency}"
    )


def _versions(marks: Mapping[str, Any]) -> dict[str, str]:
    """What was tested, as the run keeps it: model asked and answered, prompt and cases."""
    return {
        "model": marks["model"],
        "model_answered": ", ".join(marks["answered"].get("model", ())),
        "prompt": marks["prompt"],
        "cases": marks["cases"],
    }

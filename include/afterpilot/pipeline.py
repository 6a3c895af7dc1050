"""The path, one function for each stage: pull → check → gate → evaluate → spend → report, and declare before all.

Each stage takes plain domain types, finds its own result where an earlier attempt of the same trigger has written it, and
otherwise ends in :func:`conclude`: run, incidents and messages are written in one transaction, or none of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from afterpilot.check.gate import is_spot_check
from afterpilot.decide import incidents as life_cycle
from afterpilot.decide.declaring import judge_declaration
from afterpilot.decide.evals import judge_evals
from afterpilot.decide.gating import judge_gate
from afterpilot.decide.pulling import judge_pull
from afterpilot.decide.quality import judge_quality
from afterpilot.decide.spending import judge_spend
from afterpilot.domain.errors import AfterpilotError, CheckError, SourceError
from afterpilot.domain.evals import Sample
from afterpilot.domain.incident import Incident
from afterpilot.domain.ports import EvalRunner, OutputGate, PriceList, QualityChecker, RecordSource
from afterpilot.domain.record import Discrepancy, GateDecision, Record
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Declarations, Evals, Fleet, Loaded, Workflow
from afterpilot.notify.messages import Messages
from afterpilot.pull.redact import redact
from afterpilot.record.ops import Ops, Unit
from afterpilot.spend.caps import period_window
from afterpilot.spend.totals import totals

BATCH = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the stages need from outside; :mod:`afterpilot.wiring` builds it."""

    ops: Ops
    fleet: Fleet
    messages: Messages
    source: Callable[[Workflow], RecordSource]
    checker: QualityChecker
    gate: OutputGate
    runner: Callable[[Workflow], EvalRunner]
    prices: PriceList
    code_version: str
    now: Callable[[], datetime]


def declare(services: Services, declarations: Declarations, *, trigger: Trigger) -> Sequence[Run]:
    """Keep every folder as it was loaded, and tell of the broken ones; the good ones go on as if nothing had happened."""
    at = services.now()
    with services.ops.begin() as unit:
        for loaded in declarations.folders:
            unit.declarations.keep(loaded, at=at)
        unit.declarations.mark_absent([loaded.slug for loaded in declarations.folders])
    fleet = Loaded(
        slug="_fleet",
        path="_fleet.yaml",
        workflow=None,
        problems=declarations.fleet_problems,
        sha256="",
        document={},
    )
    return [
        _concluded(services, judge_declaration(loaded), loaded.workflow, Window(at, at), trigger, at)
        for loaded in (*declarations.folders, fleet)
    ]


def pull(services: Services, workflow: Workflow, *, until: datetime, trigger: Trigger) -> Run:
    """Bring the records from the last watermark (less the lateness allowance) to ``until`` into the ops database."""
    if (done := _finished(services, workflow, Stage.PULL, trigger)) is not None:
        return done
    started = services.now()
    with services.ops.begin() as unit:
        watermark = unit.records.pulled_to(workflow.slug)
    window = Window(min(watermark or until - workflow.source.history, until), until)
    reading = window.reaching_back(workflow.source.late_by if watermark else timedelta(0))
    run_id = Run.identity(workflow.slug, Stage.PULL, trigger)
    error: SourceError | None = None
    pulled = late = decided = 0
    source = services.source(workflow)
    try:
        for batch in _batches(source.records(reading), BATCH):
            redacted = [redact(record, workflow.source) for record in batch]
            with services.ops.begin() as unit:
                new = unit.records.write(redacted, run_id)
            pulled += new
            late += min(new, sum(record.at < window.start for record in batch)) if watermark else 0
        for decisions in _batches(source.decisions(reading), BATCH):
            with services.ops.begin() as unit:
                decided += unit.records.write_decisions(decisions)
    except SourceError as failure:
        error = failure
    result = judge_pull(
        workflow, window=window, pulled=pulled, late=late, decisions=decided, skipped=source.skipped, error=error
    )

    def move_watermark(unit: Unit) -> None:
        if error is None:
            unit.records.set_pulled_to(workflow.slug, until)

    return _concluded(services, result, workflow, window, trigger, started, also=move_watermark)


def check(services: Services, workflow: Workflow, *, window: Window, trigger: Trigger) -> Run:
    """Judge the quality expectations over the records of the window."""
    if (done := _finished(services, workflow, Stage.CHECK, trigger)) is not None:
        return done
    started = services.now()
    judged = services.checker.judge(workflow, window)
    return _concluded(services, judge_quality(workflow, judged, window=window), workflow, window, trigger, started)


def gate(services: Services, workflow: Workflow, *, window: Window, trigger: Trigger) -> Run:
    """Decide on every output that has no decision yet: release it, or send it to a person with the discrepancies.

    Records that could not be decided on earlier (a reference table was down) are taken up again.
    """
    if (done := _finished(services, workflow, Stage.GATE, trigger)) is not None:
        return done
    started = services.now()
    run_id = Run.identity(workflow.slug, Stage.GATE, trigger)
    reach = Window(min(window.start - workflow.source.late_by, window.end - workflow.source.history), window.end)
    with services.ops.begin() as unit:
        waiting = list(unit.records.undecided(workflow.slug, reach))
    left = len(waiting)
    error: CheckError | None = None
    try:
        for batch in _batches(iter(waiting), BATCH):
            decisions = [_decision(workflow, record, found) for record, found in services.gate.judge(workflow, batch)]
            with services.ops.begin() as unit:
                unit.gate.write(decisions, run_id)
            left -= len(decisions)
    except CheckError as failure:
        error = failure
    with services.ops.begin() as unit:
        made = unit.gate.of_run(run_id)
    result = judge_gate(workflow, made, undecided=left, error=error)
    return _concluded(services, result, workflow, window, trigger, started)


def evaluate(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Run the eval suite against the live model, and compare with the approved baseline.

    Samples are kept as they come; an attempt that was cut off goes on where it stopped.
    """
    if (done := _finished(services, workflow, Stage.EVALUATE, trigger)) is not None:
        return done
    if workflow.evals is None:
        raise CheckError(f"{workflow.slug} declares no evals")
    started = services.now()
    run_id = Run.identity(workflow.slug, Stage.EVALUATE, trigger)
    with services.ops.begin() as unit:
        began = unit.samples.began_at(run_id) or started
        earlier = unit.samples.scored(run_id)
        baseline = unit.samples.baseline(workflow.slug)

    def keep(sample: Sample) -> None:
        with services.ops.begin() as unit:
            unit.samples.add(sample, workflow=workflow.slug, run_id=run_id, began_at=began)
            if sample.attempts:
                ref = f"{run_id}/{sample.case_id}/{sample.epoch}"
                unit.records.write_usage([(workflow.slug, "eval", ref, began, sample.usage)])

    samples = services.runner(workflow).run(workflow.evals, keep=keep, done=earlier)
    baseline_run, passed = baseline or (None, None)
    result = judge_evals(workflow, samples, passed, baseline_of=str(baseline_run or ""))
    window = Window(began, services.now())
    versions = _eval_versions(workflow.evals, samples)
    return _concluded(services, result, workflow, window, trigger, started, versions=versions)


def spend(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Price what has no price yet, and hold the period's sum against the cap."""
    if (done := _finished(services, workflow, Stage.SPEND, trigger)) is not None:
        return done
    started = services.now()
    with services.ops.begin() as unit:
        unit.records.forget_failed_prices(workflow.slug)
    while True:
        with services.ops.begin() as unit:
            calls = unit.records.unpriced(workflow.slug)
            unit.records.set_prices(
                workflow.slug, [(kind, ref, at, services.prices.price(used, at)) for kind, ref, at, used in calls]
            )
        if not calls:
            break
    window = period_window(workflow.spend.cap.period, started)
    with services.ops.begin() as unit:
        rows = unit.records.spend(workflow.slug, window)
    result = judge_spend(workflow, totals(rows, workflow.spend.cap, window), now=started)
    return _concluded(services, result, workflow, Window(window.start, started), trigger, started)


def crashed(services: Services, workflow: Workflow, stage: Stage, error: BaseException, *, trigger: Trigger) -> Run:
    """The stage itself failed: an UNKNOWN run with the reason, never silence."""
    at = services.now()
    finding = Finding(
        workflow=workflow.slug,
        stage=stage,
        kind=f"{stage}.did_not_run",
        severity=Severity.UNKNOWN,
        title=f"The stage {stage} could not run: {type(error).__name__}",
        detail=str(error)[:1000] if isinstance(error, AfterpilotError) else "The task's log has the details.",
    )
    result = StageResult(
        workflow=workflow.slug, stage=stage, summary="the stage could not run", findings=(finding,), covered=()
    )
    return _concluded(services, result, workflow, Window(at, at), trigger, at)


def _finished(services: Services, workflow: Workflow, stage: Stage, trigger: Trigger) -> Run | None:
    with services.ops.begin() as unit:
        return unit.runs.find(workflow.slug, stage, trigger)


def _concluded(
    services: Services,
    result: StageResult,
    workflow: Workflow | None,
    window: Window,
    trigger: Trigger,
    started: datetime,
    *,
    versions: Mapping[str, str] | None = None,
    also: Callable[[Unit], None] | None = None,
) -> Run:
    """Write run, incidents and messages in one transaction; where another attempt was first, its run stands."""
    at = services.now()
    stamps = {"code": services.code_version, **(versions or {})}
    if workflow is not None:
        stamps["declaration"] = workflow.sha256
    with services.ops.begin() as unit:
        run_id, new = unit.runs.add(
            result, window=window, trigger=trigger, versions=stamps, started_at=started, finished_at=at
        )
        if new:
            if also is not None:
                also(unit)
            _follow_up(services, unit, result, workflow, run_id, at)
        run = unit.runs.get(run_id)
    if run is None:  # pragma: no cover - it was written or found in the same transaction
        raise LookupError(f"run {run_id} is gone")
    return run


def _follow_up(
    services: Services, unit: Unit, result: StageResult, workflow: Workflow | None, run_id: uuid.UUID, at: datetime
) -> None:
    """Open, renew and resolve incidents, and queue the message of each change."""
    unit.incidents.lock(result.workflow)
    covered = (*result.covered, f"{result.stage}.did_not_run")
    changes = life_cycle.changes(replace(result, covered=covered), unit.incidents.unresolved(result.workflow))
    news: list[tuple[str, Incident, Finding | None]] = [
        ("opened", unit.incidents.open(finding, run_id=run_id, at=at), finding) for finding in changes.opened
    ]
    for incident, finding in changes.again:
        renewed = unit.incidents.see_again(incident, finding, run_id=run_id, at=at)
        if (renewed.title, renewed.severity) != (incident.title, incident.severity):
            news.append((f"changed/{run_id}", renewed, finding))
    news += [
        ("resolved", unit.incidents.resolve(incident, run_id=run_id, at=at), None) for incident in changes.resolved
    ]
    for what, incident, finding in news:
        unit.outbox.put(
            services.messages.incident(incident, finding, workflow=workflow, run_id=run_id),
            dedupe_key=f"incident/{incident.id}/{what}",
            workflow=result.workflow,
            kind="resolved" if what == "resolved" else "incident",
            channel=workflow.channel if workflow else services.fleet.channel,
            incident_id=incident.id,
        )


def _decision(workflow: Workflow, record: Record, found: Sequence[Discrepancy]) -> GateDecision:
    if found:
        return GateDecision(workflow.slug, record.key, record.at, released=False, reason="failed_check", discrepancies=tuple(found))
    reason = "spot_check" if is_spot_check(workflow.slug, record.key, workflow.spot_check) else "passed"
    return GateDecision(workflow.slug, record.key, record.at, released=True, reason=reason)


def _eval_versions(evals: Evals, samples: Sequence[Sample]) -> dict[str, str]:
    """The fingerprint of what was tested: model asked and answered, prompt and cases."""
    answered = sorted({sample.usage.model for sample in samples if sample.usage and sample.usage.model})
    return {
        "model": evals.model.name,
        "model_answered": ", ".join(answered),
        "prompt": evals.model.prompt.sha256,
        "cases": evals.sha256,
    }


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch

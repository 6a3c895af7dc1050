"""How every stage ends: one transaction with the run, what became of its incidents, and the messages about them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from afterpilot.decide.consequences import LASTS
from afterpilot.decide.crashing import did_not_run
from afterpilot.decide.lasting import Silent, accounted_for, lasting, lasts
from afterpilot.domain.incident import Incident
from afterpilot.domain.run import FLEET, Run, Stage, Trigger
from afterpilot.domain.storable import storable
from afterpilot.domain.verdict import Severity, StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.following_up import Found, follow_up
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit


def finished(
    services: Services, workflow: Workflow, stage: Stage, trigger: Trigger, *, corrects: uuid.UUID | None = None
) -> Run | None:
    """The run that an earlier attempt of this trigger has written, if any."""
    with services.ops.begin() as unit:
        return unit.runs.find(workflow.slug, stage, trigger, corrects=corrects)


def concluded(
    services: Services,
    result: StageResult,
    workflow: Workflow | None,
    window: Window,
    trigger: Trigger,
    started: datetime,
    *,
    versions: Mapping[str, str] | None = None,
    also: Callable[[Unit, uuid.UUID], None] | None = None,
    ran: bool = True,
    corrects: uuid.UUID | None = None,
    channel: Callable[[Incident], str] | None = None,
    closes: str = "",
) -> Run:
    """Write run, incidents and messages in one transaction; where another attempt was first, its run stands.

    ``ran`` is False for a stage that crashed or had nothing to work on: then no incident of it is over, and its evidence
    says so. What it should have looked at is left to the next run. ``corrects`` is the run whose place this one takes.
    ``channel`` says where an incident is told, empty for the usual place: the workflow's, or without one the fleet's. ``closes``
    says why nobody looks for anything of this workflow any more: its incidents of other stages are over.
    """
    at = services.now()
    result = _storable(result if ran else replace(result, evidence={**result.evidence, "ran": False}))
    stamps = {"code": services.code_version, **(versions or {})}
    if workflow is not None:
        stamps["declaration"] = workflow.sha256
    with services.ops.begin() as unit:
        result = _with_lasting(unit, result, at)
        run_id, new = unit.runs.add(
            result,
            window=window,
            trigger=trigger,
            versions=stamps,
            started_at=started,
            finished_at=at,
            corrects=corrects,
        )
        if new:
            if also is not None:
                also(unit, run_id)
            if ran:
                result = replace(result, covered=(*result.covered, f"{result.stage}.did_not_run"))
            found = Found(at=at, run_id=run_id, corrects=corrects, closes=closes, channel=channel)
            follow_up(services, unit, result, workflow, found)
        run = unit.runs.get(run_id)
    if run is None:  # pragma: no cover - it was written or found in the same transaction
        raise LookupError(f"run {run_id} is gone")
    return run


def concluded_many(
    services: Services,
    results: Sequence[tuple[StageResult, Workflow, Window]],
    trigger: Trigger,
    started: datetime,
    *,
    also: Callable[[Unit], None],
) -> Sequence[Run]:
    """Write runs of many workflows that found nothing and end nothing, in one transaction; those that were not there yet."""
    at = services.now()
    versions = [{"code": services.code_version, "declaration": workflow.sha256} for _, workflow, _ in results]
    rows = [(_storable(result), window, stamps) for (result, _, window), stamps in zip(results, versions, strict=True)]
    with services.ops.begin() as unit:
        also(unit)
        return unit.runs.add_many(rows, trigger=trigger, started_at=started, finished_at=at)


def not_run(services: Services, workflow: Workflow, stage: Stage, why: str, *, window: Window, trigger: Trigger) -> Run:
    """An UNKNOWN run of a stage that had nothing to work on; what caused it has an incident of its own."""
    if (done := finished(services, workflow, stage, trigger)) is not None:
        return done
    result = StageResult(workflow=workflow.slug, stage=stage, summary=f"not run: {why}")
    return concluded(services, result, workflow, window, trigger, services.now(), ran=False)


def crashed(services: Services, workflow: Workflow, stage: Stage, error: BaseException, *, trigger: Trigger) -> Run:
    """The stage itself failed: an UNKNOWN run with the reason, never silence."""
    at = services.now()
    finding = did_not_run(workflow.slug, stage, error)
    result = StageResult(
        workflow=workflow.slug,
        stage=stage,
        summary="the stage could not run",
        findings=(finding,),
        evidence={"crashed": type(error).__name__},
    )
    return concluded(services, result, workflow, Window(at, at), trigger, at, ran=False)


def _with_lasting(unit: Unit, result: StageResult, at: datetime) -> StageResult:
    """The result, with a finding where it is UNKNOWN for days and nothing says why; over is that once the stage says something."""
    kind = f"{result.stage}.{LASTS}"
    if result.verdict is not Verdict.UNKNOWN:
        return replace(result, covered=(*result.covered, kind))
    if any(finding.severity is not Severity.INFO for finding in result.findings):
        return result
    before = Silent(*unit.runs.unknown_before(result.workflow, Stage(result.stage)))
    if not lasts(result, before, at=at):
        return result
    unresolved = (*unit.incidents.unresolved(result.workflow), *unit.incidents.unresolved(FLEET))
    if accounted_for(result, unresolved):
        return result
    return replace(result, findings=(*result.findings, lasting(result, before, at=at)))


def _storable(result: StageResult) -> StageResult:
    """The same result in words that can be kept: an error that a server or model has worded may hold what no database takes."""
    findings = tuple(
        replace(one, title=storable(one.title), about=storable(one.about), detail=storable(one.detail))
        for one in result.findings
    )
    return replace(result, summary=storable(result.summary), findings=findings)

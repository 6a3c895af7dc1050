"""The stages over production records: pull, check, gate."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from afterpilot.check.gate import is_spot_check
from afterpilot.decide.changing import with_changed
from afterpilot.decide.gating import judge_gate
from afterpilot.decide.pulling import judge_pull, with_repeated
from afterpilot.decide.quality import judge_quality
from afterpilot.domain.errors import CheckError, ConfigurationError, SourceError
from afterpilot.domain.ports import RecordSource
from afterpilot.domain.record import Discrepancy, GateDecision, Record
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.corrections import offer_cases
from afterpilot.pipeline.services import Services
from afterpilot.pull.redact import redact
from afterpilot.record.ops import Unit
from afterpilot.record.records import Waiting

BATCH = 500
T = TypeVar("T")


def pull(services: Services, workflow: Workflow, *, until: datetime, trigger: Trigger) -> Run:
    """Bring the records from the last watermark (less the lateness allowance) to ``until`` into the ops database."""
    if (done := finished(services, workflow, Stage.PULL, trigger)) is not None:
        return done
    started = services.now()
    until = min(until, started)  # nothing of the future was written yet: a watermark there would hide what will be
    with services.ops.begin() as unit:
        watermark = unit.records.pulled_to(workflow.slug)
    window = Window(min(watermark or until - workflow.source.history, until), until)
    reading = window.reaching_back(workflow.source.late_by if watermark else timedelta(0))
    run_id = Run.identity(workflow.slug, Stage.PULL, trigger)
    error: SourceError | ConfigurationError | None = None
    pulled = late = decided = repeated = 0
    source: RecordSource | None = None
    try:
        source = services.source(workflow)
        for batch in _batches(source.records(reading), BATCH):
            redacted = [redact(record, workflow.source) for record in batch]
            with services.ops.begin() as unit:
                new, twice = unit.records.write(redacted, run_id)
            pulled += len(new)
            repeated += twice
            late += len({one.key for one in batch if one.key in new and one.at < window.start}) if watermark else 0
        for decisions in _batches(source.decisions(reading), BATCH):
            with services.ops.begin() as unit:
                decided += unit.records.write_decisions(decisions)
    except (SourceError, ConfigurationError) as failure:  # a connection that is missing is a source that cannot be read
        error = failure
    result = judge_pull(
        workflow,
        window=window,
        pulled=pulled,
        late=late,
        decisions=decided,
        skipped=with_repeated(source.skipped if source else {}, workflow, repeated),
        noted=source.noted if source else {},
        error=error,
    )

    def move_watermark(unit: Unit, _run_id: uuid.UUID) -> None:
        if error is None:
            unit.records.set_pulled_to(workflow.slug, until)

    run = concluded(services, result, workflow, window, trigger, started, also=move_watermark)
    if decided:
        offer_cases(services, workflow)
    return run


def check(services: Services, workflow: Workflow, *, window: Window, trigger: Trigger) -> Run:
    """Judge the quality expectations over the records of the window, and over all that no check has looked at yet: what was
    pulled while checks crashed or were left out, and what came late. The run's window is the one that was judged.
    """
    if (done := finished(services, workflow, Stage.CHECK, trigger)) is not None:
        return done
    started = services.now()
    with services.ops.begin() as unit:
        window = _unchecked(unit, workflow, window)
    judged = services.checker.judge(workflow, window)
    return concluded(services, judge_quality(workflow, judged, window=window), workflow, window, trigger, started)


def gate(services: Services, workflow: Workflow, *, window: Window, trigger: Trigger) -> Run:
    """Decide on every output that has no decision yet: release it, or send it to a person with the discrepancies.

    Records that could not be decided on earlier (a reference table was down) are taken up again, and so are outputs that
    changed at their source after they were released.
    """
    if (done := finished(services, workflow, Stage.GATE, trigger)) is not None:
        return done
    started = services.now()
    run_id = Run.identity(workflow.slug, Stage.GATE, trigger)
    reach = Window(min(window.start - workflow.source.late_by, window.end - workflow.source.history), window.end)
    with services.ops.begin() as unit:
        left = unit.records.count_undecided(workflow.slug, reach)
    error: CheckError | None = None
    try:
        for batch in _undecided(services, workflow, reach):
            given = [one.record for one in batch]
            decisions = [_decision(workflow, record, found) for record, found in services.gate.judge(workflow, given)]
            with services.ops.begin() as unit:
                unit.gate.write(decisions, run_id, data_md5={one.record.key: one.data_md5 for one in batch})
            left = max(0, left - len(decisions))
    except CheckError as failure:
        error = failure
    with services.ops.begin() as unit:
        made, changed = unit.gate.of_run(run_id), unit.gate.changed_after_release(run_id)
    result = with_changed(judge_gate(workflow, made, undecided=left, error=error), workflow, changed)
    return concluded(services, result, workflow, window, trigger, started)


def _unchecked(unit: Unit, workflow: Workflow, window: Window) -> Window:
    """The window, begun so early that it holds what was pulled since the last check that really looked."""
    last = unit.runs.latest_ran(workflow.slug, Stage.CHECK)
    pulls = unit.runs.ran_since(workflow.slug, Stage.PULL, last.started_at if last else None)
    starts = [window.start, *(run.window.start for run in pulls), *([last.window.end] if last else ())]
    late = any(run.evidence.get("late") for run in pulls)
    return Window(min(starts) - (workflow.source.late_by if late else timedelta(0)), window.end)


def _undecided(services: Services, workflow: Workflow, reach: Window) -> Iterator[list[Waiting]]:
    """Batch after batch, each read when the one before was decided on: memory does not grow with what waits."""
    last: Record | None = None
    while True:
        with services.ops.begin() as unit:
            batch = list(unit.records.undecided(workflow.slug, reach, after=last, limit=BATCH))
        if not batch:
            return
        yield batch
        last = batch[-1].record


def _decision(workflow: Workflow, record: Record, found: Sequence[Discrepancy]) -> GateDecision:
    if found:
        return GateDecision(
            workflow.slug, record.key, record.at, released=False, reason="failed_check", discrepancies=tuple(found)
        )
    reason = "spot_check" if is_spot_check(workflow.slug, record.key, workflow.spot_check.share) else "passed"
    return GateDecision(workflow.slug, record.key, record.at, released=True, reason=reason)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch

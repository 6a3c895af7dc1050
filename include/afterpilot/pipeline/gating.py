"""The stage that decides on outputs before they are used: gate. What it decides reaches production as the workflow declares."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from afterpilot.decide.changing import with_changed
from afterpilot.decide.gating import judge_gate
from afterpilot.decide.releasing import with_releases
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, GateDecision, Record
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.noticing import SWEPT
from afterpilot.pipeline.releasing import release
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.spot_checks import picker
from afterpilot.record.production.records import Waiting

BATCH = 500


def gate(
    services: Services,
    workflow: Workflow,
    *,
    window: Window,
    trigger: Trigger,
    told: Mapping[str, int] | None = None,
) -> Run:
    """Decide on every output that has no decision yet: release it, or send it to a person with the discrepancies.

    Records that could not be decided on earlier (a reference table was down) are taken up again, and so are outputs that
    changed at their source after they were released. ``told`` is what production was told for this trigger already.
    """
    if (done := finished(services, workflow, Stage.GATE, trigger)) is not None:
        return done
    started = services.now()
    result = decided(services, workflow, window=window, trigger=trigger, started=started, told=told)
    return concluded(services, result, workflow, window, trigger, started)


def decided(
    services: Services,
    workflow: Workflow,
    *,
    window: Window,
    trigger: Trigger,
    started: datetime,
    told: Mapping[str, int] | None = None,
) -> StageResult:
    """What :func:`gate` does, and what it means; the run is still to be written."""
    run_id = Run.identity(workflow.slug, Stage.GATE, trigger)
    reach = reach_of(workflow, window)
    with services.ops.begin() as unit:
        left = unit.records.count_undecided(workflow.slug, reach)
        unit.gate.forget_columns_seen(workflow.slug, _columns_seen(workflow))
    picked = picker(services, workflow, started)
    error: CheckError | None = None
    try:
        for batch in undecided(services, workflow, reach):
            left = max(0, left - _decide_on(services, workflow, batch, run_id, picked))
    except CheckError as failure:
        error = failure
    performed = Counter(told or {}) + Counter(release(services, workflow))
    with services.ops.begin() as unit:
        standing = unit.releases.standing(workflow.slug)
        made, changed = unit.gate.of_run(run_id), unit.gate.changed_after_release(run_id)
    result = with_changed(judge_gate(workflow, made, undecided=left, error=error), workflow, changed)
    return with_releases(result, workflow, standing, done=performed)


def _decide_on(
    services: Services,
    workflow: Workflow,
    batch: Sequence[Waiting],
    run_id: uuid.UUID,
    picked: Callable[[Record], bool],
) -> int:
    """Decide on a batch and queue what production is to learn of it, in one transaction; returns how many were decided on."""
    found = services.gate.judge(workflow, [one.record for one in batch])
    decisions = [_decision(workflow, record, discrepancies, picked) for record, discrepancies in found]
    hashes = {one.record.key: one.data_md5 for one in batch}
    with services.ops.begin() as unit:
        unit.releases.after_gate(workflow, unit.gate.write(decisions, run_id, data_md5=hashes), hashes)
    return len(decisions)


def reach_of(workflow: Workflow, window: Window) -> Window:
    """The window begun so early that it holds every record that a pull may bring, however late."""
    back = max(workflow.source.history, timedelta(days=SWEPT + 1))
    return Window(min(window.start - workflow.source.late_by, window.end - back), window.end)


def undecided(services: Services, workflow: Workflow, reach: Window) -> Iterator[list[Waiting]]:
    """Batch after batch, each read when the one before was decided on: memory does not grow with what waits."""
    last: Record | None = None
    while True:
        with services.ops.begin() as unit:
            batch = list(unit.records.undecided(workflow.slug, reach, after=last, limit=BATCH))
        if not batch:
            return
        yield batch
        last = batch[-1].record


def _columns_seen(workflow: Workflow) -> list[list[str]]:
    """The columns of each check on doubles."""
    checks = (check for check in workflow.outputs if check.expect == "not_seen_before")
    return [[str(column) for column in check.params["columns"]] for check in checks]


def _decision(
    workflow: Workflow, record: Record, found: Sequence[Discrepancy], picked: Callable[[Record], bool]
) -> GateDecision:
    if found:
        return GateDecision(
            workflow.slug, record.key, record.at, released=False, reason="failed_check", discrepancies=tuple(found)
        )
    reason = "spot_check" if picked(record) else "passed"
    return GateDecision(workflow.slug, record.key, record.at, released=True, reason=reason)

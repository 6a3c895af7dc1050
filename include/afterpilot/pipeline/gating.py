"""The stage that decides on outputs before they are used: gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from afterpilot.check.gate import is_spot_check
from afterpilot.decide.changing import with_changed
from afterpilot.decide.gating import judge_gate
from afterpilot.domain.errors import CheckError
from afterpilot.domain.record import Discrepancy, GateDecision, Record
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.record.records import Waiting

BATCH = 500


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

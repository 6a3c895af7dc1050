"""The stage check: the quality expectations over the records of a window."""

from __future__ import annotations

from datetime import timedelta

from afterpilot.decide.quality import judge_quality
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit


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


def _unchecked(unit: Unit, workflow: Workflow, window: Window) -> Window:
    """The window, begun so early that it holds what was pulled since the last check that really looked."""
    last = unit.runs.latest_ran(workflow.slug, Stage.CHECK)
    pulls = unit.runs.ran_since(workflow.slug, Stage.PULL, last.started_at if last else None)
    starts = [window.start, *(run.window.start for run in pulls), *([last.window.end] if last else ())]
    late = any(run.evidence.get("late") for run in pulls)
    return Window(min(starts) - (workflow.source.late_by if late else timedelta(0)), window.end)

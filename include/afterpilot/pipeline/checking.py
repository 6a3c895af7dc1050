"""The stage check: the quality expectations over the records of a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from afterpilot.decide.quality import judge_quality
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.reopening import recheck, unhidden
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit


def check(services: Services, workflow: Workflow, *, window: Window, trigger: Trigger) -> Run:
    """Judge one workflow; see :func:`check_all`.

    Raises:
        CheckError: its records cannot be read.
    """
    outcome = check_all(services, [(workflow, window)], trigger=trigger)[workflow.slug]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def check_all(
    services: Services, windows: Sequence[tuple[Workflow, Window]], *, trigger: Trigger
) -> Mapping[str, Run | Exception]:
    """Judge the quality expectations of workflows over the records of their windows, and over all that no check has looked at
    yet: what was pulled while checks crashed or were left out. A run's window is the one that was judged. Windows that were
    judged already and came up again are judged again after that; see :mod:`afterpilot.pipeline.reopening`.

    All are judged together; by its slug, each has its run, or what kept it from being judged, which hurts no other.
    """
    outcomes: dict[str, Run | Exception] = {}
    begun: list[tuple[Workflow, Window]] = []
    started = services.now()
    for workflow, window in windows:
        try:
            if (done := finished(services, workflow, Stage.CHECK, trigger)) is not None:
                outcomes[workflow.slug] = done
                continue
            with services.ops.begin() as unit:
                begun.append((workflow, _unchecked(unit, workflow, window)))
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this workflow alone
            outcomes[workflow.slug] = error
    judged = services.checker.judge(begun) if begun else {}
    for workflow, window in begun:
        try:
            outcomes[workflow.slug] = _run(services, workflow, judged[workflow.slug], window, trigger, started)
        except Exception as error:  # noqa: BLE001 - as above
            outcomes[workflow.slug] = error
    recheck(services, [workflow for workflow, _ in begun], trigger=trigger)
    return outcomes


def _run(
    services: Services,
    workflow: Workflow,
    judged: Sequence[Judged] | CheckError,
    window: Window,
    trigger: Trigger,
    started: datetime,
) -> Run:
    if isinstance(judged, CheckError):
        raise judged
    result = judge_quality(workflow, unhidden(services, workflow, judged, window), window=window)
    return concluded(services, result, workflow, window, trigger, started)


def _unchecked(unit: Unit, workflow: Workflow, window: Window) -> Window:
    """The window, begun so early that it holds what was pulled since the last check that really looked."""
    last = unit.runs.latest_ran(workflow.slug, Stage.CHECK)
    pulls = unit.runs.ran_since(workflow.slug, Stage.PULL, last.started_at if last else None)
    starts = [window.start, *(run.window.start for run in pulls), *([last.window.end] if last else ())]
    if late := [run.id for run in pulls if run.evidence.get("late")]:
        starts += unit.reopened.in_no_window(workflow.slug, late, before=min(starts))
    return Window(min(starts), window.end)

"""Windows that came up again are judged again: rows of them came late, or changed at the source.

The new run names the one that it corrects and stands in its place; both stay on record.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

from afterpilot.decide.columns import withheld
from afterpilot.decide.quality import judge_quality
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import StageResult, Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit
from afterpilot.record.production.reopened import Reopening

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Again:
    workflow: Workflow
    reopening: Reopening
    verdict: Verdict  # that stood until now


def recheck(services: Services, workflows: Sequence[Workflow], *, trigger: Trigger) -> Mapping[str, Sequence[Run]]:
    """Judge every reopened window of the workflows again; returns the new runs by slug.

    What cannot be judged now stays open for the next run, and hurts no other.
    """
    by_slug = {workflow.slug: workflow for workflow in workflows}
    with services.ops.begin() as unit:
        reopened = unit.reopened.waiting(list(by_slug))
    waiting = [_waiting(services, by_slug[slug], again, trigger) for slug, again in reopened.items()]
    runs: dict[str, list[Run]] = {slug: [] for slug in by_slug}
    for together in zip_longest(*waiting):  # one window of each workflow at a time
        for run in _round(services, [one for one in together if one is not None], trigger):
            runs[run.workflow].append(run)
    return runs


def _round(services: Services, round_: Sequence[_Again], trigger: Trigger) -> Iterator[Run]:
    """One window of each workflow, all judged together."""
    started = services.now()
    try:
        judged = services.checker.judge([(one.workflow, one.reopening.window) for one in round_])
    except Exception:  # the windows stay open: the next check judges them
        log.exception("%d windows could not be judged again", len(round_))
        return
    for one in round_:
        try:
            yield _run(services, one, judged[one.workflow.slug], trigger, started)
        except Exception:  # as above, and it concerns this workflow alone
            log.exception("%s: the window %s could not be judged again", one.workflow.slug, one.reopening.window)


def unhidden(services: Services, workflow: Workflow, judged: Sequence[Judged], window: Window) -> Sequence[Judged]:
    """The judged expectations without a verdict on columns that the source has lost."""
    with services.ops.begin() as unit:
        lost = unit.source_states.of(workflow.slug).lost
    return withheld(judged, lost, until=window.end)


def _waiting(
    services: Services, workflow: Workflow, reopenings: Sequence[Reopening], trigger: Trigger
) -> Sequence[_Again]:
    with services.ops.begin() as unit:
        stood = [unit.runs.get(reopening.judged_by) for reopening in reopenings]
        standing = unit.runs.standing([run for run in stood if run is not None])
    verdicts = {run.corrects or run.id: run.verdict for run in standing}
    return [
        _Again(workflow, reopening, verdicts[reopening.judged_by])
        for reopening in reopenings
        if reopening.judged_by in verdicts
        and finished(services, workflow, Stage.CHECK, trigger, corrects=reopening.judged_by) is None
    ]


def _run(
    services: Services, again: _Again, judged: Sequence[Judged] | CheckError, trigger: Trigger, started: datetime
) -> Run:
    if isinstance(judged, CheckError):
        raise judged
    window, corrected = again.reopening.window, again.reopening.judged_by
    result = judge_quality(again.workflow, unhidden(services, again.workflow, judged, window), window=window)

    def close(unit: Unit, run_id: uuid.UUID) -> None:
        unit.reopened.close(corrected, noticed_before=started, by=run_id)

    told = _told(result, again)
    return concluded(services, told, again.workflow, window, trigger, started, also=close, corrects=corrected)


def _told(result: StageResult, again: _Again) -> StageResult:
    """The result with what it corrects and why."""
    rows = again.reopening.rows
    came = f"corrected, as {rows:,} {'row' if rows == 1 else 'rows'} came late or changed"
    was = f"; the verdict was {again.verdict}" if again.verdict is not result.verdict else ""
    correction = {"rows": rows, "verdict_before": str(again.verdict), "run": str(again.reopening.judged_by)}
    return replace(
        result,
        summary=f"{came}: {result.summary}{was}",
        evidence={**result.evidence, "corrects": correction},
    )

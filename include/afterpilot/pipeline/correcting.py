"""Reported weeks whose figures have changed since: the report is put together again, and says what changed.

Late rows, decisions that arrive days after their record, a KPI that was measured again. The message that stands in Slack is
edited and a line in its thread says what changed; both reports stay on record.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.weekly import judged_week, put_together
from afterpilot.record.ledger.publishing import ledger_line
from afterpilot.record.ops import Unit
from afterpilot.record.reports import Reported
from afterpilot.report.chart import weekly_chart
from afterpilot.report.correcting import Corrected, corrected_figures, corrected_message
from afterpilot.report.facts import WeeklyOutcome
from afterpilot.report.message import weekly_message

WEEKS = 8  # that are looked at again
_WEEK = timedelta(weeks=1)
_APART = timedelta(days=1)  # between two corrections of a week: decisions come one by one, and each would be a message
_LATELY = 2 * _APART  # what a correction left for later is seen for so long

log = logging.getLogger(__name__)


def correct_reports(
    services: Services, workflow: Workflow, *, trigger: Trigger, pull: uuid.UUID | None = None
) -> Sequence[Run]:
    """Put the reports together again whose figures have changed, of the last eight reported weeks.

    With a ``pull``, only those weeks that it or another of the last two days has brought something for (late rows, decisions of
    people), and each at most once a day.
    """
    with services.ops.begin() as unit:
        reported = unit.reports.newest(workflow.slug, limit=WEEKS)
        touched = _touched(unit, workflow, pull) if pull is not None else None
    chosen = [one for one in reported if touched is None or (one.week in touched and _rested(one, services.now()))]
    if not chosen:
        return ()
    runs = [_corrected(services, workflow, one, trigger=trigger) for one in chosen]
    return [run for run in runs if run is not None]


def _touched(unit: Unit, workflow: Workflow, pull: uuid.UUID) -> frozenset[date]:
    run = unit.runs.get(pull)
    if run is None:
        return frozenset()
    weeks = set(
        unit.reopened.weeks_decided_on(workflow.slug, run.window.reaching_back(workflow.source.late_by + _LATELY))
    )
    for window in unit.reopened.windows(workflow.slug, noticed_since=run.started_at - _LATELY):
        weeks |= set(_weeks(window))
    return frozenset(weeks)


def _rested(reported: Reported, now: datetime) -> bool:
    return reported.corrected_at is None or now - reported.corrected_at >= _APART


def _weeks(window: Window) -> Iterator[date]:
    """The Mondays of the weeks that the window touches."""
    first = window.start.astimezone(UTC).date()
    monday = first - timedelta(days=first.weekday())
    while monday <= window.end.astimezone(UTC).date():
        yield monday
        monday += _WEEK


def _corrected(services: Services, workflow: Workflow, reported: Reported, *, trigger: Trigger) -> Run | None:
    first = reported.first_run
    if finished(services, workflow, Stage.REPORT, trigger, corrects=first) is not None:
        return None
    started = services.now()
    week, outcome = put_together(services, workflow, monday=reported.week, at=reported.as_of)
    if outcome.facts.kpi_error:
        log.warning("%s: week of %s not looked at again: %s", workflow.slug, reported.week, outcome.facts.kpi_error)
        return None
    changes = corrected_figures(reported.figures, outcome)
    if not changes:
        return None
    result = judged_week(services, workflow, outcome)
    result = replace(
        result,
        summary=f"corrected, {'; '.join(map(str, changes))}",
        evidence={**result.evidence, "corrected": {one.name: {"was": one.was, "now": one.now} for one in changes}},
    )

    def queue(unit: Unit, run_id: uuid.UUID) -> None:
        _queue(services, unit, workflow, outcome, changes, run_id=run_id, at=started)

    return concluded(services, result, workflow, week, trigger, started, also=queue, corrects=first)


def _queue(
    services: Services,
    unit: Unit,
    workflow: Workflow,
    outcome: WeeklyOutcome,
    changes: Sequence[Corrected],
    *,
    run_id: uuid.UUID,
    at: datetime,
) -> None:
    """Keep the report beside the earlier one, and queue the edit of the message that stands."""
    report_id = unit.reports.keep(
        workflow=workflow.slug,
        week=outcome.week,
        figures=outcome.as_dict(),
        chart=weekly_chart(outcome),
        run_id=run_id,
    )
    message = weekly_message(
        outcome,
        links=services.messages.links(workflow.slug, run_id=run_id),
        picture=str(report_id),
        ledger=ledger_line(unit.connection),
    )
    unit.outbox.put(
        corrected_message(message, outcome, changes, at=at),
        dedupe_key=f"corrected/{report_id}",
        workflow=workflow.slug,
        kind="corrected",
        channel=workflow.channel,
        report_id=report_id,
    )

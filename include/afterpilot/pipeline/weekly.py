"""The stage that reports: what a workflow achieved in a week."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from afterpilot.decide.reporting import judge_report
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.metering import meter
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.spot_checks import error_rate_of
from afterpilot.pipeline.whole_life import WEEKS as LIFE_WEEKS
from afterpilot.pipeline.whole_life import life_of, terms_of
from afterpilot.record.ledger.publishing import ledger_line
from afterpilot.record.ops import Unit
from afterpilot.report.chart import WEEKS, weekly_chart
from afterpilot.report.facts import StageWeek, WeekCounts, WeekFacts, WeeklyOutcome
from afterpilot.report.message import weekly_message
from afterpilot.report.outcome import weekly_outcome

_OVERRIDDEN = "overridden"
OLD = timedelta(days=2)  # an output that waits longer for a person is named in the report


def report(services: Services, workflow: Workflow, *, at: datetime, trigger: Trigger) -> Run:
    """Put the week's outcome together, keep its figures, and queue one message for the owner.

    The week is the one that yesterday lay in: on Monday the one that has just ended, on any other day the one that runs.
    """
    if (done := finished(services, workflow, Stage.REPORT, trigger)) is not None:
        return done
    started = services.now()
    yesterday = at.astimezone(UTC).date() - timedelta(days=1)
    monday = yesterday - timedelta(days=yesterday.weekday())
    week, outcome = put_together(services, workflow, monday=monday, at=at)
    chart = weekly_chart(outcome)

    def queue(unit: Unit, run_id: uuid.UUID) -> None:
        report_id = unit.reports.keep(
            workflow=workflow.slug, week=monday, figures=outcome.as_dict(), chart=chart, run_id=run_id
        )
        unit.outbox.put(
            weekly_message(
                outcome,
                links=services.messages.links(workflow.slug, run_id=run_id),
                mention=workflow.owner.slack,
                picture=str(report_id),
                ledger=ledger_line(unit.connection),
            ),
            dedupe_key=f"weekly/{report_id}",
            workflow=workflow.slug,
            kind="weekly",
            channel=workflow.channel,
            report_id=report_id,
        )

    result = judged_week(services, workflow, outcome)
    return concluded(services, result, workflow, week, trigger, started, also=queue)


def put_together(services: Services, workflow: Workflow, *, monday: date, at: datetime) -> tuple[Window, WeeklyOutcome]:
    """The week as far as it had gone ``at`` that moment, and what it achieved by what is known now."""
    begin = datetime(monday.year, monday.month, monday.day, tzinfo=UTC)
    week = Window(begin, min(begin + timedelta(weeks=1), at))
    history = Window(begin - timedelta(weeks=WEEKS - 1), week.end)
    kpi, kpi_error = _kpi(services, workflow, history)
    meter(services, [workflow])  # late calls would be missing in the cost
    with services.ops.begin() as unit:
        facts = _facts(unit, workflow, week, history, at, kpi, kpi_error)
    return week, weekly_outcome(workflow, facts)


def judged_week(services: Services, workflow: Workflow, outcome: WeeklyOutcome) -> StageResult:
    """What the report of the week is worth; its sentence keeps that apart from how the week itself went.

    In the week in which the workflow was declared nobody need have looked at its outputs yet.
    """
    figures = _figures(workflow, outcome)
    with services.ops.begin() as unit:
        declared = unit.declarations.first_loaded(workflow.slug)
    early = (_OVERRIDDEN,) if declared is not None and declared.astimezone(UTC).date() >= outcome.week else ()
    lacking = sum(bool(why) for why in figures.values())
    made = f"the report lacks {lacking} of {plural(len(figures), 'figure')}" if lacking else "the report is complete"
    return judge_report(
        workflow,
        figures,
        summary=f"{made}; the week of {outcome.week.day} {outcome.week:%B} itself: {outcome.verdict}: {outcome.kpi.words}; "
        f"{outcome.alone.words} handled alone",
        evidence={"week": outcome.week.isoformat(), "outcome": outcome.as_dict()},
        early=early,
    )


def _figures(workflow: Workflow, outcome: WeeklyOutcome) -> dict[str, str]:
    """The figures that are measured, each with why it has no value or an empty text; the others follow from these."""
    counts = outcome.facts.this_week
    figures = {outcome.kpi_name: outcome.kpi, "handled alone": outcome.alone, "cost": outcome.cost}
    # Where nothing was handled alone, nobody could override it.
    if counts is not None and counts.released and (counts.judged or _people_are_asked(workflow)):
        figures[_OVERRIDDEN] = outcome.overrides
    return {name: "" if figure.value is not None else figure.words for name, figure in figures.items()}


def _people_are_asked(workflow: Workflow) -> bool:
    """Whether people are to look at outputs that are handled alone; always where something depends on them."""
    sampled = workflow.spot_check.precision is not None or workflow.spot_check.share > 0
    return sampled or workflow.source.decisions is not None or workflow.stage not in {"experiment", "shadow"}


def _kpi(services: Services, workflow: Workflow, history: Window) -> tuple[Sequence[tuple[datetime, Decimal]], str]:
    """The KPI by week as the team's own query gives it, or why it could not be read."""
    try:
        return services.source(workflow).kpi(history.start), ""
    except (SourceError, ConfigurationError) as error:
        return (), str(error)


def _facts(
    unit: Unit,
    workflow: Workflow,
    week: Window,
    history: Window,
    at: datetime,
    kpi: Sequence[tuple[datetime, Decimal]],
    kpi_error: str,
) -> WeekFacts:
    rows = unit.reports.weekly_counts(workflow.slug, history)
    return WeekFacts(
        week=week.start.date(),
        as_of=at,
        kpi=tuple((moment.date(), value) for moment, value in kpi if moment < week.end),
        kpi_error=kpi_error,
        counts=tuple(
            WeekCounts(r.week, r.outputs, r.released, r.routed, r.spot_checked, r.judged, r.overridden) for r in rows
        ),
        waiting=unit.reports.waiting(workflow.slug, now=at),
        waiting_old=unit.reports.waiting(workflow.slug, now=at, older_than=OLD),
        life=life_of(
            unit, terms_of(workflow), week, recent=Window(week.start - timedelta(weeks=LIFE_WEEKS - 1), week.end)
        ),
        stages=_stages(unit.runs.between(workflow.slug, Window(week.start, max(at, week.end)))),
        incidents=tuple(unit.incidents.unresolved(workflow.slug)),
        offers=unit.offers.waiting(workflow.slug),
        error_rate=error_rate_of(unit, workflow, week),
    )


def _stages(runs: Sequence[Run]) -> tuple[StageWeek, ...]:
    """Each stage's latest verdict, and since when it has held; ``runs`` are oldest first."""
    stages = []
    for stage in Stage:
        own = [run for run in runs if run.stage is stage and stage is not Stage.REPORT]
        if not own:
            continue
        since = own[-1]
        for run in reversed(own):
            if run.verdict is not since.verdict:
                break
            since = run
        counts = Counter(run.verdict for run in own)
        stages.append(StageWeek(stage, own[-1].verdict, since.finished_at, dict(counts)))
    return tuple(stages)

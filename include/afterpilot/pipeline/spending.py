"""The stage of spend."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from afterpilot.decide.spending import SpendLine, Totals, judge_spend, still_open
from afterpilot.domain.metered import Metered, Span
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.metering import reprice
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit
from afterpilot.spend.periods import period_before, period_window


def spend(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Sum what is new, at the prices that the book says now, and hold the period's sum against the cap; so that of the period before, while it may grow."""
    if (done := finished(services, workflow, Stage.SPEND, trigger)) is not None:
        return done
    started = services.now()
    reprice(services, [workflow], run_id=Run.identity(workflow.slug, Stage.SPEND, trigger))
    window = period_window(workflow.spend.cap.period, started, workflow.spend.zone)
    earlier = period_before(workflow.spend.cap.period, window, workflow.spend.zone)
    with services.ops.begin() as unit:
        pulled_to = unit.records.pulled_to(workflow.slug)
        totals = _totals(_spent(unit, workflow, window), window)
        before = None
        if still_open(workflow, window, now=started, pulled_to=pulled_to):
            before = _totals(_spent(unit, workflow, earlier), earlier)
    result = judge_spend(workflow, totals, now=started, pulled_to=pulled_to, before=before)
    return concluded(services, result, workflow, Window(window.start, started), trigger, started)


def _spent(unit: Unit, workflow: Workflow, period: Window) -> Sequence[Metered]:
    return unit.metered.spans([Span(workflow.slug, period.start, period.end)])


def _totals(rows: Sequence[Metered], period: Window) -> Totals:
    """The period's calls by kind, model, currency and reason for no price, whatever the source of their prices."""
    lines: dict[tuple[str, ...], SpendLine] = {}
    for row in rows:
        key = (row.kind, row.model, row.currency, row.reason)
        before = lines.get(key, SpendLine(*key, calls=0, unpriced=0, cost=None))
        cost = before.cost if row.cost is None else (before.cost or Decimal(0)) + row.cost
        lines[key] = SpendLine(*key, before.calls + row.calls, before.unpriced + row.unpriced, cost)
    return Totals(period, tuple(lines.values()))

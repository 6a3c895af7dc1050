"""The stage of spend."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.decide.spending import SpendLine, Totals, judge_spend, still_open
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.conclude import concluded, finished
from afterpilot.pipeline.services import Services
from afterpilot.spend.periods import period_before, period_window


def spend(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Price what has no price yet, and hold the period's sum against the cap; so that of the period before, while it may grow."""
    if (done := finished(services, workflow, Stage.SPEND, trigger)) is not None:
        return done
    started = services.now()
    with services.ops.begin() as unit:
        unit.records.forget_failed_prices(workflow.slug)
    price_calls(services, workflow)
    window = period_window(workflow.spend.cap.period, started, workflow.spend.zone)
    earlier = period_before(workflow.spend.cap.period, window, workflow.spend.zone)
    with services.ops.begin() as unit:
        pulled_to = unit.records.pulled_to(workflow.slug)
        totals = _totals(unit.records.spend(workflow.slug, window), window)
        before = None
        if still_open(workflow, window, now=started, pulled_to=pulled_to):
            before = _totals(unit.records.spend(workflow.slug, earlier), earlier)
    result = judge_spend(workflow, totals, now=started, pulled_to=pulled_to, before=before)
    return concluded(services, result, workflow, Window(window.start, started), trigger, started)


def price_calls(services: Services, workflow: Workflow) -> None:
    """Price every call that has neither a price nor a reason why it has none."""
    while True:
        with services.ops.begin() as unit:
            calls = unit.records.unpriced(workflow.slug)
            unit.records.set_prices(
                workflow.slug, [(kind, ref, at, services.prices.price(used, at)) for kind, ref, at, used in calls]
            )
        if not calls:
            return


def _totals(rows: Sequence[sa.Row[Any]], period: Window) -> Totals:
    """The period's rows without their days, by kind, model, currency and reason for no price."""
    lines: dict[tuple[str, ...], SpendLine] = {}
    for row in rows:
        key = (row.kind, row.model, row.currency, row.unpriced_reason)
        before = lines.get(key, SpendLine(*key, calls=0, unpriced=0, cost=None))
        cost = before.cost if row.cost is None else (before.cost or Decimal(0)) + row.cost
        lines[key] = SpendLine(*key, before.calls + row.calls, before.unpriced + row.unpriced, cost)
    return Totals(period, tuple(lines.values()))

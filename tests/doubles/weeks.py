"""A workflow and the facts of its weeks, for tests of the weekly report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from typing import Any

from afterpilot.decide.whole_life import whole_life
from afterpilot.domain.evals import Case
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.run import Stage
from afterpilot.domain.source import Source
from afterpilot.domain.spend import CapRule, Spend
from afterpilot.domain.verdict import Severity, Verdict
from afterpilot.domain.whole_life import CallSum, LifeFacts, LifeTerms, OutputSum, PeopleSum, WholeLife
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Evals, Kpi, ModelTarget, Person, Workflow
from afterpilot.report.facts import StageWeek, WeekCounts, WeekFacts

MONDAY = date(2026, 11, 16)
BEGAN = datetime(2026, 11, 17, 2, tzinfo=UTC)
CHECK = Check("column_values_to_not_be_null", Severity.CRITICAL, {"column": "po_number"})
WORKFLOW = Workflow(
    slug="invoice_matching",
    purpose="Match supplier invoices to purchase orders",
    stage="live",
    owner=Person("Dana Ruiz", "U02AB3CD4"),
    deputy=Person("Lee Okafor", "U05EF6GH7"),
    channel="#ap-automation",
    kpi=Kpi("minutes_per_invoice", "speed", Decimal("6.0"), Decimal("1.2"), "lower", "min", "SELECT 1"),
    source=Source("erp", "ai_invoice_runs", "run_id", "finished_at", timedelta(hours=2), timedelta(days=28), {}),
    outputs=(CHECK,),
    spot_check=SpotCheck(),
    quality=(CHECK,),
    evals=Evals(
        target=ModelTarget("local_model", "smollm2", Prompt("{{ invoice }}")),
        cases=(Case("a", {}, {}),),
        scorers=(),
        epochs=1,
        max_cost=Money(Decimal(2)),
        concurrency=1,
        pass_rate=Decimal("0.8"),
        sha256="",
    ),
    spend=Spend((CapRule(Cap(Money(Decimal(400)), "month"), (), "tell"),)),
    schedules={},
    governance={},
    rollout={},
    sha256="",
    path="",
)
# The same with a volume, and a price for people's time.
BUSY = replace(WORKFLOW, spend=replace(WORKFLOW.spend, volume=Decimal(30_000), hour=Money(Decimal(40))))
STAGES = (Stage.PULL, Stage.CHECK, Stage.GATE, Stage.REVIEW, Stage.EVALUATE, Stage.SPEND)


def weeks(values: list[str]) -> tuple[tuple[date, Decimal], ...]:
    """KPI values of consecutive weeks that end with the reported one."""
    first = MONDAY - timedelta(weeks=len(values) - 1)
    return tuple((first + timedelta(weeks=n), Decimal(value)) for n, value in enumerate(values))


def counts(week: date = MONDAY, **more: int) -> WeekCounts:
    """A week of 203 invoices: 171 released, 32 routed."""
    given = {"outputs": 203, "released": 171, "routed": 32, "spot_checked": 9, "judged": 12, "overridden": 1}
    return WeekCounts(week, **{**given, **more})


def stages(**latest: Verdict) -> tuple[StageWeek, ...]:
    """Every stage PASS but those named."""
    return tuple(StageWeek(stage, latest.get(stage, Verdict.PASS), BEGAN) for stage in STAGES)


def life(
    spent: str | None = "0.43",
    *,
    calls: int = 227,
    unpriced: int = 0,
    outputs: int = 203,
    alone: int = 170,
    workflow: Workflow = WORKFLOW,
) -> WholeLife:
    """What a week cost: over its five working days, a little more on each, and 30 minutes of people's time on 30 decisions."""
    begin = datetime.combine(MONDAY, clock(0), tzinfo=UTC)
    sums = [
        CallSum(day, "production", "USD", "", calls_of, Decimal(spent) * share / 100)
        for day, (share, calls_of) in enumerate(zip((18, 19, 20, 21, 22), _split(calls - unpriced), strict=True))
        if spent is not None
    ]
    sums += [CallSum(0, "production", "", "no price", unpriced, None)] if unpriced else []
    given = LifeFacts(
        Window(begin, begin + timedelta(weeks=1)),
        calls=tuple(sums),
        people=tuple(PeopleSum(day, 6, 6, Decimal(6)) for day in range(5)) if outputs else (),
        outputs=tuple(
            OutputSum(day, of_day, by_itself, by_itself + 2)
            for day, (of_day, by_itself) in enumerate(zip(_split(outputs), _split(alone), strict=True))
        )
        if outputs
        else (),
    )
    return whole_life(LifeTerms.of(workflow.slug, workflow.spend, stage=workflow.stage, decisions_read=True), given)


def _split(count: int) -> list[int]:
    """A count over five days."""
    return [count // 5 + (day < count % 5) for day in range(5)]


def facts(**more: Any) -> WeekFacts:
    """A good week."""
    good = WeekFacts(
        week=MONDAY,
        as_of=datetime(2026, 11, 23, 6, tzinfo=UTC),
        kpi=weeks(["2.2", "1.9", "1.7", "1.6", "1.4"]),
        counts=(counts(MONDAY - timedelta(weeks=1)), counts()),
        waiting=3,
        life=life(workflow=replace(BUSY, spend=replace(BUSY.spend, volume=None))),
        stages=stages(),
    )
    return replace(good, **more)

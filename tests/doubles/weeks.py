"""A workflow and the facts of its weeks, for tests of the weekly report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.domain.evals import Case
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.run import Stage
from afterpilot.domain.source import Source
from afterpilot.domain.spend import CapRule, Spend
from afterpilot.domain.verdict import Severity, Verdict
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


def facts(**more: Any) -> WeekFacts:
    """A good week."""
    good = WeekFacts(
        week=MONDAY,
        as_of=datetime(2026, 11, 23, 6, tzinfo=UTC),
        kpi=weeks(["2.2", "1.9", "1.7", "1.6", "1.4"]),
        counts=(counts(MONDAY - timedelta(weeks=1)), counts()),
        waiting=3,
        spend=Money(Decimal("0.43")),
        calls=227,
        stages=stages(),
    )
    return replace(good, **more)

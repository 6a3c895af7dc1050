"""What needs the owner: at most three points, gravest first, each something that can be done."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.report import stages
from afterpilot.report.facts import Figure, WeekFacts
from afterpilot.report.numbers import number, percent, weekday

MOST = 3
_OFTEN_OVERRIDDEN = Decimal("0.05")


def needs_owner(
    workflow: Workflow, facts: WeekFacts, *, kpi: Figure, cost: Figure, overrides: Figure
) -> tuple[str, ...]:
    """The points; where there are more than three, a last line says how many."""
    found = [
        *_broken(facts),
        *_waiting(facts),
        *_unknown(workflow, facts, kpi, cost),
        *_drifting(workflow, facts, kpi, overrides),
        *_offered(workflow, facts),
    ]
    left = len(found) - MOST
    return tuple(found[:MOST]) + ((f"{left} more in the run history",) if left > 0 else ())


def _broken(facts: WeekFacts) -> Iterator[str]:
    for stage in stages.standing(facts, Verdict.FAIL):
        yield f"{_capital(stages.name(stage.stage))} FAIL since {weekday(stage.since)}"


def _waiting(facts: WeekFacts) -> Iterator[str]:
    if facts.waiting_old:
        items = "review item" if facts.waiting_old == 1 else "review items"
        yield f"Decide on {facts.waiting_old:,} {items} older than two days"


def _unknown(workflow: Workflow, facts: WeekFacts, kpi: Figure, cost: Figure) -> Iterator[str]:
    for stage in stages.standing(facts, Verdict.UNKNOWN):
        yield f"{_capital(stages.name(stage.stage))} UNKNOWN since {weekday(stage.since)}"
    for missing in stages.not_run(workflow, facts):
        yield f"{_capital(stages.name(missing))} did not run this week"
    if kpi.value is None:
        yield f"{_capital(workflow.kpi.name.replace('_', ' '))} is {kpi.words}"
    if cost.value is None and facts.this_week is not None:
        yield f"Spend is {cost.words}"


def _drifting(workflow: Workflow, facts: WeekFacts, kpi: Figure, overrides: Figure) -> Iterator[str]:
    if overrides.low is not None and overrides.value is not None and overrides.low > _OFTEN_OVERRIDDEN:
        yield f"People overrode {percent(overrides.value)} of what they looked at: see why"
    week, terms = facts.this_week, workflow.spot_check
    if week is not None and week.released and not week.judged and (terms.share or terms.precision):
        yield "Nobody has looked at anything that was handled alone: do the spot checks"
    if kpi.value is not None and worse(kpi.value, workflow.kpi.baseline, workflow.kpi.better):
        name = workflow.kpi.name.replace("_", " ")
        yield f"{_capital(name)} is worse than before the launch: {number(kpi.value)} against {number(workflow.kpi.baseline)}"
    for stage in stages.standing(facts, Verdict.WARN):
        yield f"{_capital(stages.name(stage.stage))} WARN since {weekday(stage.since)}"


def _offered(workflow: Workflow, facts: WeekFacts) -> Iterator[str]:
    if facts.offers:
        wait = "correction waits to become a case" if facts.offers == 1 else "corrections wait to become cases"
        yield f"{facts.offers:,} {wait}: afterpilot evals corrections {workflow.slug}"


def worse(value: Decimal, than: Decimal, better: str) -> bool:
    """Whether a KPI's value is worse than another one."""
    return value > than if better == "lower" else value < than


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

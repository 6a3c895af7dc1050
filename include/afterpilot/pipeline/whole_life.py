"""What a workflow costs as a whole, from what is on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.decide.whole_life import whole_life
from afterpilot.domain.metered import Span
from afterpilot.domain.whole_life import CallSum, LifeFacts, LifeTerms, WholeLife
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.metering import meter
from afterpilot.pipeline.services import Services
from afterpilot.record.ops import Unit
from afterpilot.record.spend import whole_life as record

WEEKS = 4  # that a projection rests on


def cost(services: Services, workflow: Workflow, *, weeks: int = WEEKS) -> WholeLife:
    """The whole cost of the last weeks up to now, and of a month at the declared volume."""
    meter(services, [workflow])
    with services.ops.begin() as unit:
        return life_of(unit, terms_of(workflow), last_weeks(services.now(), weeks))


def terms_of(workflow: Workflow) -> LifeTerms:
    """What of its declaration the whole cost depends on."""
    decisions = workflow.source.decisions is not None
    return LifeTerms.of(workflow.slug, workflow.spend, stage=workflow.stage, decisions_read=decisions)


def life_of(unit: Unit, terms: LifeTerms, window: Window, *, recent: Window | None = None) -> WholeLife:
    """The whole cost of a window by what has been summed; ``recent`` is the longer one that the projection rests on."""
    facts = _facts(unit, terms, window)
    return whole_life(terms, facts, recent=_facts(unit, terms, recent) if recent else None)


def last_weeks(now: datetime, weeks: int) -> Window:
    """So many weeks of whole days (UTC), and the day that runs."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(midnight - timedelta(weeks=weeks), now)


def _facts(unit: Unit, terms: LifeTerms, window: Window) -> LifeFacts:
    first = window.start.date()
    calls = unit.metered.spans([Span(terms.workflow, window.start, window.end)], each_day=True)
    soon = terms.before_launch
    costs, currency = record.case_costs(unit.connection, terms.workflow) if soon else ((), "")
    return LifeFacts(
        window,
        calls=tuple(
            CallSum((row.day - first).days if row.day else 0, row.kind, row.currency, row.reason, row.calls, row.cost)
            for row in calls
        ),
        people=tuple(record.people_by_day(unit.connection, terms.workflow, window)),
        outputs=tuple(record.outputs_by_day(unit.connection, terms.workflow, window)),
        case_costs=costs,
        case_currency=currency,
    )

"""What a workflow costs as a whole, from what is on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from afterpilot.decide.whole_life import BEFORE_LAUNCH, whole_life
from afterpilot.domain.metered import Span
from afterpilot.domain.whole_life import CallSum, LifeFacts, WholeLife
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.metering import meter
from afterpilot.pipeline.services import Services
from afterpilot.record import whole_life as record
from afterpilot.record.ops import Unit

WEEKS = 4  # that a projection rests on


def cost(services: Services, workflow: Workflow, *, weeks: int = WEEKS) -> WholeLife:
    """The whole cost of the last weeks up to now, and of a month at the declared volume."""
    meter(services, [workflow])
    with services.ops.begin() as unit:
        return life_of(unit, workflow, last_weeks(services.now(), weeks))


def life_of(unit: Unit, workflow: Workflow, window: Window, *, recent: Window | None = None) -> WholeLife:
    """The whole cost of a window by what has been summed; ``recent`` is the longer one that the projection rests on."""
    facts = _facts(unit, workflow, window)
    return whole_life(workflow, facts, recent=_facts(unit, workflow, recent) if recent else None)


def last_weeks(now: datetime, weeks: int) -> Window:
    """So many weeks of whole days (UTC), and the day that runs."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(midnight - timedelta(weeks=weeks), now)


def _facts(unit: Unit, workflow: Workflow, window: Window) -> LifeFacts:
    first = window.start.date()
    calls = unit.metered.spans([Span(workflow.slug, window.start, window.end)], each_day=True)
    soon = workflow.stage in BEFORE_LAUNCH
    costs, currency = record.case_costs(unit.connection, workflow.slug) if soon else ((), "")
    return LifeFacts(
        window,
        calls=tuple(
            CallSum((row.day - first).days if row.day else 0, row.kind, row.currency, row.reason, row.calls, row.cost)
            for row in calls
        ),
        people=tuple(record.people_by_day(unit.connection, workflow.slug, window)),
        outputs=tuple(record.outputs_by_day(unit.connection, workflow.slug, window)),
        case_costs=costs,
        case_currency=currency,
    )

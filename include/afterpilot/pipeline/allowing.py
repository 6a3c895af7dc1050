"""What a workflow's gateway is told, decided anew where its spend was judged, a person has answered, or a stop is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from afterpilot.decide.allowing import allowance, ended, orders
from afterpilot.decide.budgeting import budget_orders
from afterpilot.domain.allowance import Allowance, CapRaise, answered
from afterpilot.domain.run import FLEET
from afterpilot.domain.spend import CapState
from afterpilot.domain.workflow import Workflow
from afterpilot.record.ops import Unit


def settle_allowances(unit: Unit, workflow: Workflow, states: Sequence[CapState], now: datetime) -> Allowance:
    """Decide by how the caps stand, within the transaction that concludes the run, and give the orders that follow.

    ``states`` are the workflow's own caps and those of the fleet that concern it; what people have answered is put in here.
    """
    unit.allowances.lock(workflow.slug)
    raises = unit.cap_raises.holding(workflow.slug, now)
    spend = workflow.spend
    new = allowance(
        workflow.slug,
        answered(states, raises, now=now),
        now=now,
        on_unknown=spend.on_unknown,
        stop=spend.stop,
    )
    return _kept(unit, new, unit.allowances.find(workflow.slug), now)


def settle_many(
    unit: Unit, given: Sequence[tuple[Workflow, Sequence[CapState]]], raises: Sequence[CapRaise], now: datetime
) -> None:
    """The same for many workflows at once: those that may go on, as before, in a few statements for all of them."""
    slugs = [workflow.slug for workflow, _ in given]
    unit.allowances.lock_each(slugs)
    before = unit.allowances.find_each(slugs)
    going_on: list[Allowance] = []
    for workflow, states in given:
        spend, last = workflow.spend, before.get(workflow.slug)
        own = answered(states, [one for one in raises if one.workflow in {workflow.slug, FLEET}], now=now)
        new = allowance(workflow.slug, own, now=now, on_unknown=spend.on_unknown, stop=spend.stop)
        if _has_orders(new) or (last is not None and _has_orders(last)):
            settle_allowances(unit, workflow, states, now)
        else:
            going_on.append(replace(new, since=(last.since if last else None) or now))
    unit.allowances.put(*going_on)


def settle_anew(unit: Unit, workflow: str, now: datetime) -> None:
    """Decide anew by what was judged last, after a person has answered: for a workflow, or for all under the fleet's caps."""
    for slug in unit.allowances.under_fleet_caps() if workflow == FLEET else [workflow]:
        unit.allowances.lock(slug)
        before = unit.allowances.find(slug)
        if before is None:
            continue
        states = answered(before.caps, unit.cap_raises.holding(slug, now), now=now)
        new = allowance(slug, states, now=now, on_unknown=before.on_unknown, stop=before.stop)
        _kept(unit, replace(ended(new, now), as_of=before.as_of), before, now)


def end_stop(unit: Unit, workflow: str, now: datetime) -> bool:
    """End a stop whose period is over, without waiting for the next look at the spend; False where it is not."""
    unit.allowances.lock(workflow)
    before = unit.allowances.find(workflow)
    if before is None or (new := ended(before, now)) is before:
        return False
    _kept(unit, new, before, now)
    return True


def _has_orders(one: Allowance) -> bool:
    """Whether somebody is, or may have to be, told of it."""
    return one.stops or bool(one.stop and one.stop.budget)


def _kept(unit: Unit, new: Allowance, before: Allowance | None, now: datetime) -> Allowance:
    """Keep it, with since when it is so, and give what orders it takes; what nobody was told of is taken back."""
    same = before is not None and (before.allowed, before.stopped_models) == (new.allowed, new.stopped_models)
    new = replace(new, since=(before.since if same and before else None) or new.since or now)
    unit.allowances.put(new)
    for budget, given in ((False, orders), (True, budget_orders)):
        if given(new, unit.stop_orders.newest(new.workflow, budget=budget), now=now):
            unit.stop_orders.withdraw(new.workflow, budget=budget)
            unit.stop_orders.give(given(new, unit.stop_orders.newest(new.workflow, budget=budget), now=now))
    return new

"""What a gateway that holds a budget of its own has to be told, so that its budget is the workflow's cap."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from afterpilot.domain.allowance import Allowance
from afterpilot.domain.spend import CapState
from afterpilot.domain.stop_orders import Budget, StopOrder


def budget_orders(new: Allowance, last: StopOrder | None, *, now: datetime) -> tuple[StopOrder, ...]:
    """The orders about the budget: the cap as it stands, with what people have raised it to, where one is declared; none any more
    where it was declared before.

    ``last`` is the order about a budget that was given last. Until the spend was judged nothing is known of the cap, and the
    budget stays as it is.
    """
    standing = last if last is not None and last.action == "stop" else None
    declared = new.stop if new.stop and new.stop.budget else None
    wanted = _budget(new.caps) if declared else None
    if declared and wanted is None:
        return ()
    given = []
    if standing is not None and standing.target != declared:
        why = "LiteLLM is to hold no budget for it any more."
        given.append(StopOrder(uuid.uuid4(), new.workflow, "resume", standing.target, why, now))
    if declared and wanted and (standing is None or (standing.target, standing.budget) != (declared, wanted)):
        why = f"The cap is {wanted.limit} USD a {wanted.every}."
        given.append(StopOrder(uuid.uuid4(), new.workflow, "stop", declared, why, now, budget=wanted))
    return tuple(given)


def _budget(caps: Sequence[CapState]) -> Budget | None:
    """The first cap of the workflow's own over all its calls, if it stops and goes by the calendar."""
    for state in caps:
        if not state.fleet and not state.rule.model:
            cap = state.rule.cap
            usable = state.rule.at_cap == "stop" and cap.length is None and cap.limit.currency == "USD"
            return Budget(state.limit.amount, cap.period) if usable else None
    return None

"""Asks a target for the shortest answer, to see what answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from afterpilot.domain.evals import Reply
from afterpilot.domain.ports import Probed
from afterpilot.domain.workflow import Evals, ModelTarget, Target
from afterpilot.evaluate.costs import Costs, Unpriced
from afterpilot.evaluate.exchange import Refused, Unanswered
from afterpilot.evaluate.keeping import Keeper, OpenAsking, run_beside

_SHORTEST = 16  # tokens; some APIs refuse fewer


def probe(
    evals: Evals,
    costs_of: Callable[[Evals], Costs],
    open_asking: OpenAsking,
) -> Probed:
    """Ask the first turns of the first case; never raises for the target's own failure.

    Nothing is asked where the call may cost more than ``evals.max_cost``, or where nobody knows what it may cost.
    """
    if not evals.cases:
        return Probed({}, error="not asked: the suite has no cases")
    case = dataclasses.replace(evals.cases[0], messages=())
    evals = dataclasses.replace(evals, target=_short(evals.target))
    costs = costs_of(evals)
    try:
        if costs.answer(case) > evals.max_cost.amount:
            return Probed({}, error=f"not asked: the call may cost more than {evals.max_cost.exact}")
    except Unpriced as error:
        return Probed({}, error=f"not asked: {error}")

    async def work(_keeper: Keeper[None]) -> Reply:
        async with open_asking(1) as asking:
            return await asking.answer(evals.target, case, seed=1)

    try:
        reply = run_beside(work, keep=lambda _: None)
    except (Unanswered, Refused) as error:
        usage = error.exchange.usage
        return Probed({}, usage, costs.of_usage(usage), str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller goes on
        return Probed({}, error=f"the probe failed: {type(error).__name__}: {error}")
    return Probed(reply.fingerprint, reply.usage, costs.of_reply(evals.target, reply))


def _short(target: Target) -> Target:
    """The same model, with as little to say as can be: no schema that a short answer could not fill, no tools."""
    if not isinstance(target, ModelTarget):
        return target
    few = min(_SHORTEST, target.max_tokens)
    return dataclasses.replace(target, max_tokens=few, response_schema=None, tools=())

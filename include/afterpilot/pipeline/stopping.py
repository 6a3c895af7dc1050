"""Orders to stop a workflow and to let it go on are carried out: by a sweep, each until it is done."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afterpilot.decide.stopping import NOT_CARRIED_OUT, not_carried_out
from afterpilot.domain.run import Stage
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.domain.verdict import StageResult
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.allowing import end_stop
from afterpilot.pipeline.services import Services
from afterpilot.pipeline.telling import tell

AT_ONCE = 8
MOST = 800  # orders of one sweep; the next one goes on
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SweptStops:
    """What a sweep did: stops that ended with their period, orders carried out, and those that were not."""

    ended: int = 0
    done: int = 0
    not_done: int = 0


def sweep_stops(services: Services, workflows: Mapping[str, Workflow]) -> SweptStops:
    """End what is over, carry out what is due, and tell owners of what is not taken."""
    over = _end(services)
    done = tried = 0
    while tried < MOST:
        carried = _carry_out(services, workflows)
        tried, done = tried + len(carried), done + sum(one.state == "done" for one in carried)
        if not carried:
            break
    return SweptStops(over, done, tried - done)


def _end(services: Services) -> int:
    """Each in a transaction of its own, so that none waits for all."""
    now = services.now()
    with services.ops.begin() as unit:
        over = unit.allowances.ended(now)
    done = 0
    for slug in over:
        with services.ops.begin() as unit:
            done += end_stop(unit, slug, now)
    return done


def _performed(services: Services, order: StopOrder) -> Carried:
    """One that breaks holds up no other."""
    try:
        return services.stopper.perform(order)
    except Exception as error:
        log.exception("%s: order %s could not be carried out", order.workflow, order.id)
        return Carried(order, "later", f"the attempt broke off: {type(error).__name__}")


def _carry_out(services: Services, workflows: Mapping[str, Workflow]) -> Sequence[Carried]:
    with services.ops.begin() as unit:
        claimed = unit.stop_orders.claim(AT_ONCE)
    if not claimed:
        return ()
    with ThreadPoolExecutor(AT_ONCE) as workers:
        carried = list(workers.map(lambda order: _performed(services, order), claimed))
    for one in carried:
        order = one.order
        log.info("%s: order %s to %s: %s %s", order.workflow, order.id, order.action, one.state, one.error)
        with services.ops.begin() as unit:
            unit.stop_orders.settle(one)
            if (workflow := workflows.get(order.workflow)) is None:
                continue  # its folder is broken or gone, which has an incident of its own
            trouble = unit.stop_orders.trouble(order.workflow)
            found = (not_carried_out(workflow, trouble),) if trouble else ()
            result = StageResult(order.workflow, Stage.SPEND, "", findings=found, covered=(NOT_CARRIED_OUT,))
            tell(services, unit, workflow, result)
    return carried

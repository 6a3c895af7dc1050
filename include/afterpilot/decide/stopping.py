"""What it means that an order to stop, or to go on, is not carried out."""

from __future__ import annotations

from afterpilot.domain.run import Stage
from afterpilot.domain.stop_orders import StopTrouble
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.workflow import Workflow

NOT_CARRIED_OUT = "spend.order_not_carried_out"
_WHAT = {"stop": "The order to stop is not carried out", "resume": "The order to let it go on is not carried out"}
_SET = {"stop": "set", "resume": "taken away"}
_COST = {
    "stop": "the workflow goes on spending above its cap",
    "resume": "the workflow is stopped although it may go on",
}


_BUDGET_COST = {
    "stop": "calls are stopped only once Afterpilot has seen what they cost, or by the budget that was there before",
    "resume": "calls may be refused at a budget that is not declared any more",
}


def not_carried_out(workflow: Workflow, trouble: StopTrouble) -> Finding:
    """The finding about the oldest order that its receiver does not take; of those about a budget only where there is no other."""
    order = trouble.order
    budget = order.target.budget
    by_hand = "stop the workflow" if order.action == "stop" else "let it go on"
    if budget:
        by_hand = "set the budget" if order.action == "stop" else "take the budget away"
    title = f"The budget is not {_SET[order.action]}" if budget else _WHAT[order.action]
    return Finding(
        workflow=workflow.slug,
        stage=Stage.SPEND,
        kind=NOT_CARRIED_OUT,
        severity=Severity.WARNING if budget else Severity.CRITICAL,
        title=f"{title} by {order.target.connection}",
        detail=trouble.error,
        evidence={
            "certainty": f"certain: {trouble.error}" if trouble.error else "certain: no reply",
            "cost": (_BUDGET_COST if budget else _COST)[order.action],
            "to_do": f"Mend what the reason names, and {by_hand} by hand meanwhile; it is tried again by itself."
            if trouble.refused
            else f"See whether {order.target.connection} is up, and {by_hand} by hand meanwhile; it is tried again by itself.",
            "order": str(order.id),
            "action": order.action,
            "examples": [order.reason],
        },
        hangs_on=f"gateway {order.target.connection}" if order.target.connection and not trouble.refused else "",
    )

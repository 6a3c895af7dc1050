"""LiteLLM's own budget of a team or a key: the proxy itself refuses calls above it, and counts anew in each period.

Its management API, with the proxy's master key: ``GET /team/info?team_id=`` and ``/key/info?key=`` tell ``spend``, ``max_budget`` and
``budget_duration``; ``POST /team/update`` and ``/key/update`` set the two last ones. ``1d``, ``7d`` and ``1mo`` end at midnight, on
Monday and on the first of the month by the proxy's own calendar. To give a duration makes it work out anew when that is, so that
one that stands is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.stop_orders import Budget, Carried, StopOrder
from afterpilot.spend.stopping.posting import get, post

DURATIONS = {"day": "1d", "week": "7d", "month": "1mo"}
_CHANGED_BY = {"litellm-changed-by": "afterpilot"}  # stands in LiteLLM's audit log


def perform(endpoint: Endpoint, order: StopOrder) -> Carried:
    """Bring the budget to what the order says; where it stands so, nothing is sent."""
    target = order.target
    what, name, identity = ("team", "team_id", target.team) if target.team else ("key", "key", target.keys[0])
    reply = get(endpoint, order, f"/{what}/info", {name: identity})
    if isinstance(reply, Carried):
        return reply
    now = _info(reply, "team_info" if what == "team" else "info")
    if now is None:
        return Carried(order, "later", f"GET {target.connection}:/{what}/info: the reply does not tell of the {what}")
    change = _change(order, now)
    if isinstance(change, Carried):
        return change
    if not change:
        return Carried(order, "done")
    content = json.dumps({name: identity, **change}).encode()
    return post(endpoint, order, f"/{what}/update", content, _CHANGED_BY)


def _info(reply: bytes, part: str) -> Mapping[str, Any] | None:
    try:
        told = json.loads(reply)
    except ValueError:
        return None
    found = told.get(part) if isinstance(told, dict) else None
    return found if isinstance(found, dict) and "spend" in found else None


def _change(order: StopOrder, now: Mapping[str, Any]) -> dict[str, Any] | Carried:
    """What has to be set; a budget that would stop everything by what was counted before it is not."""
    if order.budget is None or order.action == "resume":
        return {} if now.get("max_budget") is None else {"max_budget": None}
    limit, duration = float(order.budget.limit), DURATIONS[order.budget.every]
    if now.get("budget_duration") == duration:
        return {} if now.get("max_budget") == limit else {"max_budget": limit}
    spent = now["spend"]
    if isinstance(spent, int | float) and spent >= limit:
        return Carried(order, "refused", _too_much(order, order.budget, float(spent)))
    return {"max_budget": limit, "budget_duration": duration}


def _too_much(order: StopOrder, budget: Budget, spent: float) -> str:
    whom = f"team {order.target.team}" if order.target.team else "key"
    return (
        f"{order.target.connection} has counted {spent:,.2f} USD for the {whom} since it began, as much as the budget of "
        f"{budget.limit} USD a {budget.every} or more: with it every call would be refused from now on. Give the {whom} the "
        f"budget_duration {DURATIONS[budget.every]} there, so that its count begins anew, or name another one"
    )

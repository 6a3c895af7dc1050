"""Orders to LiteLLM's proxy: the keys or the team of a workflow are blocked, or no longer.

Its management API, with the proxy's master key: ``POST /key/block`` and ``/key/unblock`` take ``{"key": hash}``,
``POST /team/block`` and ``/team/unblock`` take ``{"team_id": id}``. To block what is blocked changes nothing there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.spend.stopping.posting import post

_MOST_SECONDS = 90.0  # of one attempt, within its lease
_VERBS = {"stop": "block", "resume": "unblock"}


def perform(endpoint: Endpoint, order: StopOrder) -> Carried:
    """Every key and the team, one after the other; the first one that is not taken ends it, and all are told again later."""
    told, began = 0, time.monotonic()
    for path, content in _requests(order):
        if time.monotonic() - began > _MOST_SECONDS:
            return Carried(order, "later", f"{order.target.connection} answers slowly: {told} of its keys were told")
        headers = {"litellm-changed-by": "afterpilot"}  # stands in LiteLLM's audit log
        carried = post(endpoint, order, path, json.dumps(content).encode(), headers)
        if carried.state != "done":
            return carried
        told += 1
    if not told:
        return Carried(order, "refused", f"spend.stop of {order.workflow} names neither keys nor a team of LiteLLM")
    return Carried(order, "done")


def _requests(order: StopOrder) -> Iterator[tuple[str, dict[str, str]]]:
    verb = _VERBS[order.action]
    if order.target.team:
        yield f"/team/{verb}", {"team_id": order.target.team}
    for key in order.target.keys:
        yield f"/key/{verb}", {"key": key}

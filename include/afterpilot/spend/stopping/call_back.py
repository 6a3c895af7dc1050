"""Orders by a signed call-back (:mod:`afterpilot.domain.signing`).

The order's id is the ``webhook-id``: the same for each attempt, so that the receiver does each order once.
"""

from __future__ import annotations

import json
import time
from datetime import UTC

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.signing import PREFIX, signed_headers
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.spend.stopping.posting import post


def perform(endpoint: Endpoint, order: StopOrder) -> Carried:
    """Tell the receiver; without a key to sign with nothing is sent."""
    place = f"the connection {order.target.connection!r}"
    if not endpoint.signing_secret:
        return Carried(order, "refused", f"{place} has no signing_secret in its extra: an order is never sent unsigned")
    content = body(order)
    try:
        headers = signed_headers(endpoint.signing_secret, str(order.id), int(time.time()), content)
    except ValueError:
        return Carried(
            order, "refused", f"the signing_secret of {place} begins with {PREFIX}, but is no base64 after it"
        )
    return post(endpoint, order, order.target.path, content, headers)


def body(order: StopOrder) -> bytes:
    """What the receiver is told, as JSON."""
    told = {
        "workflow": order.workflow,
        "action": order.action,
        "models": list(order.models),
        "reason": order.reason,
        "until": order.until.astimezone(UTC).isoformat() if order.until else None,
        "ordered_at": order.created_at.astimezone(UTC).isoformat(),
    }
    return json.dumps(told).encode()

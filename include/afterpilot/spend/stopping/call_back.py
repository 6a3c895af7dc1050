"""Orders by a signed call-back, after Standard Webhooks 1.0.0 (standardwebhooks.com).

The order's id is the ``webhook-id``: the same for each attempt, so that the receiver does each order once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import UTC

from afterpilot.domain.ports import Endpoint
from afterpilot.domain.stop_orders import Carried, StopOrder
from afterpilot.spend.stopping.posting import post

_PREFIX = "whsec_"  # of a key in base64, as Standard Webhooks writes it


def perform(endpoint: Endpoint, order: StopOrder) -> Carried:
    """Tell the receiver; without a key to sign with nothing is sent."""
    place = f"the connection {order.target.connection!r}"
    if not endpoint.signing_secret:
        return Carried(order, "refused", f"{place} has no signing_secret in its extra: an order is never sent unsigned")
    try:
        key = signing_key(endpoint.signing_secret)
    except ValueError:
        return Carried(
            order, "refused", f"the signing_secret of {place} begins with {_PREFIX}, but is no base64 after it"
        )
    content, at = body(order), int(time.time())
    headers = {
        "webhook-id": str(order.id),
        "webhook-timestamp": str(at),
        "webhook-signature": signature(key, str(order.id), at, content),
    }
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


def signature(key: bytes, order_id: str, at: int, content: bytes) -> str:
    """``v1,`` and HMAC-SHA256 in base64 over id, seconds since 1970 and content, with points between them."""
    signed = b".".join([order_id.encode(), str(at).encode(), content])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: base64 after ``whsec_``, else its own characters.

    Raises:
        ValueError: it should be base64 and is not.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error

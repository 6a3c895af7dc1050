"""One POST of an order, and what the reply means for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from afterpilot.domain.http_replies import asked_to_wait, meaning
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.secrecy import in_brief
from afterpilot.domain.stop_orders import Carried, StopOrder

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, REPLY_SECONDS = 5.0, 10.0
_SHOWN = 200
_MOST_BYTES = 65_536


def post(endpoint: Endpoint, order: StopOrder, path: str, body: bytes, headers: Mapping[str, str]) -> Carried:
    """Post JSON with the connection's key as bearer token. What is refused for good is tried again all the same: as long as an
    order is not carried out, money is spent.
    """
    import requests  # a fifth of a second

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if endpoint.secret:  # without one nothing is taken from .netrc either
            request.headers["Authorization"] = f"Bearer {endpoint.secret}"
        return request

    place = f"POST {order.target.connection}:{path}"
    try:
        with requests.post(
            f"{endpoint.url.rstrip('/')}/{path.lstrip('/')}",
            data=body,
            headers={"Content-Type": "application/json", **headers},
            auth=sign,
            timeout=(CONNECT_SECONDS, REPLY_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as reply:
            text = next(reply.iter_content(_MOST_BYTES), b"")
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, ValueError) as error:
        return Carried(order, "refused", f"{place}: the address cannot be used ({type(error).__name__})")
    except (requests.exceptions.RequestException, OSError) as error:
        return Carried(order, "later", f"{place}: no reply ({type(error).__name__})")
    status = reply.status_code
    if (state := meaning(status)) == "done":
        return Carried(order, "done")
    words = in_brief(text.decode("utf-8", "replace"), endpoint.secret, endpoint.signing_secret, most=_SHOWN)
    why = f"{place}: HTTP {status}{f': {words}' if words else ''}"
    if state == "later":
        return Carried(order, "later", why, wait=asked_to_wait(reply.headers.get("Retry-After", "")))
    return Carried(order, "refused", why)

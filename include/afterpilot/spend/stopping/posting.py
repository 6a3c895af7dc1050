"""One request for an order, and what the reply means for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.http_deadline import within
from afterpilot.domain.http_replies import asked_to_wait, meaning
from afterpilot.domain.secrecy import in_brief
from afterpilot.domain.stop_orders import Carried, StopOrder

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, REPLY_SECONDS = 5.0, 10.0
EXCHANGE_SECONDS = 20.0  # of all of it, however slowly the reply comes
_SHOWN = 200
_MOST_BYTES = 65_536  # of words to people
_CHUNK = 65_536
_MOST_KNOWN = 16_000_000  # of what is asked for


def post(endpoint: Endpoint, order: StopOrder, path: str, body: bytes, headers: Mapping[str, str]) -> Carried:
    """Post JSON with the connection's key as bearer token. What is refused for good is tried again all the same: as long as an
    order is not carried out, money is spent.
    """
    found = _exchange(_Sent("POST", path, body, {"Content-Type": "application/json", **headers}), endpoint, order)
    return found if isinstance(found, Carried) else Carried(order, "done")


def get(endpoint: Endpoint, order: StopOrder, path: str, query: Mapping[str, str]) -> bytes | Carried:
    """The reply's body, or why there is none."""
    return _exchange(_Sent("GET", path, None, {}, query), endpoint, order)


@dataclass(frozen=True, slots=True)
class _Sent:
    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    query: Mapping[str, str] | None = None


def _exchange(sent: _Sent, endpoint: Endpoint, order: StopOrder) -> bytes | Carried:
    """The body that was asked for (of a POST that was taken: none), or what became of the attempt."""
    import requests  # a fifth of a second

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if endpoint.secret:  # without one nothing is taken from .netrc either
            request.headers["Authorization"] = f"Bearer {endpoint.secret}"
        return request

    place = f"{sent.method} {order.target.connection}:{sent.path}"
    status, text, pause = 0, b"", ""
    try:
        with (
            requests.Session() as session,
            within(session, EXCHANGE_SECONDS),
            session.request(
                sent.method,
                f"{endpoint.url.rstrip('/')}/{sent.path.lstrip('/')}",
                params=sent.query,
                data=sent.body,
                headers=dict(sent.headers),
                auth=sign,
                timeout=(CONNECT_SECONDS, REPLY_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as reply,
        ):
            status, pause = reply.status_code, reply.headers.get("Retry-After", "")
            if meaning(status) != "done":
                text = next(reply.iter_content(_MOST_BYTES), b"")
            elif sent.method == "GET":
                text = _whole(reply)
    except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, ValueError) as error:
        return Carried(order, "refused", f"{place}: the address cannot be used ({type(error).__name__})")
    except (requests.exceptions.RequestException, OSError) as error:
        if not status or sent.method == "GET":  # what a status says of a command holds without its words
            return Carried(order, "later", f"{place}: no reply ({type(error).__name__})")
    if (state := meaning(status)) == "done":
        return text
    words = in_brief(text.decode("utf-8", "replace"), endpoint.secret, endpoint.signing_secret, most=_SHOWN)
    why = f"{place}: HTTP {status}{f': {words}' if words else ''}"
    if state == "later":
        return Carried(order, "later", why, wait=asked_to_wait(pause))
    return Carried(order, "refused", why)


def _whole(reply: requests.Response) -> bytes:
    """All of a body, up to what is sensible; one that is cut there is no JSON."""
    parts, size = [], 0
    for part in reply.iter_content(_CHUNK):
        parts.append(part)
        if (size := size + len(part)) > _MOST_KNOWN:
            break
    return b"".join(parts)

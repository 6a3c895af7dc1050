"""Releases by an HTTP call-back: one POST for each output.

A reply that got lost is asked for again with the same ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header), by which
the receiver tells a repetition.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING
from urllib.parse import quote

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.http_deadline import within
from afterpilot.domain.http_replies import asked_to_wait, meaning
from afterpilot.domain.releasing import Effect, Performed
from afterpilot.domain.review import CallBack
from afterpilot.domain.secrecy import in_brief

if TYPE_CHECKING:
    import requests

BATCH = 48
AT_ONCE = 8
CONNECT_SECONDS, REPLY_SECONDS = 5.0, 10.0
EXCHANGE_SECONDS = (
    CONNECT_SECONDS + REPLY_SECONDS
)  # however slowly bytes come: six rounds of a batch stay within a lease
_REST = 10.0  # seconds, for a receiver that is out of reach
_SHOWN = 200


def perform(endpoint: Endpoint, said: CallBack, effects: Sequence[Effect]) -> list[Performed]:
    """Tell the receiver of up to :data:`BATCH` effects. When it is out of reach or asks to wait, the rest is left for later."""
    import requests  # a fifth of a second

    receiver = _Receiver(endpoint, said)
    with requests.Session() as session, ThreadPoolExecutor(AT_ONCE) as workers:
        session.auth = receiver.sign
        return list(workers.map(lambda effect: receiver.tell(session, effect), effects))


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when nothing is sent, on the monotonic clock, and why."""

    until: float
    why: str


class _Receiver:
    def __init__(self, endpoint: Endpoint, said: CallBack) -> None:
        self._endpoint = endpoint
        self._said = said
        self._lock = threading.Lock()
        self._pause: _Pause | None = None

    def sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the connection's key on a request; without one nothing is taken from ``.netrc`` either."""
        if self._endpoint.secret:
            request.headers["Authorization"] = f"Bearer {self._endpoint.secret}"
        return request

    def tell(self, session: requests.Session, effect: Effect) -> Performed:
        """One POST, and what the receiver made of it."""
        with self._lock:
            pause = self._pause
        if pause is not None and (left := pause.until - time.monotonic()) > 0:
            return Performed(effect, "later", pause.why, wait=left)
        outcome = self._post(session, effect)
        if outcome.state == "later" and outcome.wait is not None:
            with self._lock:
                self._pause = _Pause(time.monotonic() + outcome.wait, outcome.error)
        return outcome

    def _post(self, session: requests.Session, effect: Effect) -> Performed:
        import requests

        path = self._said.path if effect.released else self._said.held
        if effect.key in {".", ".."}:
            return Performed(effect, "failed", f"the key {effect.key!r} cannot be part of an address")
        address = path.replace("{workflow}", quote(effect.workflow, safe="")).replace(
            "{key}", quote(effect.key, safe="")
        )
        place = f"POST {self._said.connection}:{address}"
        try:
            with (
                within(session, EXCHANGE_SECONDS),
                session.post(
                    f"{self._endpoint.url.rstrip('/')}/{address.lstrip('/')}",
                    json=body(effect),
                    headers={"Idempotency-Key": quote(effect.reference, safe="/:@!$&'()*+,;=-._~")},
                    timeout=(CONNECT_SECONDS, REPLY_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as reply,
            ):
                text = next(reply.iter_content(65_536), b"")
        except (requests.exceptions.SSLError, requests.exceptions.InvalidURL, ValueError) as error:
            return Performed(effect, "refused", f"{place}: the address cannot be used ({type(error).__name__})")
        except (requests.exceptions.RequestException, OSError) as error:
            return Performed(effect, "later", f"{place}: no reply ({type(error).__name__})", wait=_REST)
        return self._judged(effect, place, reply, text)

    def _judged(self, effect: Effect, place: str, reply: requests.Response, text: bytes) -> Performed:
        status = reply.status_code
        if (state := meaning(status)) == "done":
            return Performed(effect, "done")
        words = in_brief(text.decode("utf-8", "replace"), self._endpoint.secret, most=_SHOWN)
        error = f"{place}: HTTP {status}{f': {words}' if words else ''}"
        wait = asked_to_wait(reply.headers.get("Retry-After", "")) if state == "later" else None
        return Performed(effect, state, error, wait=wait)


def body(effect: Effect) -> dict[str, object]:
    """What the receiver is told."""
    return {
        "workflow": effect.workflow,
        "key": effect.key,
        "released": effect.released,
        "reason": effect.reason,
        "decided_at": effect.decided_at.astimezone(UTC).isoformat(),
    }

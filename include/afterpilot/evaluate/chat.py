"""Asks an OpenAI-compatible chat-completions API, patiently and within bounds."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import requests

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.connection import session_for
from afterpilot.evaluate.exchange import (
    Exchange,
    Refused,
    Unanswered,
    Unreadable,
    document,
    no_answer,
    reply_from,
    request_for,
)

ATTEMPTS = 6
DEADLINE_SECONDS = 180.0  # for one case, all attempts and pauses together
CONNECT_SECONDS = 5.0
REPLY_SECONDS = 120.0  # for one attempt
MAX_BODY_BYTES = 5_000_000
_LONGEST_PAUSE = 30.0
_CHUNK = 65_536
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_SAID = 300  # characters of an error body that are repeated
_UNUSABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)
_LIMITS = ("max_tokens", "max_completion_tokens")  # newer models know the second name only


class _Again(Exception):
    """This attempt failed in a way that another may mend; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0, response: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        self.response = response or {}


class _OtherLimit(Exception):
    """The model wants the limit on its answer under its newer name."""


class ChatClient:
    """One endpoint; connections are kept and shared by as many threads as ask.

    Args:
        endpoint: the API's base URL (up to and without ``/chat/completions``) and key.
        deadline: seconds for one case, all attempts and pauses together; a server that drips its reply is cut off.
        max_body_bytes: of a reply; a larger one is refused.
        connections: how many are kept open at most.
        sleep: how to pause.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        deadline: float = DEADLINE_SECONDS,
        max_body_bytes: int = MAX_BODY_BYTES,
        connections: int = 128,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{endpoint.url.rstrip('/')}/chat/completions"
        self._secret = endpoint.secret.encode()
        self._deadline = deadline
        self._max_body_bytes = max_body_bytes
        self._sleep = sleep
        self._limit = _LIMITS[0]
        self._session = session_for(self._url, connections=connections, secret=endpoint.secret)

    def ask(self, target: ModelTarget, case: Case, *, seed: int) -> Reply:
        """The model's answer to one case. Both errors carry what was sent and received.

        Raises:
            Refused: the server said no for good, or another model answered.
            Unanswered: no usable answer within the attempts and the deadline, or one that cost something and holds no message:
                another attempt would cost as much again, which the run's cap does not know of.
        """
        request = request_for(target, case, seed=seed)
        until = time.monotonic() + self._deadline
        reason, last = "", Exchange(request)
        for attempt in range(1, ATTEMPTS + 1):
            if self._limit not in request:
                request[self._limit] = request.pop(_LIMITS[0])
            try:
                body, latency = self._post(request, until)
                return reply_from(target, request, body, latency_ms=latency, attempts=attempt)
            except _OtherLimit:
                self._limit, reason = _LIMITS[1], "the model wants another name for the limit on its answer"
                continue
            except Unreadable as failure:
                reason, pause, last = str(failure), 0.0, replace(failure.exchange, request=request)
                if last.usage is not None:
                    break
            except _Again as failure:
                reason, pause, last = str(failure), failure.pause, Exchange(request, failure.response)
            pause = max(pause, _back_off(attempt))
            if attempt == ATTEMPTS:
                break
            if time.monotonic() + pause >= until:
                reason += f" (and the next attempt would have to wait {pause:.0f} s)" if pause > _LONGEST_PAUSE else ""
                break
            self._sleep(pause)
        times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        raise Unanswered(f"{target.name} gave no usable answer in {times}: {reason}", last)

    def _post(self, request: Mapping[str, Any], until: float) -> tuple[dict[str, Any], int]:
        """The reply's JSON, and how long it took in milliseconds."""
        sent = time.monotonic()
        seconds = min(REPLY_SECONDS, max(0.001, until - sent))
        try:
            with self._session.post(
                self._url, json=request, timeout=(CONNECT_SECONDS, seconds), stream=True, allow_redirects=False
            ) as response:
                content = self._read(response, request)
        except _UNUSABLE as error:
            raise Refused(
                f"the connection's address or key cannot be used ({type(error).__name__})", Exchange(request)
            ) from error
        except requests.ConnectTimeout as error:
            raise _Again(f"no connection within {CONNECT_SECONDS:.0f} s") from error
        except requests.Timeout as error:
            raise _Again(f"no whole reply within {seconds:.0f} s") from error
        except requests.RequestException as error:
            if time.monotonic() - sent >= seconds:
                raise _Again(f"no whole reply within {seconds:.0f} s") from error
            raise _Again(f"the connection failed ({type(error).__name__})") from error
        latency = round((time.monotonic() - sent) * 1000)
        if response.status_code != requests.codes.ok:
            self._not_ok(response, content, request)
        return document(content), latency

    def _read(self, response: requests.Response, request: Mapping[str, Any]) -> bytes:
        """The whole body, without the key should the server repeat it; a server that floods is cut off."""
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > self._max_body_bytes:
                raise Refused(f"the reply is larger than {self._max_body_bytes:,} bytes", Exchange(request))
        return bytes(content.replace(self._secret, b"[key]") if self._secret else content)

    def _not_ok(self, response: requests.Response, content: bytes, request: Mapping[str, Any]) -> None:
        """Raise what the status means."""
        status = response.status_code
        no_money = b"insufficient_quota" in content
        if status in _AGAIN and not no_money:
            pause = _retry_after(response.headers.get("Retry-After"))
            raise _Again(f"HTTP {status}", pause, no_answer(status, content))
        if status == requests.codes.bad_request and _LIMITS[0] in request and _LIMITS[1].encode() in content:
            raise _OtherLimit
        reply = no_answer(status, content)
        said = reply["body"][:_SAID].strip()
        raise Refused(f"HTTP {status}: {said}" if said else f"HTTP {status}", Exchange(request, reply))


def _back_off(attempt: int) -> float:
    """Exponential with jitter: at most 0.5, 1, 2, 4 … seconds, at least a fifth of that."""
    longest = min(_LONGEST_PAUSE, 0.5 * 2.0 ** (attempt - 1))
    return random.uniform(longest / 5, longest)  # noqa: S311 - no secret hangs on it


def _retry_after(value: str | None) -> float:
    """Seconds to wait as the header says it, in seconds or as an HTTP date; 0 without a usable header."""
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):  # a year beyond any calendar is the latter
            return 0.0
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return 0.0 if math.isnan(seconds) else max(0.0, seconds)

"""Asks an OpenAI-compatible chat-completions API, patiently and within bounds."""

from __future__ import annotations

import email.utils
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from afterpilot.domain.errors import TargetError, TargetRefused
from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget

ATTEMPTS = 6
DEADLINE_SECONDS = 180.0  # for one case, all attempts and pauses together
CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0
MAX_BODY_BYTES = 5_000_000
_LONGEST_PAUSE = 30.0
_CHUNK = 65_536
_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 529})
_DATED = re.compile(r"^(-\d{4}-\d{2}-\d{2}|-\d{8})$")
_SAID = 300  # characters of an error body that are repeated


class _Again(Exception):
    """This attempt failed in a way that another may mend; ``pause`` is what the server asks for, in seconds."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class ChatClient:
    """One endpoint; connections are kept and shared by as many threads as ask."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connections: int = 128,
        deadline: float = DEADLINE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{endpoint.url.rstrip('/')}/chat/completions"
        self._deadline = deadline
        self._sleep = sleep
        self._session = requests.Session()
        self._session.trust_env = False  # no look-up of proxies and .netrc for every call
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        if endpoint.secret:
            self._session.headers["Authorization"] = f"Bearer {endpoint.secret}"

    def ask(self, target: ModelTarget, case: Case, *, seed: int) -> Reply:
        """The model's answer to one case.

        Raises:
            TargetRefused: the server said no for good, or another model answered.
            TargetError: no usable answer within the attempts and the deadline.
        """
        request = _request(target, case, seed)
        began = time.monotonic()
        reason = "it was never asked"
        for attempt in range(1, ATTEMPTS + 1):
            try:
                body, latency = self._post(request, began)
                return _reply(target, request, body, latency, attempt)
            except _Again as failure:
                reason = str(failure)
                pause = _back_off(attempt) if failure.pause is None else failure.pause
                if attempt == ATTEMPTS or time.monotonic() - began + pause > self._deadline:
                    break
                self._sleep(pause)
        raise TargetError(f"{target.name} gave no usable answer in {attempt} attempts: {reason}")

    def _post(self, request: Mapping[str, Any], began: float) -> tuple[dict[str, Any], int]:
        sent = time.monotonic()
        try:
            with self._session.post(
                self._url, json=request, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True, allow_redirects=False
            ) as response:
                content = self._read(response, began)
        except requests.RequestException as error:
            raise _Again(f"the connection failed ({type(error).__name__})") from error
        latency = round((time.monotonic() - sent) * 1000)
        if response.status_code in _AGAIN:
            raise _Again(f"HTTP {response.status_code}", _retry_after(response.headers.get("Retry-After")))
        if response.status_code != requests.codes.ok:
            said = content[:_SAID].decode("utf-8", "replace")
            raise TargetRefused(f"HTTP {response.status_code}: {said}")
        try:
            body = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _Again("the reply is not JSON") from error
        if not isinstance(body, dict):
            raise _Again("the reply is not a JSON object")
        return body, latency

    def _read(self, response: requests.Response, began: float) -> bytes:
        """The whole body; a server that drips or floods is cut off."""
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > MAX_BODY_BYTES:
                raise TargetRefused(f"the reply is larger than {MAX_BODY_BYTES:,} bytes")
            if time.monotonic() - began > self._deadline:
                raise TargetError(f"the reply did not end within {self._deadline:.0f} s")
        return bytes(content)


def _request(target: ModelTarget, case: Case, seed: int) -> dict[str, Any]:
    try:
        turns = target.prompt.render(case.vars)
    except KeyError as error:
        raise TargetRefused(f"case {case.id} has no value for {error.args[0]}") from error
    request: dict[str, Any] = {
        "model": target.name,
        "messages": [turn.as_dict() for turn in turns],
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "seed": seed,
    }
    if target.response_schema is not None:
        schema = {"name": "answer", "schema": dict(target.response_schema), "strict": True}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return request


def _reply(
    target: ModelTarget, request: Mapping[str, Any], body: Mapping[str, Any], latency: int, attempt: int
) -> Reply:
    try:
        message = body["choices"][0]["message"]
        text = message.get("content") or message.get("refusal") or ""
        answered = str(body.get("model") or "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _Again("the reply holds no message") from error
    if answered and not same_model(target.name, answered):
        raise TargetRefused(f"another model answered: {answered} instead of {target.name}")
    return Reply(
        text=str(text),
        usage=_usage(answered or target.name, body.get("usage")),
        model=answered or target.name,
        latency_ms=latency,
        attempts=attempt,
        request=request,
        response=body,
    )


def same_model(asked: str, answered: str) -> bool:
    """Whether the answer came from the model that was asked; a dated version of it is the same one."""
    asked_name, answered_name = asked.rsplit("/", maxsplit=1)[-1], answered.rsplit("/", maxsplit=1)[-1]
    return answered_name == asked_name or (
        answered_name.startswith(asked_name) and bool(_DATED.match(answered_name.removeprefix(asked_name)))
    )


def _usage(model: str, said: object) -> Usage | None:
    """What the reply says it used; None where it says nothing that can be counted."""
    if not isinstance(said, dict):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Usage(
        model=model,
        input_tokens=_count(said.get("prompt_tokens")),
        output_tokens=_count(said.get("completion_tokens")),
        cached_tokens=_count(cached) or 0,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _back_off(attempt: int) -> float:
    """Exponential with full jitter: at most 0.5, 1, 2, 4 … seconds."""
    return random.uniform(0.1, min(_LONGEST_PAUSE, 0.5 * 2 ** (attempt - 1)))  # noqa: S311 - no secret hangs on it


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait as the header says it, in seconds or as an HTTP date; None without a usable header."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())

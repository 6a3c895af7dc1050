"""What goes over the wire: a chat-completions request for a case, and what its reply means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afterpilot.domain.errors import TargetError, TargetRefused
from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.record import Usage
from afterpilot.domain.storable import storable, storable_json
from afterpilot.domain.workflow import ModelTarget

_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4})")
_NEWEST = "-latest"
_MOST_TOKENS = 10**12  # of one call; what is more is no count, and no database could hold its price
_SHOWN = 100  # characters of a name that a server gave
_KEPT = 2_000  # characters of a body that is no answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent and received, as far as there is any; ``attempts`` is 0 where no reply came that costs anything."""

    request: Mapping[str, Any] = field(default_factory=dict)
    response: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    attempts: int = 0


class Unanswered(TargetError):
    """No usable answer came; a later run may get one."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Refused(TargetRefused):
    """The server said no for good, or another model answered; ``exchange`` holds what was said."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


class Unreadable(Exception):
    """A reply that cannot be used; another attempt may bring a better one. ``exchange`` is what is known of it."""

    def __init__(self, reason: str, exchange: Exchange) -> None:
        super().__init__(reason)
        self.exchange = exchange


def no_answer(status: int, content: bytes) -> dict[str, Any]:
    """What is kept of a reply that is no answer: its status, and the beginning of its body."""
    return {"status": status, "body": storable(content[: 4 * _KEPT].decode("utf-8", "replace"))[:_KEPT]}


def request_for(target: ModelTarget, case: Case, *, seed: int) -> dict[str, Any]:
    """The request's JSON.

    Raises:
        Refused: the case lacks a variable of the prompt.
    """
    try:
        turns = target.prompt.render(case.vars)
    except KeyError as error:
        raise Refused(f"case {case.id} has no value for {error.args[0]}", Exchange()) from error
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


def document(content: bytes) -> dict[str, Any]:
    """A reply's body as a JSON object whose texts can be kept anywhere.

    Raises:
        Unreadable: it is not one.
    """
    try:
        body = json.loads(content, parse_constant=_no_constant)
        if b"\\u" in content:
            body = storable_json(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the reply is not JSON", Exchange(response=no_answer(200, content))) from error
    if not isinstance(body, dict):
        raise Unreadable("the reply is not a JSON object", Exchange(response=no_answer(200, content)))
    return body


def reply_from(
    target: ModelTarget, request: Mapping[str, Any], body: Mapping[str, Any], *, latency_ms: int, attempts: int
) -> Reply:
    """The answer that a reply's JSON holds. Where it does not say what was used, ``usage`` is None.

    Raises:
        Unreadable: there is no message in it; its usage is kept as well.
        Refused: another model answered than the one that was asked; its usage is kept, for it will be on the bill.
    """
    answered = str(body.get("model") or target.name)
    usage = _usage(answered, body.get("usage"))
    if not same_model(target.name, answered):
        raise Refused(
            f"another model answered: {answered[:_SHOWN]} instead of {target.name}",
            Exchange(request, body, usage, attempts),
        )
    text = _text(body)
    if text is None:
        said = no_answer(200, json.dumps(body, ensure_ascii=False).encode())
        raise Unreadable("the reply holds no message", Exchange(request, said, usage, attempts if usage else 0))
    return Reply(
        text=text,
        usage=usage,
        model=answered,
        latency_ms=latency_ms,
        attempts=attempts,
        request=request,
        response=body,
    )


def same_model(asked: str, answered: str) -> bool:
    """Whether the answer came from the model that was asked.

    A dated version of it is the same one (``gpt-5-mini-2026-08-01`` for ``gpt-5-mini``, ``x-2411`` for ``x-latest``), and so
    is one where only one side names the maker (``openai/gpt-5-mini``).
    """
    asked_maker, _, asked_name = asked.rpartition("/")
    maker, _, name = answered.rpartition("/")
    if asked_maker and maker and asked_maker != maker:
        return False
    if name == asked_name:
        return True
    family = asked_name.removesuffix(_NEWEST)
    return name.startswith(family) and bool(_DATE.fullmatch(name.removeprefix(family)))


def _text(body: Mapping[str, Any]) -> str | None:
    """The message's text, None without a message; a refusal in words is an answer too."""
    try:
        message = body["choices"][0]["message"]
        content = message.get("content")
        said = content or message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        return None
    if isinstance(said, list):
        return "".join(str(part.get("text") or "") for part in said if isinstance(part, dict))
    return str(said or "")


def _usage(model: str, said: object) -> Usage | None:
    """What the reply says it used; None where it says nothing that can be counted."""
    if not isinstance(said, dict):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    given, output = _count(said.get("prompt_tokens")), _count(said.get("completion_tokens"))
    return None if given is None and output is None else Usage(model, given, output, _count(cached) or 0)


def _count(value: object) -> int | None:
    """A number of tokens; None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
        return value
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

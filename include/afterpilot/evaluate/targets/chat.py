"""OpenAI-compatible chat completions: https://platform.openai.com/docs/api-reference/chat/create."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.domain.evals import Case, ToolCall
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import count, counted
from afterpilot.evaluate.targets.openai_usage import cached_of, of_parts
from afterpilot.evaluate.targets.shape import MAX_TOKENS, REFUSAL, ModelTurns, Picture, Said, Talk, bearer, tool_call

_STOPPED = {"length": MAX_TOKENS, "content_filter": REFUSAL}
_FAILED = "error"
_OF_ITSELF = frozenset({"stop", "tool_calls", "function_call", ""})


class ChatShape:
    """Chat completions of one model."""

    path = "chat/completions"

    def __init__(self, target: ModelTarget) -> None:
        self.name = target.name
        self._turns = ModelTurns(target)
        self._static: dict[str, Any] = {"temperature": target.temperature, "max_tokens": target.max_tokens}
        if target.response_schema is not None:
            schema = {"name": "answer", "schema": dict(target.response_schema), "strict": True}
            self._static["response_format"] = {"type": "json_schema", "json_schema": schema}
        if target.tools:
            self._static["tools"] = [{"type": "function", "function": dict(tool)} for tool in target.tools]

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token."""
        return bearer(key)

    def turns(self, case: Case) -> Sequence[Message]:
        """The prompt's and the case's."""
        return self._turns.of(case)

    def request(self, talk: Talk, *, seed: int) -> dict[str, Any]:
        """All turns as messages; pictures as parts of their turn."""
        messages: list[dict[str, Any]] = [turn.as_dict() for turn in talk.turns]
        if talk.pictures:
            messages[talk.pictured]["content"] = _parts(talk.turns[talk.pictured].content, talk.pictures)
        return {"model": self.name, "messages": messages, **self._static, "seed": seed}

    def read(self, body: Mapping[str, Any]) -> Said:
        """The first choice; a refusal in words is an answer too."""
        model = str(body.get("model") or self.name)
        usage = usage_of(model, body.get("usage"), body.get("service_tier"))
        try:
            choice = body["choices"][0]
            message = choice["message"]
            content, refusal = message.get("content"), message.get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError):
            return Said(None, model, usage)
        ended = str(choice.get("finish_reason") or "")
        if ended == _FAILED:  # a gateway's word for a model that broke off
            return Said(None, model, usage, flaw="the server broke the answer off")
        said = content or refusal
        text = "".join(_texts(said)) if isinstance(said, list) else str(said or "")
        stopped = "" if ended in _OF_ITSELF else _STOPPED.get(ended, ended)
        return Said(
            text,
            model,
            usage,
            tool_calls=tuple(_calls(message)) if message.get("tool_calls") else (),
            stopped=REFUSAL if refusal and not content else stopped,
            system=str(body.get("system_fingerprint") or ""),
        )


def usage_of(model: str, said: object, tier: object = "") -> Usage | None:
    """What the reply says it used; None where it says nothing that can be counted."""
    if not isinstance(said, dict):
        return None
    details = of_parts(said.get("prompt_tokens_details"), said.get("completion_tokens_details"))
    given, output = count(said.get("prompt_tokens")), count(said.get("completion_tokens"))
    return counted(model, given, output, cached_of(said.get("prompt_tokens_details")), details, tier=tier)


def _parts(text: str, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": text},
        *({"type": "image_url", "image_url": {"url": picture.url}} for picture in pictures),
    ]


def _texts(parts: list[Any]) -> list[str]:
    return [str(part.get("text") or part.get("refusal") or "") for part in parts if isinstance(part, dict)]


def _calls(message: Mapping[str, Any]) -> list[ToolCall]:
    calls = message["tool_calls"]
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [tool_call(one.get("name"), one.get("arguments")) for one in functions if isinstance(one, dict)]

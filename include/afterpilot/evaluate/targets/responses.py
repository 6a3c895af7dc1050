"""OpenAI responses: https://platform.openai.com/docs/api-reference/responses/create."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from afterpilot.domain.evals import Case
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import count, counted
from afterpilot.evaluate.targets.openai_usage import cached_of, of_parts, tool_uses
from afterpilot.evaluate.targets.shape import MAX_TOKENS, REFUSAL, ModelTurns, Said, Talk, bearer, tool_call

_STOPPED = {"max_output_tokens": MAX_TOKENS, "content_filter": REFUSAL}
_FAILED = ("failed", "cancelled")  # whatever was put out before that is no answer


class ResponsesShape:
    """Responses of one model; the provider is asked to store nothing."""

    path = "responses"

    def __init__(self, target: ModelTarget) -> None:
        self.name = target.name
        self._turns = ModelTurns(target)
        self._static: dict[str, Any] = {
            "temperature": target.temperature,
            "max_output_tokens": target.max_tokens,
            "store": False,
        }
        if target.response_schema is not None:
            schema = {"type": "json_schema", "name": "answer", "schema": dict(target.response_schema), "strict": True}
            self._static["text"] = {"format": schema}
        if target.tools:
            self._static["tools"] = [{"type": "function", **tool} for tool in target.tools]

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token."""
        return bearer(key)

    def turns(self, case: Case) -> Sequence[Message]:
        """The prompt's and the case's."""
        return self._turns.of(case)

    def request(self, talk: Talk, *, seed: int) -> dict[str, Any]:  # noqa: ARG002 - this API knows no seed
        """All turns as input items; pictures as parts of their turn."""
        items = [_item(turn) for turn in talk.turns]
        if talk.pictures:
            images = [{"type": "input_image", "image_url": picture.url, "detail": "auto"} for picture in talk.pictures]
            items[talk.pictured]["content"] = [
                {"type": "input_text", "text": talk.turns[talk.pictured].content},
                *images,
            ]
        return {"model": self.name, "input": items, **self._static}

    def read(self, body: Mapping[str, Any]) -> Said:
        """All messages of the output together; a refusal in words is an answer too."""
        model = str(body.get("model") or self.name)
        usage = _usage(model, body)
        if body.get("status") in _FAILED:
            return Said(None, model, usage, flaw=_flaw(body))
        output = body.get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        calls = [item for item in items if item.get("type") == "function_call"]
        parts = [part for item in items if item.get("type") == "message" for part in _parts(item)]
        incomplete = body.get("incomplete_details")
        reason = str(incomplete.get("reason") or "") if isinstance(incomplete, dict) else ""
        if not calls and not parts and not reason:
            return Said(None, model, usage, flaw=_flaw(body))
        texts = [str(part.get("text") or part.get("refusal") or "") for part in parts]
        refused = any(part.get("type") == REFUSAL for part in parts)
        return Said(
            "".join(texts),
            model,
            usage,
            tool_calls=tuple(tool_call(one.get("name"), one.get("arguments")) for one in calls),
            stopped=REFUSAL if refused else _STOPPED.get(reason, reason),
            system=str(body.get("system_fingerprint") or ""),
        )


def _item(turn: Message) -> dict[str, Any]:
    if turn.role == "assistant":
        content = [{"type": "output_text", "text": turn.content, "annotations": []}]
        return {"type": "message", "role": "assistant", "status": "completed", "content": content}
    return {"role": turn.role, "content": turn.content}


def _parts(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = item.get("content")
    return (part for part in content if isinstance(part, dict)) if isinstance(content, list) else iter(())


def _flaw(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    said = error.get("code") or error.get("message") if isinstance(error, dict) else ""
    return f"the server failed: {str(said)[:100]}" if said else "the reply holds no message"


def _usage(model: str, body: Mapping[str, Any]) -> Usage | None:
    said = body.get("usage")
    if not isinstance(said, dict):
        return None
    details = of_parts(said.get("input_tokens_details"), said.get("output_tokens_details"))
    given, output = count(said.get("input_tokens")), count(said.get("output_tokens"))
    details |= tool_uses(body.get("output"))
    return counted(
        model, given, output, cached_of(said.get("input_tokens_details")), details, tier=body.get("service_tier")
    )

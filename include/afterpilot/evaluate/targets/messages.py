"""Anthropic messages: https://platform.claude.com/docs/en/api/messages; structured output as its ``output_config.format``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from afterpilot.domain.evals import Case
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import count, counted
from afterpilot.evaluate.targets.shape import ModelTurns, Picture, Said, Talk, tool_call

_VERSION = "2023-06-01"
_OF_ITSELF = frozenset({"end_turn", "stop_sequence", "tool_use", ""})


class MessagesShape:
    """Messages of one model."""

    path = "messages"

    def __init__(self, target: ModelTarget) -> None:
        self.name = target.name
        self._turns = ModelTurns(target)
        self._static: dict[str, Any] = {"temperature": target.temperature, "max_tokens": target.max_tokens}
        if target.response_schema is not None:
            schema = {"type": "json_schema", "schema": dict(target.response_schema)}
            self._static["output_config"] = {"format": schema}
        if target.tools:
            self._static["tools"] = [_tool(tool) for tool in target.tools]

    def headers(self, key: str) -> Mapping[str, str]:
        """The key has a header of its own, and the API's version stands beside it."""
        return {"anthropic-version": _VERSION, **({"x-api-key": key} if key else {})}

    def turns(self, case: Case) -> Sequence[Message]:
        """The prompt's and the case's."""
        return self._turns.of(case)

    def request(self, talk: Talk, *, seed: int) -> dict[str, Any]:  # noqa: ARG002 - this API knows no seed
        """System turns stand apart; pictures stand before their turn's text, as the API's documentation advises."""
        system = "\n\n".join(turn.content for turn in talk.turns if turn.role == "system")
        messages: list[dict[str, Any]] = []
        for place, turn in enumerate(talk.turns):
            if turn.role != "system":
                message: dict[str, Any] = turn.as_dict()
                if place == talk.pictured and talk.pictures:
                    message["content"] = [*map(_image, talk.pictures), {"type": "text", "text": turn.content}]
                messages.append(message)
        request = {"model": self.name, "messages": messages, **self._static}
        if system:
            request["system"] = system
        return request

    def read(self, body: Mapping[str, Any]) -> Said:
        """All texts of the content together."""
        model = str(body.get("model") or self.name)
        usage = _usage(model, body.get("usage"))
        content = body.get("content")
        if not isinstance(content, list):
            return Said(None, model, usage)
        blocks = [block for block in content if isinstance(block, dict)]
        ended = str(body.get("stop_reason") or "")
        if not blocks and not ended:
            return Said(None, model, usage)
        return Said(
            "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text"),
            model,
            usage,
            tool_calls=tuple(
                tool_call(block.get("name"), block.get("input")) for block in blocks if block.get("type") == "tool_use"
            ),
            stopped="" if ended in _OF_ITSELF else ended,
            system=str(body.get("system_fingerprint") or ""),
        )


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    mine = {name: value for name, value in tool.items() if name not in {"parameters", "strict"}}
    return {**mine, "input_schema": tool.get("parameters") or {"type": "object", "properties": {}}}


def _image(picture: Picture) -> dict[str, Any]:
    source = {"type": "base64", "media_type": picture.media_type, "data": picture.base64}
    return {"type": "image", "source": source}


def _usage(model: str, said: object) -> Usage | None:
    """Input tokens are counted here without those that the cache took or gave. A fast call is one of a tier of its own."""
    if not isinstance(said, dict):
        return None
    given, read = count(said.get("input_tokens")), count(said.get("cache_read_input_tokens")) or 0
    apart, tools = said.get("cache_creation"), said.get("server_tool_use")
    hour = (count(apart.get("ephemeral_1h_input_tokens")) if isinstance(apart, dict) else None) or 0
    written = count(said.get("cache_creation_input_tokens")) or 0
    whole = None if given is None else given + read + max(written, hour)
    details = {
        "cache_write_tokens": max(0, written - hour),
        "cache_write_1h_tokens": hour,
        "web_searches": tools.get("web_search_requests") if isinstance(tools, dict) else None,
    }
    tier = "fast" if said.get("speed") == "fast" else said.get("service_tier")
    return counted(model, whole, count(said.get("output_tokens")), read, details, tier=tier)

"""What one call of a model is known by, whatever gateway or tracer wrote it down: names, types and meanings.

Connectors of AI traffic fill these; a declaration keeps those that it names under ``source.fields``. What was not reported is
None, which is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterpilot.domain.source import FieldType


@dataclass(frozen=True, slots=True)
class CallField:
    """One thing that is known of a call."""

    type: FieldType
    meaning: str


CALL_FIELDS: Mapping[str, CallField] = {
    "request_id": CallField("text", "the call's id: LiteLLM's request, Langfuse's observation, trace and span of OpenTelemetry"),
    "trace": CallField("text", "the id that calls of one piece of work share"),
    "started_at": CallField("time", "when the call began"),
    "finished_at": CallField("time", "when its answer was there"),
    "operation": CallField("text", "what was asked for, such as chat or embeddings"),
    "name": CallField("text", "what the application calls it"),
    "provider": CallField("text", "who runs the model"),
    "model": CallField("text", "the model that answered; where only one is known, that one"),
    "model_asked": CallField("text", "the model or alias that was asked for"),
    "input_tokens": CallField("number", "tokens of the request, cached ones included"),
    "cached_tokens": CallField("number", "those of the request that were read from a cache"),
    "cache_write_tokens": CallField("number", "those of the request that were written to a cache"),
    "cache_write_1h_tokens": CallField("number", "those of them that the cache keeps for an hour"),
    "input_audio_tokens": CallField("number", "those of the request that are sound"),
    "input_image_tokens": CallField("number", "those of the request that are images"),
    "output_tokens": CallField("number", "tokens of the answer, reasoning included"),
    "output_audio_tokens": CallField("number", "those of the answer that are sound"),
    "reasoning_tokens": CallField("number", "those of the answer that nobody sees"),
    "web_searches": CallField("number", "how often the model searched the web"),
    "tier": CallField("text", "the provider's service tier, such as batch; missing for the standard one"),
    "region": CallField("text", "where the model ran"),
    "cost": CallField("number", "what the gateway says that it cost, in its own currency (USD as a rule)"),
    "latency_ms": CallField("number", "milliseconds from the request to the whole answer"),
    "first_token_ms": CallField("number", "milliseconds to the first token"),
    "status": CallField("text", "`success` or `failure`"),
    "error": CallField("text", "what went wrong"),
    "user": CallField("text", "who asked, as the application says"),
    "session": CallField("text", "the conversation"),
    "team": CallField("text", "the team that the key belongs to"),
    "key_name": CallField("text", "the key's alias; never the key"),
    "tags": CallField("text", "a JSON list of texts"),
    "environment": CallField("text", "such as production"),
    "service": CallField("text", "the application that asked"),
    "prompt_name": CallField("text", "the prompt's name in its registry"),
    "prompt_version": CallField("text", "and its version"),
    "input": CallField("text", "what was asked; kept only where it is declared"),
    "output": CallField("text", "what was answered; kept only where it is declared"),
}  # fmt: skip

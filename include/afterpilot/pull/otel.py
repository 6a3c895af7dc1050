"""OpenTelemetry's GenAI spans in OTLP JSON files, as the collector's file exporter and the SDKs write them.

Three generations of attribute names are in use at once; each is read. Spans that only hold other calls together (an agent, a
tool) are left out unless the declaration asks for their operation: their tokens are those of the calls within.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import IO, Any

from afterpilot.domain.prices import tier_of
from afterpilot.domain.source import OtelReader, Source
from afterpilot.domain.window import Window
from afterpilot.pull.calls import Call, OwnCalls, first, first_count, in_milliseconds, milliseconds, within
from afterpilot.pull.file_formats import LONGEST_LINE, json_lines
from afterpilot.pull.files import Files, Open, failing
from afterpilot.pull.json_values import NotJson, loads
from afterpilot.pull.rows import Row, Tally, time_of

_LONGEST_DOCUMENT = 4 * LONGEST_LINE
_AROUND = {"invoke_agent", "create_agent", "execute_tool", "invoke_workflow"}
_FAILED = {"2", "STATUS_CODE_ERROR"}
# By name: attributes that say it, the newest convention first.
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "operation": ("gen_ai.operation.name", "llm.request.type"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.response.model", "gen_ai.request.model"),
    "model_asked": ("gen_ai.request.model",),
    "session": ("gen_ai.conversation.id", "session.id"),
    "user": ("user.id", "enduser.id"),
    "tier": ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    "prompt_name": ("gen_ai.prompt.name",),
    "prompt_version": ("gen_ai.prompt.version",),
    "input": ("gen_ai.input.messages", "gen_ai.prompt"),
    "output": ("gen_ai.output.messages", "gen_ai.completion"),
    "tags": ("tags",),
}
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    "input_audio_tokens": ("gen_ai.usage.audio.input_tokens",),
    "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    "output_audio_tokens": ("gen_ai.usage.audio.output_tokens",),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
}


class Spans:
    """The spans of calls of models."""

    def __init__(self, reader: OtelReader, source: Source, tally: Tally, open_store: Open) -> None:
        self._files, self._tally = Files(reader.path, tally, open_store), tally
        self._own = OwnCalls(source)
        self._asked = set(source.where.get("operation", ()))

    def rows(self, window: Window) -> Iterator[Row]:
        """The workflow's calls in the files that may hold some of the window. Raises SourceError."""
        for name, content in self._files.each(window):
            with failing(name):
                for document in _documents(name, content, self._tally):
                    if not isinstance(document, Mapping):
                        self._tally.skipped["line that is no OTLP"] += 1
                        continue
                    for span in _spans(document):
                        call = call_of(span)
                        if self._is_call(call) and (row := self._own.row(call, span)) is not None:
                            yield row

    def _is_call(self, call: Call) -> bool:
        operation = str(call["operation"])
        return operation in self._asked or (call["model"] is not None and operation not in _AROUND)


def call_of(span: Mapping[str, Any]) -> Call:
    """A span under the names of all calls; ``attributes`` and ``resource`` are mappings already."""
    said, resource = span["attributes"], span["resource"]
    for event in span["events"]:
        said = {**event["attributes"], **said}  # older instrumentations put content into events
    failed = str(within(span, "status", "code")) in _FAILED
    started, finished = _moment(span.get("startTimeUnixNano")), _moment(span.get("endTimeUnixNano"))
    return {
        **{name: first(*(said.get(key) for key in keys)) for name, keys in _ATTRIBUTES.items()},
        **{name: first_count(*(said.get(key) for key in keys)) for name, keys in _COUNTS.items()},
        "tier": tier_of(first(*(said.get(key) for key in _ATTRIBUTES["tier"]))) or None,
        "request_id": f"{span.get('traceId')}-{span.get('spanId')}" if span.get("spanId") else None,
        "trace": span.get("traceId"),
        "started_at": started,
        "finished_at": finished,
        "name": span.get("name"),
        "latency_ms": milliseconds(started, finished),
        "first_token_ms": in_milliseconds(said.get("gen_ai.response.time_to_first_chunk")),
        "status": "failure" if failed else "success",
        "error": first(within(span, "status", "message"), said.get("error.type")) if failed else None,
        "environment": first(resource.get("deployment.environment.name"), resource.get("deployment.environment")),
        "service": resource.get("service.name"),
    }


def _documents(name: str, content: IO[bytes], tally: Tally) -> Iterator[Any]:
    """A document in each line, or one over many lines."""
    line = content.readline(LONGEST_LINE)
    try:
        yield loads(line) if line.strip() else {}
    except NotJson:
        whole = line + content.read(_LONGEST_DOCUMENT)
        try:
            yield loads(whole)
        except NotJson:
            yield from json_lines(name, io.BytesIO(whole), tally)
    yield from json_lines(name, content, tally)


def _spans(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All spans of an export request, each with the attributes of itself, its events and its resource as mappings."""
    for resource in _items(document, "resourceSpans"):
        about = _attributes(resource.get("resource"))
        for scope in (*_items(resource, "scopeSpans"), *_items(resource, "instrumentationLibrarySpans")):
            for span in _items(scope, "spans"):
                events = [{**event, "attributes": _attributes(event)} for event in _items(span, "events")]
                yield {**span, "attributes": _attributes(span), "resource": about, "events": events}


def _items(value: object, key: str) -> list[Mapping[str, Any]]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _attributes(value: object) -> dict[str, Any]:
    """``[{"key": …, "value": {"intValue": "5"}}]`` as a mapping."""
    return {str(one.get("key")): _plain(one.get("value")) for one in _items(value, "attributes")}


def _plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """A typed value of OTLP as plain JSON."""
    if not isinstance(value, Mapping) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "intValue":  # a 64-bit number, which JSON carries as text
        return int(inner) if isinstance(inner, (int, str)) and str(inner).lstrip("-").isdigit() else inner
    if kind == "arrayValue":
        return [_plain(one) for one in _items(inner, "values")]
    if kind == "kvlistValue":
        return {str(one.get("key")): _plain(one.get("value")) for one in _items(inner, "values")}
    return inner


def _moment(nanoseconds: object) -> Any:  # noqa: ANN401 - a time, or what is none
    """Nanoseconds since 1970 as a time; 0 means that it is not known."""
    return None if str(nanoseconds) in {"0", "None", ""} else time_of(nanoseconds) or nanoseconds

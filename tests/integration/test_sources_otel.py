"""OpenTelemetry's GenAI spans in OTLP JSON files, written by OpenTelemetry's own encoder."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.source import OtelReader
from afterpilot.domain.window import Window
from afterpilot.pull.sources import RowSource, source_of
from doubles.sources import Places, source, workflow_of

pytestmark = pytest.mark.integration

(RECORDED,) = json.loads((Path(__file__).parents[1] / "golden/payloads/otel_genai_openai_span.json").read_text("utf-8"))
START = datetime(2026, 11, 21, 10, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
KEPT = {name: one.type for name, one in CALL_FIELDS.items()}
SPENT = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def nanoseconds(text: str) -> int:
    """A time of the recording since 1970."""
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000) * 1_000


def exported(*spans: dict[str, Any]) -> dict[str, Any]:
    """Spans as an OTLP JSON request: the encoder's message with ids in hex, as the specification has it for JSON."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "invoices", "deployment.environment.name": "production"})
    )
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("genai", schema_url="https://opentelemetry.io/schemas/1.37.0")
    for given in spans:
        said = RECORDED | given
        span = tracer.start_span(
            said["name"], attributes=said["attributes"], start_time=nanoseconds(said["start_time"])
        )
        for name, attributes in said.get("with_events", {}).items():
            span.add_event(name, attributes, timestamp=nanoseconds(said["start_time"]))
        if "failed" in said:
            span.set_status(Status(StatusCode.ERROR, said["failed"]))
        span.end(nanoseconds(said["end_time"]) if said["end_time"] else 0)
    request = MessageToDict(encode_spans(memory.get_finished_spans()), use_integers_for_enums=True)
    for resource in request["resourceSpans"]:
        for span in (span for scope in resource["scopeSpans"] for span in scope["spans"]):
            span |= {name: base64.b64decode(span[name]).hex() for name in ("traceId", "spanId")}
    return request


def pulled(path: Path, **keys: Any) -> tuple[list[Record], RowSource]:
    """The records of the window, and their source."""
    of = {"connection": "", "key": "request_id", "time": "finished_at", "fields": KEPT}
    found = source_of(workflow_of(source(reader=OtelReader(str(path)), **(of | keys))), Places())
    assert isinstance(found, RowSource)
    return list(found.records(WINDOW)), found


def written(folder: Path, *requests: dict[str, Any]) -> Path:
    """A file with a request in each line, as the collector's file exporter writes it."""
    path = folder / "spans.jsonl"
    path.write_text("".join(json.dumps(request) + "\n" for request in requests), encoding="utf-8")
    return path


def test_the_recorded_span_is_known_by_the_names_of_all_calls(tmp_path: Path) -> None:
    """What an instrumentation of today said about a real call; there is no cost, since no attribute is for it."""
    request = exported({})
    (record,), found = pulled(written(tmp_path, request))
    span = request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert record.key == f"{span['traceId']}-{span['spanId']}"
    assert len(record.key) == 32 + 1 + 16
    assert record.at == datetime(2026, 11, 21, 10, 17, 0, 902401, UTC)
    assert {name: value for name, value in record.data.items() if value is not None} == {
        "request_id": record.key,
        "trace": span["traceId"],
        "started_at": "2026-11-21T10:16:58.991198+00:00",
        "finished_at": "2026-11-21T10:17:00.902401+00:00",
        "operation": "chat",
        "name": "chat smollm2-135m",
        "provider": "openai",
        "model": "smollm2-135m",
        "model_asked": "smollm2-135m",
        "input_tokens": 32,
        "output_tokens": 5,
        "latency_ms": 1911,
        "status": "success",
        "environment": "production",
        "service": "invoices",
    }
    assert record.usage == Usage("smollm2-135m", 32, 5, 0)
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


_GENERATIONS = {
    "first": {
        "gen_ai.system": "anthropic",
        "gen_ai.request.model": "claude-x",
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 20,
        "gen_ai.usage.cache_read_input_tokens": 40,
        "gen_ai.usage.cache_creation_input_tokens": 10,
    },
    "core package": {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-x",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_creation.input_tokens": 10,
    },
    "own repository": {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.response.model": "claude-x",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.text.input_tokens": 90,
    },
}


@pytest.mark.parametrize("generation", _GENERATIONS)
def test_all_generations_of_names_say_the_same(tmp_path: Path, generation: str) -> None:
    """Three sets of names for one call."""
    (record,), _ = pulled(written(tmp_path, exported({"attributes": _GENERATIONS[generation]})))
    assert record.usage == Usage("claude-x", 100, 20, 40, CallDetails((("cache_write_tokens", 10),)))
    assert (record.data["provider"], *(record.data[name] for name in SPENT)) == ("anthropic", 100, 40, 10, 20, None)


def test_sound_tier_and_provider_are_part_of_what_was_used(tmp_path: Path) -> None:
    """They decide the price; a standard tier says nothing."""
    said = {
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.response.model": "m",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.audio.input_tokens": 60,
        "gen_ai.usage.image.input_tokens": 0,
        "gen_ai.usage.audio.output_tokens": 15,
    }
    flex, plain = {**said, "openai.response.service_tier": "Flex"}, {**said, "openai.response.service_tier": "default"}
    records, _ = pulled(written(tmp_path, exported({"attributes": flex}, {"attributes": plain})))
    counts = (("input_audio_tokens", 60), ("output_audio_tokens", 15))
    assert [record.usage for record in records] == [
        Usage("m", 100, 20, 0, CallDetails(counts, "flex", "", "aws.bedrock")),
        Usage("m", 100, 20, 0, CallDetails(counts, "", "", "aws.bedrock")),
    ]
    assert [record.data["tier"] for record in records] == ["flex", None]


def test_only_calls_count_and_only_the_own_ones(tmp_path: Path) -> None:
    """A span around others would count their tokens again; ``where`` may ask for it all the same."""
    model = {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 1}
    request = exported(
        {"name": "GET /", "attributes": {"http.request.method": "GET"}},
        {"name": "agent", "attributes": {**model, "gen_ai.operation.name": "invoke_agent"}},
        {"name": "chat", "attributes": {**model, "gen_ai.operation.name": "chat", "invoice.team": "ap"}},
        {"name": "embed", "attributes": {**model, "gen_ai.operation.name": "embeddings", "invoice.team": "hr"}},
    )
    path = written(tmp_path, request)
    assert [record.data["name"] for record in pulled(path)[0]] == ["chat", "embed"]
    own = {"$.attributes['invoice.team']": ("ap",)}
    assert [record.data["name"] for record in pulled(path, where=own)[0]] == ["chat"]
    assert [record.data["name"] for record in pulled(path, where={"operation": ("invoke_agent",)})[0]] == ["agent"]


def test_values_of_every_type_are_read(tmp_path: Path) -> None:
    """Texts, numbers, booleans, lists and mappings out of OTLP's typed values, attributes of the resource too."""
    said = {**RECORDED["attributes"], "a.list": ["x", "y"], "a.share": 0.25, "a.flag": True, "a.count": 2**53 + 1}
    (record,), _ = pulled(
        written(tmp_path, exported({"attributes": said})),
        fields={"list": "text", "share": "number", "flag": "boolean", "count": "number", "service": "text"},
        paths={
            **{name: f"$.attributes['a.{name}']" for name in ("list", "share", "flag", "count")},
            "service": "$.resource['service.name']",
        },
    )
    assert record.data == {
        "list": '["x", "y"]',
        "share": "0.25",
        "flag": True,
        "count": 2**53 + 1,
        "service": "invoices",
    }


def test_content_is_read_from_attributes_and_events_where_it_is_kept(tmp_path: Path) -> None:
    """Newer instrumentations put it on the span, older ones into events."""
    new = {
        **RECORDED["attributes"],
        "gen_ai.input.messages": '[{"role": "user"}]',
        "gen_ai.output.messages": '[{"role": "assistant"}]',
    }
    old = {
        "gen_ai.content.prompt": {"gen_ai.prompt": "Say hi"},
        "gen_ai.content.completion": {"gen_ai.completion": "Hi"},
    }
    path = written(tmp_path, exported({"attributes": new}, {"with_events": old}))
    kept = [record.data for record in pulled(path, fields={"input": "text", "output": "text"})[0]]
    assert kept == [
        {"input": '[{"role": "user"}]', "output": '[{"role": "assistant"}]'},
        {"input": "Say hi", "output": "Hi"},
    ]
    assert [record.data for record in pulled(path, fields={"model": "text"})[0]] == [{"model": "smollm2-135m"}] * 2


def test_a_failure_is_told_and_its_usage_is_unknown(tmp_path: Path) -> None:
    """A call that failed reports no tokens: that is not 0."""
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "error.type": "timeout"}
    (record, other), _ = pulled(
        written(tmp_path, exported({"attributes": said, "failed": "no answer"}, {"attributes": said, "failed": ""}))
    )
    assert (record.data["status"], record.data["error"], other.data["error"]) == ("failure", "no answer", "timeout")
    assert record.usage == Usage("m", None, None, 0)


def test_files_come_as_lines_as_one_document_and_packed(tmp_path: Path) -> None:
    """A pretty-printed document is one request; other signals in the same file are left alone."""
    request = exported({})
    expected, _ = pulled(written(tmp_path, request))
    (tmp_path / "one.json").write_text(json.dumps(request, indent=2), encoding="utf-8")
    lines = [json.dumps({"resourceLogs": []}), json.dumps(request), "", json.dumps({"resourceMetrics": [{}]})]
    (tmp_path / "more.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    for name in ("one.json", "more.jsonl.gz"):
        records, found = pulled(tmp_path / name)
        assert (records, dict(found.skipped), dict(found.noted)) == (expected, {}, {})


def test_damage_is_counted_and_the_rest_is_taken(tmp_path: Path) -> None:
    """Broken lines, odd shapes, spans without an end or an id, a line that is half written."""
    request = exported({})
    odd = exported({}, {})
    odd["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["endTimeUnixNano"] = "0"
    del odd["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["spanId"]
    shapes: list[Any] = [{"resourceSpans": {}}, {"resourceSpans": [{"scopeSpans": [{"spans": [7, {}]}]}]}, [1]]
    path = tmp_path / "spans.jsonl"
    lines = ["{broken", *map(json.dumps, shapes), json.dumps(odd), json.dumps(request)]
    path.write_text("\n".join(lines) + '\n{"resourceSpans": [{"sc', encoding="utf-8")
    records, found = pulled(path)
    assert len(records) == 1
    assert dict(found.skipped) == {
        "line that cannot be read: it is no JSON": 1,
        "line that is no OTLP": 1,
        "row without request_id": 1,
    }
    assert dict(found.noted) == {
        "last line that is not finished yet": 1,
        "rows without finished_at lie in no window": 1,
    }

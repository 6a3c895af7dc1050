"""Langfuse's observations over a real HTTP server, in the shape of its public API (v2)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.errors import SourceError
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Record, Usage
from afterpilot.domain.source import LangfuseReader
from afterpilot.domain.window import Window
from afterpilot.pull.sources import RowSource, source_of
from doubles.api import ApiDouble, Asked, Reply
from doubles.sources import Places, source, workflow_of

pytestmark = pytest.mark.integration

PAGE = json.loads((Path(__file__).parents[1] / "golden/payloads/langfuse_observations_v2.json").read_text("utf-8"))
START = datetime(2026, 11, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))
KEPT = {name: one.type for name, one in CALL_FIELDS.items() if name not in {"input", "output"}}


def observation(**changed: Any) -> dict[str, Any]:
    """The observation of the SDK's fixture, with some keys changed."""
    return copy.deepcopy(PAGE["data"][0]) | changed


def langfuse(*rows: dict[str, Any]) -> ApiDouble:
    """Langfuse: basic authentication, a cursor, and only the groups of fields that were asked for."""

    def answer(asked: Asked) -> Any:
        if asked.path != "/api/public/v2/observations" or not asked.headers.get("authorization", "").startswith(
            "Basic "
        ):
            return Reply({"message": "Invalid credentials"}, 401)
        groups = asked.query["fields"].split(",")
        hidden = {"usageDetails": "usage", "input": "io", "output": "io", "metadata": "metadata"}
        found = [{name: value for name, value in row.items() if hidden.get(name, "core") in groups} for row in rows]
        at = int(asked.query.get("cursor", 0))
        more = {"cursor": str(at + 2)} if at + 2 < len(rows) else {}
        return {"data": found[at : at + 2], "meta": more}

    return ApiDouble(answer)


def pulled(api: ApiDouble, **keys: Any) -> tuple[list[Record], RowSource]:
    """The records of the window, and their source."""
    of = {"key": "request_id", "time": "started_at", "fields": KEPT}
    found = source_of(workflow_of(source(reader=LangfuseReader(), **(of | keys))), Places(place=api.endpoint))
    assert isinstance(found, RowSource)
    return list(found.records(WINDOW)), found


def test_an_observation_is_known_by_the_names_of_all_calls() -> None:
    """The fixture that Langfuse's own SDK reads: its total says that the cached tokens are counted in the input."""
    with langfuse(observation()) as api:
        (record,), found = pulled(api)
        assert api.asked[0].query == {
            "fields": "core,basic,time,model,usage,prompt,metrics,trace_context",
            "type": "GENERATION",
            "fromStartTime": "2026-11-01T00:00:00.000Z",
            "toStartTime": "2026-11-01T01:00:00.000Z",
            "limit": "500",
        }
        assert api.asked[0].headers["authorization"] == "Basic cHVibGljLWtleTp0b2tlbi0wMTIzNDU2Nzg5"
    assert (record.key, record.at) == ("obs1", START)
    assert {name: value for name, value in record.data.items() if value is not None} == {
        "request_id": "obs1",
        "trace": "t1",
        "started_at": "2026-11-01T00:00:00+00:00",
        "finished_at": "2026-11-01T00:00:01+00:00",
        "operation": "generation",
        "name": "extract",
        "model": "gpt-4o",
        "model_asked": "gpt-4o",
        "input_tokens": 100,
        "cached_tokens": 40,
        "output_tokens": 20,
        "cost": "0.0004",
        "latency_ms": 1000,
        "first_token_ms": 200,
        "status": "success",
        "tags": '["team:ap"]',
        "prompt_name": "invoice",
        "prompt_version": "3",
    }
    assert record.usage == Usage("gpt-4o", 100, 20, 40)
    assert (dict(found.skipped), dict(found.noted)) == ({}, {})


@pytest.mark.parametrize(
    ("details", "usage"),
    [
        ({"input": 60, "input_cached_tokens": 40, "output": 20, "total": 120}, Usage("gpt-4o", 100, 20, 40)),
        (
            {"input": 60, "input_cached_tokens": 40, "output": 12, "output_reasoning_tokens": 8},
            Usage("gpt-4o", 100, 20, 40),
        ),
        (
            {
                "input": 10,
                "cache_read_input_tokens": 900,
                "cache_creation_input_tokens": 90,
                "output": 5,
                "total": 1005,
            },
            Usage("gpt-4o", 1000, 5, 900, CallDetails((("cache_write_tokens", 90),))),
        ),
        (
            {
                "input": 10,
                "input_audio_tokens": 60,
                "input_cache_creation_5m": 7,
                "input_cache_creation_1h": 23,
                "output": 5,
                "output_audio_tokens": 4,
            },
            Usage(
                "gpt-4o",
                100,
                9,
                0,
                CallDetails(
                    (
                        ("cache_write_tokens", 7),
                        ("cache_write_1h_tokens", 23),
                        ("input_audio_tokens", 60),
                        ("output_audio_tokens", 4),
                    )
                ),
            ),
        ),
        ({"input": 7, "output": 3}, Usage("gpt-4o", 7, 3, 0)),
        ({}, Usage("gpt-4o", None, None, 0)),
        ({"input": "many", "output": -3}, Usage("gpt-4o", None, None, 0)),
    ],
    ids=["kinds apart", "reasoning", "Anthropic", "sound and an hour's cache", "no cache", "nothing", "no counts"],
)
def test_input_holds_the_cached_tokens_once(details: dict[str, Any], usage: Usage) -> None:
    """Langfuse's kinds of usage do not overlap, so they are added up; what is not told is not 0."""
    with langfuse(observation(usageDetails=details)) as api:
        (record,), _ = pulled(api)
    assert record.usage == usage


def test_every_page_is_read_and_only_the_own_calls_are_kept() -> None:
    """The cursor is followed until there is none; ``where`` chooses by tag, name or a JSONPath."""
    rows = [observation(id=f"o{number}", tags=["team:ap" if number % 2 else "team:hr"]) for number in range(5)]
    with langfuse(*rows, observation(id="later", startTime="2026-11-01T01:00:00.000Z")) as api:
        records, _ = pulled(api, where={"tags": ("team:ap",), "name": ("extract",)})
        pulled(api, where={"environment": ("production",)})
        assert api.asked.pop().query["environment"] == "production"
        del api.asked[3:]
        assert [asked.query.get("cursor") for asked in api.asked] == [None, "2", "4"]
    assert [record.key for record in records] == ["o1", "o3"]


def test_what_was_asked_and_answered_is_fetched_only_where_it_is_kept() -> None:
    """Nobody's letters travel for a count of tokens."""
    row = observation(
        input={"messages": [{"role": "user", "content": "Dear all"}]}, output="Yes", metadata={"dag": "x"}
    )
    with langfuse(row) as api:
        (record,), _ = pulled(api)
        assert "io" not in api.asked[-1].query["fields"]
        assert not {"input", "output"} & record.data.keys()
        (record,), _ = pulled(
            api,
            fields={"output": "text", "letter": "text", "dag": "text"},
            paths={"letter": "$.input.messages[0].content", "dag": "$.metadata.dag"},
        )
        assert api.asked[-1].query["fields"].endswith(",io,metadata")
        assert api.asked[-1].query["limit"] == "100"
    assert record.data == {"output": "Yes", "letter": "Dear all", "dag": "x"}


def test_a_failed_call_is_told_with_its_error() -> None:
    """Level ERROR is a failure; its message is the error."""
    with langfuse(
        observation(level="ERROR", statusMessage="rate limited"), observation(id="w", level="WARNING")
    ) as api:
        records, _ = pulled(api)
    assert [(record.data["status"], record.data["error"]) for record in records] == [
        ("failure", "rate limited"),
        ("success", None),
    ]


def test_a_call_that_ends_in_the_window_may_have_begun_before() -> None:
    """Langfuse is asked by beginnings: for ends, a day more is asked for."""
    long = observation(startTime="2026-10-31T23:59:00.000Z", endTime="2026-11-01T00:00:30.000Z", latency=90.0)
    with langfuse(long, observation(id="open", endTime=None)) as api:
        records, found = pulled(api, time="finished_at")
        assert api.asked[0].query["fromStartTime"] == "2026-10-31T00:00:00.000Z"
    assert [(record.key, record.data["latency_ms"]) for record in records] == [("obs1", 90000)]
    assert dict(found.noted) == {"rows without finished_at lie in no window": 1}


def test_a_wrong_key_is_an_error_without_the_key() -> None:
    """Langfuse says 401."""
    with (
        ApiDouble(lambda _: Reply({"message": "Invalid credentials"}, 401)) as api,
        pytest.raises(SourceError) as error,
    ):
        pulled(api)
    assert "refuses the connection's token (401" in str(error.value)
    assert api.token not in str(error.value)

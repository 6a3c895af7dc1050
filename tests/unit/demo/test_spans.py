"""The AI app's spans are what the connector for OpenTelemetry reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from afterpilot.declare import load
from afterpilot.demo.ai_app import AiApp
from afterpilot.demo.spans import SpanFile
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.window import Window
from afterpilot.pull.sources import source_of
from afterpilot.settings import WORKFLOWS, EnvConnections

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BODY = {
    "id": "chatcmpl-1",
    "model": "smollm2-135m-instruct",
    "usage": {"prompt_tokens": 674, "completion_tokens": 60, "prompt_tokens_details": {"cached_tokens": 549}},
}


def records(folder: Path) -> tuple[list[Mapping[str, Any]], Mapping[str, int]]:
    """What the shipped declaration reads there, and what it could not take."""
    [workflow] = [one for one in load(WORKFLOWS).workflows if one.slug == "invoice_reader_calls"]
    connections = EnvConnections({"AIRFLOW_CONN_AI_CALLS": f'{{"conn_type": "fs", "extra": {{"path": "{folder}"}}}}'})
    source = source_of(workflow, connections)
    found: list[Mapping[str, Any]] = [
        {**one.data, "usage": one.usage} for one in source.records(Window(NOON - timedelta(hours=1), NOON))
    ]
    return found, Counter(source.skipped)


def test_a_call_is_read_with_its_time_and_what_it_used(tmp_path: Path) -> None:
    """One line for each; the time within the window, tokens with the cached ones, no text of the invoice."""
    spans = SpanFile(tmp_path / "calls" / "reader.jsonl")
    began = NOON.timestamp() - 600
    spans.write("smollm2-135m-instruct", began=began, ended=began + 4.5, answer=BODY)
    spans.write("smollm2-135m-instruct", began=began - 7200, ended=began - 7190, answer=BODY)
    [one], skipped = records(tmp_path / "calls")
    assert (one["status"], one["model"], one["latency_ms"]) == ("success", "smollm2-135m-instruct", Decimal(4500))
    assert (one["usage"].input_tokens, one["usage"].output_tokens, one["usage"].cached_tokens) == (674, 60, 549)
    assert not skipped


def test_a_call_that_fails_leaves_a_span_too(tmp_path: Path) -> None:
    """It says how, and what it used is unknown, not 0."""
    spans = SpanFile(tmp_path / "reader.jsonl")
    spans.write("some-model", began=NOON.timestamp() - 9, ended=NOON.timestamp() - 4, error="ReadTimeout")
    [one], _ = records(tmp_path)
    assert (one["status"], one["error"]) == ("failure", "ReadTimeout")
    assert one["usage"].output_tokens is None


def test_the_app_writes_a_span_where_nobody_answers(tmp_path: Path) -> None:
    """The error goes on to who asked."""
    path = tmp_path / "reader.jsonl"
    app = AiApp(
        base_url="http://127.0.0.1:9/v1", api_key="k", model="m", prompt=Prompt("{{ invoice }}"), spans=SpanFile(path)
    )
    with pytest.raises(requests.ConnectionError):
        app.answer("000001", {"invoice": "hush"})
    assert "ConnectionError" in path.read_text()
    assert "hush" not in path.read_text()


def test_no_call_yet_is_no_missing_file(tmp_path: Path) -> None:
    """The app makes its file when it starts; without it the place is wrong, and without its connection nothing is read."""
    SpanFile(tmp_path / "there" / "reader.jsonl")
    assert records(tmp_path / "there") == ([], Counter())
    with pytest.raises(SourceError, match="no file"):
        records(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="needs a path"):
        records(Path("relative"))

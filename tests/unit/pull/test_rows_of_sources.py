"""Whatever a source holds: a record, or a count of what could not be taken, and never a crash."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.calls import CALL_FIELDS
from afterpilot.domain.prices import NO_COUNT, PLAIN, UNREADABLE, CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.source import UsageColumns
from afterpilot.domain.window import Window
from afterpilot.pull import langfuse, litellm, otel
from afterpilot.pull.calls import OwnCalls
from afterpilot.pull.http.client import _seconds
from afterpilot.pull.json_values import NotJson, dumps, loads
from afterpilot.pull.rows import Records, Row, Tally, time_of
from doubles.sources import source, workflow_of

ALWAYS = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 11, 16, 12, 30, 15, 250_000, tzinfo=UTC)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-16T12:30:15.25Z",
        "2026-11-16T13:30:15.250+01:00",
        "2026-11-16 12:30:15.250",
        1794832215.25,
        Decimal("1794832215.25"),
        1794832215250,
        "1794832215250",
        1794832215250000,
        "1794832215250000000",
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ],
    ids=str,
)
def test_a_time_is_read_in_every_usual_form(value: object) -> None:
    """ISO 8601, or a number since 1970 whose size tells its unit."""
    assert time_of(value) == MOMENT


@pytest.mark.parametrize(
    "value", ["", "soon", "12", True, [1], {}, None, 1e300, "²²²²²²²²²", "9" * 5000, float("nan")], ids=repr
)
def test_what_is_no_time_is_none(value: object) -> None:
    """Short numbers are no times either: they may be anything."""
    assert time_of(value) is None or value is True


def test_a_short_text_of_digits_may_be_a_day() -> None:
    """As ISO 8601 has it without dashes."""
    assert time_of("20261116") == datetime(2026, 11, 16, tzinfo=UTC)


@given(
    st.integers(631_152_000_000_000, 4_102_444_800_000_000).map(lambda count: EPOCH + timedelta(microseconds=count)),
    st.sampled_from([1, 1000, 1_000_000]),
)
def test_a_number_comes_back_as_the_time_it_was(when: datetime, unit: int) -> None:
    """Seconds, milliseconds and microseconds from 1990 on are told apart, to their own precision."""
    number = (when - EPOCH) // timedelta(microseconds=1_000_000 // unit)
    found = time_of(number)
    assert found is not None
    assert timedelta(0) <= when - found < timedelta(microseconds=1_000_000 // unit)


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    """Through our reader and writer, but for numbers that are none."""
    text = json.dumps(value)
    assert json.loads(dumps(loads(text))) == json.loads(text) or "NaN" in text


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_json_or_told(text: bytes) -> None:
    """No other error than the one for that."""
    try:
        loads(text)
    except NotJson:
        return


@given(st.text(max_size=40) | st.dates().map(lambda day: f"{day:%a, %d %b %Y 00:00:00 GMT}"))
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    """Never below 0, never an error."""
    found = _seconds(text)
    assert found is None or found >= 0


def record_of(row: Any, tally: Tally, *, texts: bool = False) -> Any:
    """The record of a row with fields of every type, by name and by path."""
    kept = source(
        fields={"output": "text", "total": "number", "rush": "boolean", "due": "time", "deep": "text"},
        paths={"deep": "$.total..a[?@.b > 1]"},
        usage=UsageColumns("model", "$.total.a", "total"),
    )
    return Records(workflow_of(kept), tally, texts=texts).record(Row(row, row), ALWAYS)


@pytest.mark.parametrize(
    ("row", "details"),
    [
        (
            {"written": 7, "took": "1.2345", "tier": "BATCH", "who": "aws.bedrock", "u": {"s": 2}},
            CallDetails(
                (("cache_write_tokens", 7), ("web_searches", 2), ("seconds", Decimal("1.235"))),
                "batch",
                "",
                "aws.bedrock",
            ),
        ),
        (
            {"took": timedelta(minutes=1, microseconds=1), "who": "OpenAI"},
            CallDetails((("seconds", Decimal("60.001")),)),
        ),
        (
            {"written": "0", "took": "never", "tier": "auto", "who": "Ann <ann@example.com>", "u": {"s": -1}},
            CallDetails((("web_searches", NO_COUNT),)),
        ),
        (
            {"written": True, "took": -1, "tier": ["x"], "who": 49301234567, "u": {"s": [1]}},
            CallDetails((("cache_write_tokens", NO_COUNT), ("web_searches", NO_COUNT)), UNREADABLE),
        ),
        ({"written": "", "took": "", "tier": "", "who": "", "u": {"s": None}}, PLAIN),
    ],
)
def test_what_else_a_call_used_is_read_by_name_and_path(row: dict[str, Any], details: CallDetails) -> None:
    """Counts above 0, what is told and is none, seconds to the millisecond and never too short, words that can be no person's, and
    whether a tier was told in no word.
    """
    named = {
        "cache_write_tokens": "written",
        "web_searches": "$.u.s",
        "seconds": "took",
        "tier": "tier",
        "provider": "who",
    }
    kept = source(fields={"output": "text"}, usage=UsageColumns("model", "$.total.a", "total", "", named))
    whole = {"id": "a", "finished_at": "2026-11-16T00:00:00Z", **row}
    record = Records(workflow_of(kept), Tally()).record(Row(whole, whole), ALWAYS)
    assert record is not None
    assert record.usage == Usage("", None, None, 0, details)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["id", "finished_at", "output", "total", "rush", "due", "model"]), JSON),
    st.booleans(),
)
def test_any_row_is_a_record_or_counted(row: dict[str, Any], texts: bool) -> None:  # noqa: FBT001 - given by Hypothesis
    """And what is kept can be stored: JSON without a NUL."""
    tally = Tally()
    record = record_of(row, tally, texts=texts)
    assert (record is not None) or tally.skipped or tally.noted
    if record is not None:
        text = json.dumps(record.data, ensure_ascii=False, allow_nan=False)
        assert "\\u0000" not in text
        text.encode()


def test_a_row_that_is_nested_without_end_is_missing_in_part() -> None:
    """What cannot be written down is noted; the rest is kept."""
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    tally = Tally()
    record = record_of({"id": "a", "finished_at": "2026-11-16", "output": deep, "total": {"a": deep}}, tally)
    assert record.data["output"] is None
    assert tally.noted["output cannot be kept, it is nested too deeply: kept as missing"] == 1


_SPAN = st.fixed_dictionaries({"attributes": st.dictionaries(st.sampled_from(["gen_ai.request.model", "gen_ai.operation.name", "gen_ai.usage.input_tokens", "gen_ai.prompt"]), JSON), "resource": st.just({}), "events": st.just([])}, optional={"status": JSON, "startTimeUnixNano": JSON, "endTimeUnixNano": JSON})  # fmt: skip
_LOG = st.dictionaries(st.sampled_from(["metadata", "response", "messages", "startTime", "endTime", "prompt_tokens", "status", "request_tags", "proxy_server_request"]), JSON)  # fmt: skip
_OBSERVATION = st.dictionaries(st.sampled_from(["usageDetails", "latency", "costDetails", "startTime", "endTime", "level", "type", "tags"]), JSON)  # fmt: skip


@pytest.mark.parametrize(
    ("of", "rows"),
    [(litellm.call_of, _LOG), (langfuse.call_of, _OBSERVATION), (otel.call_of, _SPAN)],
    ids=["LiteLLM", "Langfuse", "OpenTelemetry"],
)
@settings(max_examples=40)
@given(data=st.data())
def test_any_log_of_a_call_is_read(of: Any, rows: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """Whatever stands where: names of calls, and nothing else; counts are counts."""
    row = data.draw(rows)
    call = of(row)
    assert call.keys() <= CALL_FIELDS.keys()
    found = OwnCalls(source(where={"tags": ("x",), "$.metadata.a": ("y",)})).row(call, row)
    taken = OwnCalls(source()).row(call, row)
    assert found is None or taken is not None
    assert taken is not None
    assert taken.usage is not None
    counts = (taken.usage.input_tokens, taken.usage.output_tokens, taken.usage.cached_tokens)
    assert all(count is None or count >= 0 for count in counts)

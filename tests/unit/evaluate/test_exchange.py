"""Requests and what replies mean, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from afterpilot.domain.evals import Case
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import Refused, Unreadable, document, reply_from, request_for, same_model

TARGET = ModelTarget("double", "gpt-5-mini", Prompt("## system\nRead.\n\n## user\n{{ invoice }}"), max_tokens=90)


def body(**changed: Any) -> dict[str, Any]:
    """A reply's JSON."""
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 10}}
    return {"model": "gpt-5-mini", "choices": [{"message": {"content": "yes"}}], "usage": usage, **changed}


def test_a_request_renders_the_prompt_with_the_case() -> None:
    """Variables are filled in as they are, and every parameter stands in it."""
    request = request_for(TARGET, Case("a", {"invoice": "{{ x }} <b>"}, {}), seed=3)
    assert request == {
        "model": "gpt-5-mini",
        "messages": [{"role": "system", "content": "Read."}, {"role": "user", "content": "{{ x }} <b>"}],
        "temperature": 0.0,
        "max_tokens": 90,
        "seed": 3,
    }


def test_a_schema_is_asked_for_strictly() -> None:
    """The response format is the schema, by name."""
    target = ModelTarget("double", "m", Prompt("hi"), response_schema={"type": "object"})
    wanted = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    assert request_for(target, Case("a", {}, {}), seed=1)["response_format"] == {
        "type": "json_schema",
        "json_schema": wanted,
    }


def test_a_case_that_lacks_a_variable_is_refused_by_name() -> None:
    """The harness says which; the model is not asked."""
    with pytest.raises(Refused, match="case a has no value for invoice"):
        request_for(TARGET, Case("a", {}, {}), seed=1)


def test_a_reply_holds_text_usage_and_both_sides() -> None:
    """Cached tokens are part of the input tokens."""
    request = {"messages": []}
    reply = reply_from(TARGET, request, body(), latency_ms=7, attempts=2)
    assert (reply.text, reply.model, reply.latency_ms, reply.attempts) == ("yes", "gpt-5-mini", 7, 2)
    assert reply.usage == Usage("gpt-5-mini", 12, 3, 10)
    assert (reply.request, reply.response) == (request, body())


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (None, None),
        ("12", None),
        ({}, None),
        ({"prompt_tokens": "12"}, None),
        ({"prompt_tokens": -1, "completion_tokens": True}, None),
        ({"prompt_tokens": 12}, Usage("gpt-5-mini", 12, None, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage("gpt-5-mini", 0, 0, 0)),
        (
            {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": None},
            Usage("gpt-5-mini", 2, 1, 0),
        ),
    ],
)
def test_missing_usage_is_none_and_never_zero(usage: object, found: Usage | None) -> None:
    """What a reply does not say is not known."""
    assert reply_from(TARGET, {}, body(usage=usage), latency_ms=1, attempts=1).usage == found


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": None}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
    ],
)
def test_the_text_of_a_message(message: object, text: str) -> None:
    """A refusal in words is an answer, an empty one too; parts are joined."""
    assert reply_from(TARGET, {}, body(choices=[{"message": message}]), latency_ms=1, attempts=1).text == text


@pytest.mark.parametrize("choices", [None, [], [{}], [{"message": "x"}], "text"])
def test_a_reply_without_a_message_is_unreadable(choices: object) -> None:
    """Another attempt may bring one."""
    with pytest.raises(Unreadable, match="no message"):
        reply_from(TARGET, {}, body(choices=choices), latency_ms=1, attempts=1)


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"[1]", b"<html>", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_unreadable(content: bytes) -> None:
    """Cut, nested without end, of another kind."""
    with pytest.raises(Unreadable):
        document(content)


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-5-mini", "gpt-5-mini", True),
        ("gpt-5-mini", "gpt-5-mini-2026-08-01", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929", True),
        ("gpt-4", "gpt-4-0613", True),
        ("mistral-large-latest", "mistral-large-2411", True),
        ("openai/gpt-5-mini", "gpt-5-mini-2026-08-01", True),
        ("gpt-5-mini", "openai/gpt-5-mini", True),
        ("gpt-5", "gpt-5-mini", False),
        ("gpt-5-mini", "gpt-5", False),
        ("gpt-5-mini-2026-08-01", "gpt-5-mini-2026-10-01", False),
        ("gpt-5-mini-2026-08-01", "gpt-5-mini", False),
        ("meta-llama/llama-3", "somebody-else/llama-3", False),
        ("smollm2-135m-instruct", "gpt-4o", False),
    ],
)
def test_the_model_that_answers_is_the_one_that_was_asked(asked: str, answered: str, same: bool) -> None:  # noqa: FBT001 - a table
    """Dated versions are the same, neighbours are not."""
    assert same_model(asked, answered) is same


def test_another_model_is_refused_and_its_usage_kept() -> None:
    """Somebody will bill it."""
    with pytest.raises(Refused, match="another model answered: gpt-4o instead of gpt-5-mini") as refused:
        reply_from(TARGET, {"q": 1}, body(model="gpt-4o"), latency_ms=1, attempts=2)
    assert refused.value.exchange.usage == Usage("gpt-4o", 12, 3, 10)
    assert refused.value.exchange.attempts == 2


def test_a_server_that_does_not_name_its_model_is_taken_at_its_word() -> None:
    """The usage is counted for the model that was asked."""
    reply = reply_from(TARGET, {}, body(model=None), latency_ms=1, attempts=1)
    assert reply.usage is not None
    assert (reply.model, reply.usage.model) == ("gpt-5-mini", "gpt-5-mini")

"""Requests and what replies mean, for each model API, without a network."""

from __future__ import annotations

from typing import Any

import pytest

from afterpilot.domain.evals import Case, ToolCall
from afterpilot.domain.prices import PLAIN, CallDetails
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.exchange import Refused
from afterpilot.evaluate.targets import shape_of
from afterpilot.evaluate.targets.shape import Habits, Picture, Talk

TOOL = {"name": "find_order", "description": "Finds an order.", "parameters": {"type": "object", "required": ["id"]}}
PROMPT = Prompt("## system\nRead.\n\n## user\n{{ invoice }}")
SCHEMA = {"type": "object"}
PICTURE = Picture("image/png", "AAAA")
APIS = ("chat", "responses", "messages")


def target(api: Any = "chat", **more: Any) -> ModelTarget:
    """A model behind one of the APIs."""
    return ModelTarget("double", "gpt-5-mini", PROMPT, max_tokens=90, api=api, **more)


def request(api: str, *turns: Message, pictures: tuple[Picture, ...] = (), **more: Any) -> dict[str, Any]:
    """What is sent for these turns, the picture with the second of them."""
    given = turns or (Message("system", "Read."), Message("user", "{{ x }} <b>"))
    return shape_of(target(api, **more)).request(Talk(Case("a", {}, {}), given, pictures, 1), seed=3)


def test_a_prompt_is_filled_in_with_the_case_and_its_own_turns_follow() -> None:
    """Values are inserted as they are; the case's turns are no templates."""
    case = Case("a", {"invoice": "{{ x }} <b>"}, {}, messages=(Message("user", "{{ invoice }}"),))
    expected = [Message("system", "Read."), Message("user", "{{ x }} <b>"), Message("user", "{{ invoice }}")]
    assert shape_of(target()).turns(case) == expected


def test_a_case_that_lacks_a_variable_is_refused_by_name() -> None:
    """The harness says which; the model is not asked."""
    with pytest.raises(Refused, match="case a has no value for invoice"):
        shape_of(target()).turns(Case("a", {}, {}))


def test_a_chat_request() -> None:
    """Every parameter stands in it; the schema is asked for strictly, tools as functions, pictures as data URLs."""
    assert request("chat") == {
        "model": "gpt-5-mini",
        "messages": [{"role": "system", "content": "Read."}, {"role": "user", "content": "{{ x }} <b>"}],
        "temperature": 0.0,
        "max_tokens": 90,
        "seed": 3,
    }
    full = request("chat", pictures=(PICTURE,), response_schema=SCHEMA, tools=(TOOL,))
    wanted = {"name": "answer", "schema": SCHEMA, "strict": True}
    assert full["response_format"] == {"type": "json_schema", "json_schema": wanted}
    assert full["tools"] == [{"type": "function", "function": TOOL}]
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert full["messages"][1]["content"] == [{"type": "text", "text": "{{ x }} <b>"}, url]


def test_a_responses_request() -> None:
    """Nothing is stored; an answer of before goes in as the output that it was."""
    turns = (Message("system", "Read."), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    full = request("responses", *turns, pictures=(PICTURE,), response_schema=SCHEMA, tools=(TOOL,))
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
    text = {"type": "output_text", "text": "b", "annotations": []}
    assert full == {
        "model": "gpt-5-mini",
        "input": [
            {"role": "system", "content": "Read."},
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, image]},
            {"type": "message", "role": "assistant", "status": "completed", "content": [text]},
            {"role": "user", "content": "c"},
        ],
        "temperature": 0.0,
        "max_output_tokens": 90,
        "store": False,
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}},
        "tools": [{"type": "function", **TOOL}],
    }


def test_a_messages_request() -> None:
    """The system turn stands apart, the picture before its text, and the schema in the output's configuration."""
    full = request("messages", pictures=(PICTURE,), response_schema=SCHEMA, tools=(TOOL,))
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert full == {
        "model": "gpt-5-mini",
        "system": "Read.",
        "messages": [
            {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": "{{ x }} <b>"}]}
        ],
        "temperature": 0.0,
        "max_tokens": 90,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "tools": [{"name": "find_order", "description": "Finds an order.", "input_schema": TOOL["parameters"]}],
    }
    headers = shape_of(target("messages")).headers("key-1")
    assert headers == {"x-api-key": "key-1", "anthropic-version": "2023-06-01"}


REPLIES: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "gpt-5-mini",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {
                    "content": "yes",
                    "tool_calls": [
                        {"type": "function", "function": {"name": "find_order", "arguments": '{"id": 7}'}},
                        {"type": "function", "function": {"name": "find_order", "arguments": "id=8"}},
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 10}},
    },
    "responses": {
        "model": "gpt-5-mini",
        "system_fingerprint": "fp_1",
        "status": "completed",
        "output": [
            {"type": "reasoning", "summary": []},
            {
                "type": "message",
                "content": [{"type": "output_text", "text": "y"}, {"type": "output_text", "text": "es"}],
            },
            {"type": "function_call", "name": "find_order", "arguments": '{"id": 7}'},
            {"type": "function_call", "name": "find_order", "arguments": "id=8"},
        ],
        "usage": {"input_tokens": 12, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 10}},
    },
    "messages": {
        "model": "gpt-5-mini",
        "system_fingerprint": "fp_1",
        "stop_reason": "tool_use",
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "yes"},
            {"type": "tool_use", "name": "find_order", "input": {"id": 7}},
            {"type": "tool_use", "name": "find_order", "input": "id=8"},
        ],
        "usage": {
            "input_tokens": 1,
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 1,
            "output_tokens": 3,
        },
    },
}


@pytest.mark.parametrize("api", APIS)
def test_a_reply_holds_text_calls_usage_and_what_answered(api: str) -> None:
    """The same in each API's own words; arguments that are no JSON stay the text that they are."""
    said = shape_of(target(api)).read(REPLIES[api])
    assert (said.text, said.model, said.system, said.stopped) == ("yes", "gpt-5-mini", "fp_1", "")
    written = CallDetails((("cache_write_tokens", 1),)) if api == "messages" else PLAIN
    assert said.usage == Usage("gpt-5-mini", 12, 3, 10, written)
    assert said.tool_calls == (ToolCall("find_order", {"id": 7}), ToolCall("find_order", "id=8"))


@pytest.mark.parametrize("arguments", ['{"id": NaN}', '{"id": 1e999}', "[" * 500 + "]" * 500, '{"id": 7, "id": 8}'])
def test_arguments_of_a_call_that_no_database_takes_stay_the_text_that_they_are(arguments: str) -> None:
    """One model's answer must not end the run of all the others."""
    message = {"tool_calls": [{"function": {"name": "find_order", "arguments": arguments}}]}
    said = shape_of(target("chat")).read({"choices": [{"message": message}]})
    assert said.tool_calls == (ToolCall("find_order", arguments),)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", {"choices": [{"finish_reason": "error", "message": {"content": "The to"}}]}),
        (
            "responses",
            {
                "status": "failed",
                "error": {"code": "server_error"},
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "The to"}]}],
            },
        ),
    ],
)
def test_an_answer_that_the_server_broke_off_is_no_answer(api: str, body: dict[str, Any]) -> None:
    """It is the harness's trouble, and counts neither for nor against the model."""
    said = shape_of(target(api)).read(body)
    assert said.text is None
    assert said.flaw.startswith("the server")


@pytest.mark.parametrize(
    ("api", "body", "stopped"),
    [
        ("chat", {"choices": [{"finish_reason": "length", "message": {"content": "a"}}]}, "max_tokens"),
        ("chat", {"choices": [{"finish_reason": "content_filter", "message": {"content": "a"}}]}, "refusal"),
        ("chat", {"choices": [{"finish_reason": "stop", "message": {"refusal": "a"}}]}, "refusal"),
        ("chat", {"choices": [{"message": {"content": "a"}}]}, ""),
        (
            "responses",
            {
                "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}],
            },
            "max_tokens",
        ),
        ("responses", {"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "a"}]}]}, "refusal"),
        ("messages", {"stop_reason": "max_tokens", "content": [{"type": "text", "text": "a"}]}, "max_tokens"),
        ("messages", {"stop_reason": "refusal", "content": [{"type": "text", "text": "a"}]}, "refusal"),
    ],
)
def test_why_an_answer_ended_is_told_where_it_was_not_of_itself(api: str, body: dict[str, Any], stopped: str) -> None:
    """A refusal in words is an answer all the same."""
    said = shape_of(target(api)).read(body)
    assert (said.text, said.stopped) == ("a", stopped)


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("chat", {"choices": [{"message": {"content": None}}]}),
        ("chat", {"choices": [{"message": {"content": []}}]}),
        ("responses", {"output": [], "incomplete_details": {"reason": "max_output_tokens"}}),
        ("responses", {"output": [{"type": "message", "content": [{"type": "output_text", "text": ""}]}]}),
        ("messages", {"content": [], "stop_reason": "end_turn"}),
        ("messages", {"content": [{"type": "text", "text": ""}]}),
    ],
)
def test_an_empty_answer_is_the_models(api: str, body: dict[str, Any]) -> None:
    """It is wrong, and no error of the harness."""
    assert shape_of(target(api)).read(body).text == ""


def test_parts_of_a_chat_message_are_joined() -> None:
    """Some servers send its text in parts."""
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, "c", {"type": "other"}]
    assert shape_of(target()).read({"choices": [{"message": {"content": content}}]}).text == "ab"


BROKEN: list[Any] = [None, [], [{}], [{"message": "x"}], ["x"], "text", {}, 7, [None], [{"type": "message"}]]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("api", APIS)
def test_a_reply_without_a_message_is_none(api: str, broken: object) -> None:
    """Another attempt may bring one; what was used is known all the same."""
    field = {"chat": "choices", "responses": "output", "messages": "content"}[api]
    body = {field: broken, "usage": REPLIES[api]["usage"]}
    said = shape_of(target(api)).read(body)
    assert said.text is None or (api == "messages" and isinstance(broken, list) and said.text == "")
    assert said.usage is not None


def test_a_response_that_failed_says_why() -> None:
    """The provider's own word for it."""
    body = {"status": "failed", "error": {"code": "server_error", "message": "no"}, "output": []}
    said = shape_of(target("responses")).read(body)
    assert (said.text, said.flaw) == (None, "the server failed: server_error")


@pytest.mark.parametrize(
    "usage", [None, "12", {}, {"prompt_tokens": "12"}, {"prompt_tokens": -1, "completion_tokens": True}]
)
@pytest.mark.parametrize("api", APIS)
def test_missing_usage_is_none_and_never_zero(api: str, usage: object) -> None:
    """What a reply does not say is not known."""
    assert shape_of(target(api)).read({**REPLIES[api], "usage": usage}).usage is None


@pytest.mark.parametrize(
    ("api", "usage", "found"),
    [
        ("chat", {"prompt_tokens": 12}, Usage("gpt-5-mini", 12, None, 0)),
        ("chat", {"prompt_tokens": 2, "completion_tokens": 0}, Usage("gpt-5-mini", 2, 0, 0)),
        (
            "chat",
            {"prompt_tokens": 2, "completion_tokens": 1, "prompt_tokens_details": None},
            Usage("gpt-5-mini", 2, 1),
        ),
        ("responses", {"output_tokens": 1, "input_tokens_details": 7}, Usage("gpt-5-mini", None, 1)),
        ("messages", {"input_tokens": 2, "output_tokens": 1}, Usage("gpt-5-mini", 2, 1)),
        ("messages", {"cache_read_input_tokens": 5, "output_tokens": 1}, Usage("gpt-5-mini", None, 1)),
    ],
)
def test_usage_as_far_as_it_is_told(api: str, usage: object, found: Usage) -> None:
    """A part that is missing is not known."""
    assert shape_of(target(api)).read({**REPLIES[api], "usage": usage}).usage == found


_WEB = {"type": "web_search_call", "status": "completed"}


@pytest.mark.parametrize(
    ("api", "reply", "found"),
    [
        (
            "chat",
            {
                "service_tier": "flex",
                "usage": {
                    "prompt_tokens": 100,
                    "completion_tokens": 30,
                    "prompt_tokens_details": {
                        "cached_tokens": 10,
                        "cache_write_tokens": 5,
                        "audio_tokens": 40,
                        "image_tokens": 20,
                        "text_tokens": 25,
                    },
                    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 12},
                },
            },
            Usage(
                "gpt-5-mini",
                100,
                30,
                10,
                CallDetails(
                    (
                        ("cache_write_tokens", 5),
                        ("input_audio_tokens", 40),
                        ("input_image_tokens", 20),
                        ("output_audio_tokens", 12),
                    ),
                    "flex",
                ),
            ),
        ),
        (
            "responses",
            {
                "service_tier": "default",
                "output": [
                    {**_WEB, "action": {"type": "search", "query": "x"}},
                    {**_WEB, "action": {"type": "open_page", "url": "https://example.com"}},
                    _WEB,
                    {"type": "file_search_call", "queries": ["y"]},
                    {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
                ],
                "usage": {"input_tokens": 100, "output_tokens": 30, "input_tokens_details": {"cached_tokens": 10}},
            },
            Usage("gpt-5-mini", 100, 30, 10, CallDetails((("web_searches", 2), ("storage_searches", 1)))),
        ),
        (
            "messages",
            {
                "usage": {
                    "input_tokens": 100,
                    "cache_read_input_tokens": 10,
                    "cache_creation_input_tokens": 50,
                    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
                    "output_tokens": 30,
                    "server_tool_use": {"web_search_requests": 3},
                    "service_tier": "priority",
                }
            },
            Usage(
                "gpt-5-mini",
                160,
                30,
                10,
                CallDetails(
                    (("cache_write_tokens", 20), ("cache_write_1h_tokens", 30), ("web_searches", 3)), "priority"
                ),
            ),
        ),
        (
            "messages",
            {"usage": {"input_tokens": 9, "output_tokens": 3, "service_tier": "standard", "speed": "fast"}},
            Usage("gpt-5-mini", 9, 3, 0, CallDetails(tier="fast")),
        ),
    ],
    ids=["chat", "responses", "messages", "fast messages"],
)
def test_all_that_a_price_depends_on_is_told(api: str, reply: dict[str, Any], found: Usage) -> None:
    """Caches written, sound, images, searches and the tier; a standard tier says nothing."""
    assert shape_of(target(api)).read({**REPLIES[api], **reply}).usage == found


@pytest.mark.parametrize("api", APIS)
def test_a_server_that_does_not_name_its_model_is_taken_at_its_word(api: str) -> None:
    """The usage is counted for the model that was asked."""
    said = shape_of(target(api)).read({**REPLIES[api], "model": None})
    assert said.usage is not None
    assert (said.model, said.usage.model) == ("gpt-5-mini", "gpt-5-mini")


@pytest.mark.parametrize(
    ("content", "dropped"),
    [
        (b'{"error": {"message": "Unsupported value: x", "param": "temperature"}}', ("temperature",)),
        (b'{"error": {"message": "`temperature` is deprecated for this model."}}', ("temperature",)),
        (b'{"error": {"message": "Unsupported parameter", "param": "messages"}}', ()),
        (b'{"error": {"message": "temperature too high", "param": "temperature"}}', ()),
        (b'{"error": "unsupported temperature"}', ()),
        (b"[" * 100_000, ()),
        (b"", ()),
    ],
)
def test_only_what_a_model_does_not_know_is_left_out(content: bytes, dropped: tuple[str, ...]) -> None:
    """And nothing is learned twice, so that nobody asks for ever."""
    habits, sent = Habits(), request("chat")
    assert bool(habits.learn(sent, content)) is bool(dropped)
    assert habits.dropped == dropped
    assert not habits.learn(habits.apply(sent), content)

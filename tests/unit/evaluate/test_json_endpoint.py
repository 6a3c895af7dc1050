"""A team's own endpoint: its request filled in, and its reply read by JSONPath, without a network."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.evals import Case, ToolCall
from afterpilot.domain.prompt import Message
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import JsonTarget
from afterpilot.evaluate.exchange import Refused
from afterpilot.evaluate.targets import shape_of
from afterpilot.evaluate.targets.shape import Picture, Said, Talk

PATHS = {
    "answer": "$.result.text",
    "model": "$.meta.model",
    "input_tokens": "$.meta.tokens.in",
    "output_tokens": "$.meta.tokens.out",
    "cost": "$.meta.cost",
    "sources": "$.hits[*].id",
    "tool_calls": "$.steps[?@.kind == 'tool']",
}
BODY: dict[str, Any] = {
    "result": {"text": "yes"},
    "meta": {"model": "bot-1", "tokens": {"in": 12, "out": 3}, "cost": 0.00125},
    "hits": [{"id": "doc-7"}, {"id": 8}],
    "steps": [{"kind": "tool", "name": "find", "arguments": {"id": 7}}, {"kind": "thought"}],
}


def target(request: Any = None, **more: Any) -> JsonTarget:
    """An endpoint with all paths, or others."""
    return JsonTarget("bot", "bot-1", "/ask", {"q": "{{ q }}"} if request is None else request, **{**PATHS, **more})


def sent(request: Any, values: dict[str, str], *, turns: Any = (), pictures: Any = ()) -> Any:
    """What goes out."""
    return shape_of(target(request)).request(Talk(Case("a", values, {}), turns, pictures), seed=1)


def read(body: Any, **more: Any) -> Said:
    """What the reply says."""
    return shape_of(target(**more)).read(body)


def test_variables_are_filled_into_texts_at_any_depth() -> None:
    """As values, with everything else as it was declared."""
    request = {"q": "{{ q }}", "opts": [{"lang": "in {{lang}} or {{ q }}", "top": 5, "exact": None}], "{{ q }}": True}
    assert sent(request, {"q": 'say "hi"', "lang": "de"}) == {
        "q": 'say "hi"',
        "opts": [{"lang": 'in de or say "hi"', "top": 5, "exact": None}],
        "{{ q }}": True,
    }


@given(st.text(max_size=60))
def test_a_value_is_never_a_template(value: str) -> None:
    """Whatever it holds, it arrives as it is."""
    assert sent({"q": "{{ q }}", "r": "<{{ q }}>"}, {"q": value, "secret": "!"}) == {"q": value, "r": f"<{value}>"}


def test_a_variable_without_a_value_is_refused_by_name() -> None:
    """All of them, and nothing is sent."""
    with pytest.raises(Refused, match="case a has no value for lang, q"):
        sent({"q": "{{ q }} {{ lang }}"}, {})


def test_turns_and_pictures_go_where_the_request_has_a_place_for_them() -> None:
    """A case that has some and a request that has none do not fit."""
    turns, pictures = [Message("user", "hi")], (Picture("image/png", "AAAA"),)
    filled = sent({"chat": "{{ messages }}", "files": "{{ images }}"}, {}, turns=turns, pictures=pictures)
    assert filled == {"chat": [{"role": "user", "content": "hi"}], "files": ["data:image/png;base64,AAAA"]}
    with pytest.raises(Refused, match=r"case a has messages, and the request has no \{\{ messages \}\}"):
        sent({"q": "{{ q }}"}, {"q": "x"}, turns=turns)
    with pytest.raises(Refused, match="case a has images"):
        sent({"q": "{{ q }}"}, {"q": "x"}, pictures=pictures)


def test_a_reply_is_read_by_its_paths() -> None:
    """Answer, model, usage, cost, the ids of its sources, and its tool calls."""
    said = read(BODY)
    assert (said.text, said.model, said.usage) == ("yes", "bot-1", Usage("bot-1", 12, 3))
    assert (said.cost, said.sources) == (Decimal("0.00125"), ("doc-7", "8"))
    assert said.tool_calls == (ToolCall("find", {"id": 7}),)


def test_paths_that_are_not_declared_lead_nowhere() -> None:
    """Then nothing is known: no usage, no cost."""
    said = read(BODY, model="", input_tokens="", output_tokens="", cost="", sources="", tool_calls="")
    assert (said.model, said.usage, said.cost, said.sources, said.tool_calls) == ("bot-1", None, None, (), ())


@pytest.mark.parametrize(
    ("value", "text"), [({"a": 1}, '{"a": 1}'), (7, "7"), (False, "false"), ("", ""), (["é"], '["é"]')]
)
def test_an_answer_that_is_no_text_is_its_json(value: object, text: str) -> None:
    """Scorers read it as JSON again."""
    assert read({"result": {"text": value}}).text == text


@pytest.mark.parametrize("body", [{}, {"result": None}, {"result": {"text": None}}, {"result": ["text"]}])
def test_a_reply_without_an_answer_is_none(body: dict[str, Any]) -> None:
    """Another attempt may bring one."""
    said = read(body)
    assert (said.text, said.flaw) == (None, "the reply holds nothing at $.result.text")


@pytest.mark.parametrize(
    ("cost", "found"),
    [
        (0, Decimal(0)),
        ("0.5", Decimal("0.5")),
        (1e-9, Decimal("1E-9")),
        (-0.01, None),
        ("NaN", None),
        ("Infinity", None),
        (10**30, None),
        (True, None),
        (None, None),
        ("free", None),
        ([1], None),
    ],
)
def test_a_cost_that_is_none_is_unknown(cost: object, found: Decimal | None) -> None:
    """Never 0, and never less."""
    assert read({"meta": {"cost": cost}}).cost == found


def test_a_single_list_stands_for_its_items() -> None:
    """``$.ids`` and ``$.ids[*]`` are the same."""
    body = {"ids": ["a", "b"]}
    assert read(body, sources="$.ids").sources == read(body, sources="$.ids[*]").sources == ("a", "b")


@pytest.mark.parametrize("key", sorted(PATHS))
def test_a_bad_path_is_a_clear_error(key: str) -> None:
    """It names the key."""
    with pytest.raises(Refused, match=rf"the target's {key} is no JSONPath: \$\.a\["):
        shape_of(target(**{key: "$.a["}))


@pytest.mark.parametrize("request_", [{"a": float("nan")}, {"a": {1, 2}}, "text", ["list"]])
def test_a_request_that_is_no_json_object_is_a_clear_error(request_: object) -> None:
    """Before anything is sent."""
    with pytest.raises(Refused, match="the target's request is no JSON object"):
        shape_of(target(request_))

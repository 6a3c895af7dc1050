"""Scorers that look at more of a reply than its text: refusals, tool calls, retrieval."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_score import asked, reply

from afterpilot.domain.evals import Case, Score, ScorerSpec, ToolCall
from afterpilot.evaluate.scorers import ScorerError

NAMES = st.sampled_from(["find", "book", "pay"])
CALLS = st.lists(st.builds(ToolCall, NAMES, st.dictionaries(st.sampled_from("ab"), st.integers(0, 2))), max_size=5)
IDS = st.lists(st.sampled_from([f"doc-{number}" for number in range(8)]), max_size=10)


def called(wanted: Any, made: list[ToolCall], **params: Any) -> Score:
    """The score of tool calls."""
    spec = ScorerSpec("tool_call", "", params, threshold=0.5)
    return asked(spec, Case("c", {}, {"tool_calls": wanted}), reply("", tool_calls=tuple(made)))


def retrieved(right: list[str], sources: list[str], **params: Any) -> Score:
    """The score of what was retrieved."""
    case = Case("c", {}, {"sources": right})
    return asked(ScorerSpec("retrieval", "", params, threshold=0.5), case, reply("", sources=tuple(sources)))


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I can’t assist with this request.",  # noqa: RUF001 - as models write it
        "I cannot provide medical advice.",
        "As an AI language model, I am unable to do so.",
        "Unfortunately I am not able to help you with this.",
        "I must respectfully decline.",
        "That goes against my guidelines.",
        "I won't write that.",
    ],
)
def test_a_refusal_is_known_by_its_wording(text: str) -> None:
    """The usual English wordings."""
    assert asked_refusal(text, expected=True)
    assert not asked_refusal(text, expected=False)


def asked_refusal(text: str, *, expected: bool, **rest: Any) -> bool:
    """Whether the scorer passes."""
    return asked(ScorerSpec("refusal", "", {"expected": expected}), Case("c", {}, {}), reply(text, **rest)).passed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The customer writes: please help, the order is late.",
        "The invoice cannot be matched: the total differs.",
        "Sure. " + "x " * 300 + "I cannot help with that.",
        "You can't deduct this amount.",
        "We provide support from nine to five.",
    ],
)
def test_an_answer_that_only_sounds_like_it_is_no_refusal(text: str) -> None:
    """Answers about what cannot be done, or that quote a refusal further down."""
    assert asked_refusal(text, expected=False)
    assert not asked_refusal(text, expected=True)


def test_a_refusal_instead_of_the_json_that_was_asked_for_is_one() -> None:
    """Its field is missing since the model refused, and that is what the scorer is asked."""
    spec = ScorerSpec("refusal", "note", {"expected": True, "words": ("nope",)})
    for text in ("I cannot help with that.", "Nope!", '{"note": "I cannot help with that."}'):
        assert asked(spec, Case("c", {}, {}), reply(text)).passed
    assert not asked(spec, Case("c", {}, {}), reply('{"note": "fine", "other": "I cannot help with that."}')).passed


def test_the_models_own_word_for_a_refusal_counts() -> None:
    """Each API says it in its own way, and the targets in one; whatever the text is, and only for that reason."""
    assert asked_refusal("Here is how.", expected=True, stopped="refusal")
    assert asked_refusal("Here is how.", expected=False, stopped="max_tokens")


@pytest.mark.parametrize(
    ("wanted", "made", "params", "value"),
    [
        ([], [], {}, 1.0),
        ([], [ToolCall("pay", {})], {}, 0.0),
        (["pay"], [], {}, 0.0),
        (["pay"], [ToolCall("pay", {"a": 1})], {}, 1.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1.0})], {}, 1.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": True})], {}, 0.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": "1"})], {}, 0.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1, "b": 2})], {}, 0.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1, "b": 2})], {"arguments": "subset"}, 1.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", "no JSON")], {"arguments": "ignore"}, 1.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1.01})], {"tolerance": 0.01}, 1.0),
        ([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1.011})], {"tolerance": 0.01}, 0.0),
        (["find", "pay"], [ToolCall("pay", {}), ToolCall("find", {})], {}, 1.0),
        (["find", "pay"], [ToolCall("pay", {}), ToolCall("find", {})], {"ordered": True}, 0.5),
        (["pay"], [ToolCall("find", {}), ToolCall("pay", {})], {}, 2 / 3),
        (["pay"], [ToolCall("find", {}), ToolCall("pay", {})], {"extra": True}, 1.0),
        # The first one fits both calls, the second one only the first: a greedy pairing would lose one.
        (["pay", {"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", {"a": 1}), ToolCall("pay", {})], {}, 1.0),
    ],
)
def test_tool_calls_are_paired(wanted: Any, made: list[ToolCall], params: Any, value: float) -> None:
    """Names and arguments, in any order unless said, with F1 over the calls."""
    assert called(wanted, made, **params).value == pytest.approx(value)


@given(CALLS, st.randoms(use_true_random=False))
def test_the_order_of_tool_calls_does_not_matter_unless_said(made: list[ToolCall], random: Any) -> None:
    """The calls that are expected, shuffled, are all right; in their own order they are too."""
    wanted = [{"name": call.name, "arguments": call.arguments} for call in made]
    shuffled = list(made)
    random.shuffle(shuffled)
    assert called(wanted, shuffled).value == 1.0
    assert called(wanted, made, ordered=True).value == 1.0
    assert called(wanted, shuffled, ordered=True).value <= 1.0


@given(wanted=CALLS, made=CALLS, ordered=st.booleans())
def test_tool_calls_score_from_zero_to_one(*, wanted: list[ToolCall], made: list[ToolCall], ordered: bool) -> None:
    """Whatever is expected and made; and an order can only make it worse."""
    calls = [{"name": call.name, "arguments": call.arguments} for call in wanted]
    value = called(calls, made, ordered=ordered).value
    assert 0.0 <= value <= called(calls, made).value <= 1.0


@pytest.mark.parametrize("wanted", [5, [5], [{"arguments": {}}]])
def test_expected_calls_that_are_none_are_the_harness_s_fault(wanted: Any) -> None:
    """What cannot be read as tool calls is no failure of the model."""
    with pytest.raises(ScorerError):
        called(wanted, [])


def test_arguments_nested_beyond_all_bounds_are_wrong_and_nothing_else() -> None:
    """A hostile model's arguments neither raise nor fill the reason."""
    deep: Any = {}
    for _ in range(5_000):
        deep = {"a": deep}
    found = called([{"name": "pay", "arguments": {"a": 1}}], [ToolCall("pay", deep)] * 500)
    assert found.value == 0.0
    assert len(found.reason) < 1_000


@pytest.mark.parametrize(
    ("metric", "sources", "value"),
    [
        ("hit_rate", ["x", "a"], 1.0),
        ("hit_rate", ["x", "y"], 0.0),
        ("hit_rate", [], 0.0),
        ("mrr", ["x", "a", "b"], 0.5),
        ("mrr", ["a"], 1.0),
        ("mrr", ["x", "y", "z", "w", "v", "a"], 0.0),
        ("ndcg", ["a", "b"], 1.0),
        ("ndcg", ["a", "x", "b"], (1 + 1 / 2) / (1 + 1 / 1.584962500721156)),
        ("ndcg", ["x", "a", "a"], (1 / 1.584962500721156) / (1 + 1 / 1.584962500721156)),
    ],
)
def test_retrieval_by_its_metric(metric: str, sources: list[str], value: float) -> None:
    """Worked by hand for the right sources a and b, at 5."""
    found = retrieved(["a", "b"], sources, metric=metric)
    assert found.value == pytest.approx(value)
    assert found.details[metric] == found.value


def test_sources_of_the_declaration_and_k_are_held() -> None:
    """``ids`` stands in for the case's own; beyond ``k`` nothing counts; ids may be numbers in the case."""
    assert retrieved(["x"], ["a"], ids=("a",)).value == 1.0
    assert retrieved(["a"], ["x", "a"], k=1).value == 0.0
    assert retrieved([7], ["7"]).value == 1.0  # type: ignore[list-item]


@pytest.mark.parametrize(("right", "params"), [([], {}), (["a"], {"metric": "map"}), (["a"], {"k": 0})])
def test_retrieval_without_right_sources_or_sense_is_the_harness_s_fault(right: list[str], params: Any) -> None:
    """No figure is made up for a case that expects nothing."""
    with pytest.raises(ScorerError):
        retrieved(right, ["a"], **params)


@given(IDS.filter(bool), IDS, st.integers(1, 12))
def test_retrieval_scores_from_zero_to_one_and_best_for_the_ideal_order(
    right: list[str], sources: list[str], k: int
) -> None:
    """All three metrics are bounded; the right sources first give 1; a right source moved up never lowers nDCG."""
    for metric in ("hit_rate", "mrr", "ndcg"):
        value = retrieved(right, sources, metric=metric, k=k).value
        ideal = retrieved(right, [*dict.fromkeys(right), *sources], metric=metric, k=k).value
        assert 0.0 <= value <= ideal == 1.0
    moved = sorted(sources, key=lambda source: source not in right)
    assert retrieved(right, moved, metric="ndcg", k=k).value >= retrieved(right, sources, metric="ndcg", k=k).value

"""JSON field by field, and how alike texts are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from one_score import asked, reply, scored

from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.record import Usage
from afterpilot.evaluate.asking import Embedded
from afterpilot.evaluate.exchange import Exchange, Unanswered
from afterpilot.evaluate.scorers import ScorerError, regexes, similarity
from afterpilot.evaluate.scorers.fields import leaves
from afterpilot.evaluate.scorers.similarity import METHODS, cosine

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
INVOICE = {"po": "PO-1", "total": 453.6, "due": "2026-03-04", "lines": [{"price": 10}, {"price": 20}]}


def likeness(one: str, other: str, **how: Any) -> float:
    """Of texts that wait for no process."""
    try:
        similarity.likeness(one, other, **how).send(None)
    except StopIteration as ended:
        return float(ended.value)
    raise AssertionError("it waited for something")


def test_each_field_is_right_wrong_missing_or_extra() -> None:
    """Figures by hand: 2 right, 1 wrong, 2 missing, 1 extra."""
    said = {"po": "PO-1", "total": 453.61, "lines": [{"price": 10}], "note": "x"}
    found = scored("json_fields", said, {"": INVOICE})
    assert {kind: found.details[kind] for kind in ("right", "wrong", "missing", "extra")} == {
        "right": ["lines[0].price", "po"],
        "wrong": ["total"],
        "missing": ["due", "lines[1].price"],
        "extra": ["note"],
    }
    assert found.details["precision"] == pytest.approx(2 / 4)
    assert found.details["recall"] == pytest.approx(2 / 5)
    assert found.value == found.details["f1"] == pytest.approx(4 / 9)
    assert found.reason == "wrong: total; missing: due, lines[1].price; extra: note"


@pytest.mark.parametrize(
    ("change", "params"),
    [
        ({"total": "453,61 EUR"}, {"fields": {"total": {"compare": "numeric", "tolerance": 0.01}}}),
        ({"due": "4 March 2026"}, {"fields": {"due": "date"}}),
        ({"due": "04/03/2026"}, {"fields": {"due": {"compare": "date", "order": "day_first"}}}),
        ({"po": "PO 1"}, {"fields": {"po": {"compare": "similarity", "threshold": 0.7}}}),
        ({"lines": [{"price": "10.00"}, {"price": 20.0}]}, {"fields": {"lines[].price": "numeric"}}),
        ({"lines": [{"price": 11}]}, {"ignore": ("lines",)}),
        ({"note": "more"}, {"extra": False}),
        ({"note": {"deep": 1}}, {"ignore": ("note",)}),
    ],
)
def test_fields_are_compared_as_declared(change: dict[str, Any], params: dict[str, Any]) -> None:
    """Each way to compare makes right what is wrong to the letter."""
    assert scored("json_fields", {**INVOICE, **change}, {"": INVOICE}, **params).value == 1.0
    assert scored("json_fields", {**INVOICE, **change}, {"": INVOICE}).value < 1.0


@pytest.mark.parametrize(
    ("expected", "params"),
    [
        ({}, {}),
        ({"": {"a": 1}}, {"ignore": ("a",)}),
        ({"": {"a": 1}}, {"fields": {"a": "guess"}}),
        ({"": {"a": "x"}}, {"fields": {"a": "numeric"}}),
    ],
)
def test_fields_that_cannot_be_compared_are_the_harness_s_fault(expected: Any, params: Any) -> None:
    """Nothing expected, nothing that counts, an unknown way, an expected number that is none."""
    with pytest.raises(ScorerError):
        scored("json_fields", {"a": 1}, expected, **params)


@given(JSON, JSON)
def test_f1_is_bounded_and_1_for_the_expected_value_only(wanted: Any, said: Any) -> None:
    """0 to 1 whatever is said; 1 for what was expected; symmetric, as F1 is; never above the better of precision and recall."""
    forth = scored("json_fields", json.dumps(said), {"": wanted})
    back = scored("json_fields", json.dumps(wanted), {"": said})
    assert 0.0 <= forth.value <= 1.0
    assert forth.value == pytest.approx(back.value)
    assert forth.value <= max(forth.details["precision"], forth.details["recall"]) + 1e-9
    assert scored("json_fields", json.dumps(wanted), {"": wanted}).value == 1.0


def test_leaves_of_deep_and_wide_values_are_found_without_recursion() -> None:
    """What is nested ten thousand deep has one leaf, and a list as many as items."""
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    assert list(leaves(deep).values()) == [1]
    assert len(leaves(list(range(1_000)))) == 1_000


TEXTS = st.text(max_size=30)


@given(TEXTS, TEXTS, st.sampled_from(METHODS))
def test_likeness_is_bounded_symmetric_and_1_for_the_same_text(one: str, other: str, method: str) -> None:
    """A measure of likeness, also on lone surrogates."""
    value = likeness(one, other, method=method)
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(likeness(other, one, method=method))
    assert likeness(one, one, method=method) == 1.0
    if method == "levenshtein":
        assert (value == 1.0) == (one == other)


def test_likeness_by_hand() -> None:
    """Kitten and sitting are three edits apart; words in another order are the same to token_sort."""
    assert likeness("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert likeness("b a", "a b", method="token_sort") == 1.0
    assert scored("similarity", "KITTEN", {"": "kitten"}, ignore_case=True).value == 1.0


def test_a_threshold_decides_and_the_reason_says_how_far_off() -> None:
    """Passed is value at or above the threshold, nothing else."""
    for threshold, passed in ((0.57, True), (0.58, False)):
        spec = ScorerSpec("similarity", "", {"value": "sitting"}, threshold=threshold)
        found = asked(spec, Case("c", {}, {}), reply("kitten"))
        assert (found.passed, bool(found.reason)) == (passed, not passed)


def test_texts_too_long_to_compare_fail_by_their_length_or_blame_nobody() -> None:
    """A megabyte against a line is wrong; two of them at once are more than a scorer can do."""
    assert likeness("x" * 10**7, "y" * 1_000, threshold=0.8) == 0.0
    with pytest.raises(ScorerError, match="too long"):
        likeness("x" * 10**5, "y" * 10**5, threshold=0.8)


def test_long_texts_hold_up_no_other_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are compared in a process of their own, field by field too, and to the same end."""
    monkeypatch.setattr(similarity, "_AT_ONCE", 20)
    case = Case("c", {}, {"": "sitting \ud800"})
    try:
        for method in METHODS:
            spec = ScorerSpec("similarity", "", {"method": method})
            with pytest.raises(ScorerError, match="event loop"):
                asked(spec, case, reply("kitten \ud800"))
            found = asked(spec, case, reply("kitten \ud800"), waits=True).value
            with monkeypatch.context() as at_once:
                at_once.setattr(similarity, "_AT_ONCE", 1_000)
                assert found == asked(spec, case, reply("kitten \ud800")).value
        fields = ScorerSpec("json_fields", "", {"fields": {"a": {"compare": "similarity", "threshold": 0.5}}})
        of_field = Case("c", {}, {"": {"a": "sitting"}})
        assert asked(fields, of_field, reply('{"a": "kitten"}'), waits=True).passed
        monkeypatch.setattr(similarity, "SECONDS", 0.0)
        with pytest.raises(ScorerError, match="cannot be compared: "):
            asked(ScorerSpec("similarity", ""), Case("c", {}, {"": "yz" * 20_000}), reply("xz" * 20_000), waits=True)
    finally:
        regexes.PROCESS.close()


class Vectors:
    """Gives the vectors that it was told, or raises."""

    def __init__(self, *vectors: Sequence[float], error: Exception | None = None) -> None:
        self.vectors = tuple(tuple(vector) for vector in vectors)
        self.error = error
        self.asked: list[Any] = []

    async def embed(self, connection: str, name: str, texts: Sequence[str]) -> Embedded:
        """As an embedding model would."""
        self.asked.append((connection, name, tuple(texts)))
        if self.error:
            raise self.error
        return Embedded(self.vectors, Usage(name, 4, 0))


EMBEDDED = ScorerSpec(
    "similarity", "", {"value": "car", "embedding": {"connection": "emb", "model": "e5"}}, threshold=0.6
)


def test_embeddings_are_compared_by_their_angle() -> None:
    """Both texts go in one call; the cosine is the value, 0 where it is negative."""
    model = Vectors((1.0, 0.0), (0.6, 0.8))
    found = asked(EMBEDDED, Case("c", {}, {}), reply("bus"), asking=model)
    assert (found.value, found.passed) == (pytest.approx(0.6), True)
    assert model.asked == [("emb", "e5", ("bus", "car"))]
    assert asked(EMBEDDED, Case("c", {}, {}), reply("bus"), asking=Vectors((1.0,), (-1.0,))).value == 0.0


def test_an_empty_answer_is_like_nothing_and_no_model_is_asked() -> None:
    """Providers refuse empty texts."""
    model = Vectors()
    assert asked(EMBEDDED, Case("c", {}, {}), reply(" "), asking=model).value == 0.0
    assert model.asked == []


@pytest.mark.parametrize("vectors", [((1.0,), (1.0, 2.0)), ((0.0,), (1.0,)), ((float("nan"),), (1.0,)), ((1.0,),)])
def test_vectors_of_no_use_are_the_harness_s_fault(vectors: tuple[tuple[float, ...], ...]) -> None:
    """Other lengths, a zero, no number, one vector too few."""
    with pytest.raises(ScorerError):
        asked(EMBEDDED, Case("c", {}, {}), reply("bus"), asking=Vectors(*vectors))


def test_what_an_embedding_model_raises_reaches_the_runner_as_it_is() -> None:
    """The runner tells a cap from a server that is down."""
    with pytest.raises(Unanswered):
        asked(EMBEDDED, Case("c", {}, {}), reply("bus"), asking=Vectors(error=Unanswered("down", Exchange())))


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=8).filter(lambda parts: sum(part * part for part in parts) > 1e-6)
)
def test_a_vector_points_where_it_points(vector: list[float]) -> None:
    """The cosine with itself is 1, with its opposite 0, and its length does not matter."""
    assert cosine(vector, vector) == pytest.approx(1.0)
    assert cosine(vector, [-part for part in vector]) == 0.0
    assert cosine(vector, [3 * part for part in vector]) == pytest.approx(1.0)


def test_an_answer_of_more_fields_than_anybody_asked_for_is_wrong_without_a_look_at_each() -> None:
    """They would hold up every other case of the run."""
    found = scored("json_fields", [0] * 50_000, {"": [0]}, extra=False)
    assert (found.value, found.reason) == (0.0, "the answer has more than 20,000 fields")

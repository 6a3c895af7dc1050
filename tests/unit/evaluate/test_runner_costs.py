"""What calls can cost at most, what a run is expected to cost, and what may not be asked because nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.evals import Case, Estimate, Image, Reply, ScorerSpec, Typical
from afterpilot.domain.money import Money
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals, JsonTarget, ModelTarget, ScriptedTarget, Target
from afterpilot.evaluate.costs import TOKENS_PER_IMAGE, TOKENS_PER_TURN, TYPICAL, Costs, Unpriced, turns_of
from afterpilot.evaluate.runner import Runner
from doubles.asking import FakePrices

AT = datetime(2026, 11, 21, tzinfo=UTC)
MODEL = ModelTarget("double", "m", Prompt("{{ q }}"), max_tokens=100)
ENDPOINT = JsonTarget(
    "flow", "flow-1", "/ask", {"q": "{{ q }}"}, "$.a", currency="USD", most_cost=Money(Decimal("0.5"))
)
JUDGE = ScorerSpec("judge", "", {"rubric": "polite", "target": replace(MODEL, name="j", max_tokens=50)})
EMBEDDED = ScorerSpec("similarity", "", {"embedding": {"connection": "double", "model": "e"}})
EXACT = ScorerSpec("exact", "")
GAP = Message("assistant", "")


def suite(target: Target = MODEL, *cases: Case, scorers: tuple[ScorerSpec, ...] = (EXACT,), **more: Any) -> Evals:
    """One case that asks ``abc`` unless others are given."""
    return Evals(
        target=target,
        cases=cases or (Case("c", {"q": "abc"}, {"": "yes"}),),
        scorers=scorers,
        epochs=1,
        max_cost=Money(Decimal(1000)),
        concurrency=2,
        pass_rate=Decimal(1),
        sha256="",
        **more,
    )


def costs(evals: Evals, prices: FakePrices | None = None) -> Costs:
    """A token costs one unit."""
    return Costs(evals, prices or FakePrices("1"), now=lambda: AT)


def most(case: Case, target: Target = MODEL) -> Decimal:
    """Of the answer."""
    return costs(suite(target)).answer(case)


CASE = Case("c", {"q": "abc"}, {"": "yes"})
FIRST = len("{{ q }}") + len("abc") + TOKENS_PER_TURN  # the template's own bytes count as well


def test_a_call_costs_at_most_its_bytes_and_the_whole_answer() -> None:
    """A byte is a token at most; what a template puts around a turn is added."""
    assert most(CASE) == FIRST + 100
    assert most(replace(CASE, vars={"q": "ä" * 10})) == FIRST - 3 + 20 + 100
    assert most(CASE, replace(MODEL, prompt=Prompt("{{ q }} {{q}}"))) == FIRST + len(" {{q}}abc") + 100


def test_schema_and_tools_go_in_with_each_call() -> None:
    """They are tokens like any other."""
    assert most(CASE, replace(MODEL, response_schema={"type": "object"})) == FIRST + len('{"type": "object"}') + 100
    assert most(CASE, replace(MODEL, tools=({"name": "refund"},))) == FIRST + len('[{"name": "refund"}]') + 100


def test_a_variable_without_a_value_makes_no_error_here() -> None:
    """The call will not even begin."""
    assert most(replace(CASE, vars={})) == FIRST - 3 + 100


def test_each_turn_of_a_conversation_is_paid_with_all_that_was_said_before() -> None:
    """Two answers of the model: the second call puts in the first answer too."""
    case = replace(CASE, messages=(GAP, Message("user", "go on")))
    second = FIRST + 100 + TOKENS_PER_TURN + len("go on") + TOKENS_PER_TURN
    assert most(case) == (FIRST + 100) + (second + 100)
    assert turns_of(MODEL, case) == 2


def test_a_conversation_that_ends_with_the_model_s_turn_is_not_asked_on() -> None:
    """Its last gap is the answer that is scored."""
    case = replace(CASE, messages=(Message("user", "go on"), GAP))
    assert turns_of(MODEL, case) == 1
    assert most(case) == FIRST + len("go on") + TOKENS_PER_TURN + 100


def test_a_gap_in_the_prompt_is_a_call_as_well() -> None:
    """The prompt's own turns are turns like the case's."""
    target = replace(MODEL, prompt=Prompt("## user\nhello\n## assistant\n\n## user\n{{ q }}"))
    assert turns_of(target, CASE) == 2
    all_turns = len("hello" + "{{ q }}" + "abc") + 3 * TOKENS_PER_TURN
    assert most(CASE, target) == (all_turns + 100) + (all_turns + 100 + TOKENS_PER_TURN + 100)


def test_an_image_counts_with_what_the_dearest_model_takes_for_it() -> None:
    """In each call."""
    assert most(replace(CASE, images=(Image("a.png", "image/png", b"x"),) * 2)) == FIRST + 2 * TOKENS_PER_IMAGE + 100


@given(
    turns=st.lists(st.sampled_from([GAP, Message("user", "more"), Message("assistant", "said")]), max_size=8),
    answers=st.lists(st.integers(0, 100), min_size=9, max_size=9),
)
def test_no_conversation_costs_more_than_its_most(turns: list[Message], answers: list[int]) -> None:
    """Played through with answers of any length within ``max_tokens``, each token a byte."""
    case, history, used = replace(CASE, messages=tuple(turns)), len("abc"), 0
    left = iter(answers)
    calls = 0
    for turn in turns:
        if turn is GAP:
            answer = next(left)
            used, history, calls = used + history + answer, history + answer, calls + 1
        else:
            history += len(turn.content)
    if not (turns and turns[-1] is GAP):
        used, calls = used + history + next(left), calls + 1
    assert used <= most(case)
    assert calls == turns_of(MODEL, case)


def test_an_endpoint_costs_what_it_declares_and_nothing_else_holds_a_cap() -> None:
    """For each call; without a declaration, or in another currency, it is not asked."""
    assert most(CASE, ENDPOINT) == Decimal("0.5")
    assert most(replace(CASE, messages=(Message("user", "a"), GAP, Message("user", "b"))), ENDPOINT) == Decimal("1.0")
    with pytest.raises(Unpriced, match="flow-1 does not declare what a call costs at most"):
        most(CASE, replace(ENDPOINT, most_cost=None))
    with pytest.raises(Unpriced, match="declares its most_cost in EUR"):
        most(CASE, replace(ENDPOINT, most_cost=Money(Decimal(1), "EUR")))


def test_the_most_of_an_endpoint_whose_model_is_free_is_nothing() -> None:
    """However many tokens it uses; not where it says itself what its calls cost, and not in another currency."""
    free = replace(ENDPOINT, most_cost=None, input_tokens="$.in", output_tokens="$.out")
    priced = costs(suite(free), FakePrices("0", known=("flow-1",)))
    assert (priced.unpriced([EXACT]), priced.answer(CASE)) == ("", 0)
    assert "most_cost" in costs(suite(free), FakePrices("0.1", known=("flow-1",))).unpriced([EXACT])
    assert "most_cost" in costs(suite(free), FakePrices(None)).unpriced([EXACT])
    own = replace(free, cost="$.cost")
    assert "most_cost" in costs(suite(own), FakePrices("0", known=("flow-1",))).unpriced([EXACT])


def test_an_endpoint_s_own_word_on_its_cost_counts_before_a_price() -> None:
    """In the cap's currency only."""
    reply = Reply("yes", Usage("m", 10, 2), "m", 5, 1, {}, {}, cost=Decimal("0.07"))
    assert costs(suite(ENDPOINT)).of_reply(ENDPOINT, reply) == Decimal("0.07")
    elsewhere = replace(ENDPOINT, currency="EUR")
    assert costs(suite(elsewhere)).of_reply(elsewhere, reply) == 12
    assert costs(suite(ENDPOINT)).of_reply(ENDPOINT, replace(reply, cost=None, usage=None)) is None


def test_scripted_answers_are_free() -> None:
    """Known to cost nothing, which is another thing than not known."""
    target = ScriptedTarget("script", {"c": "yes"})
    assert most(CASE, target) == 0
    assert costs(suite(target)).of_reply(target, Reply("yes", None, "", 0, 0, {}, {})) == 0
    assert costs(suite(target), FakePrices(None)).unpriced([EXACT]) == ""


@pytest.mark.parametrize(
    ("spec", "known", "why"),
    [
        (JUDGE, ("m", "e"), "no price is known for j, so the run's cap of 1,000.00 USD cannot be held"),
        (EMBEDDED, ("m", "j"), "no price is known for e, so the run's cap of 1,000.00 USD cannot be held"),
        (EXACT, ("j", "e"), "no price is known for m, so the run's cap of 1,000.00 USD cannot be held"),
        (JUDGE, ("m", "j"), ""),
    ],
)
def test_what_has_no_price_is_found_before_anything_is_asked(
    spec: ScorerSpec, known: tuple[str, ...], why: str
) -> None:
    """The target, each judge and each embedding model."""
    assert costs(suite(), FakePrices("1", known=known)).unpriced([spec]) == why


def test_scorers_that_ask_models_are_reserved_beside_the_answer() -> None:
    """With rubric, case, and the answer that the target may give."""
    priced = costs(suite())
    assert priced.scorers(CASE, (EXACT,)) == 0
    judged = priced.scorers(CASE, (JUDGE,))
    assert judged > 50 + 4 * 100 + len("polite") + len("abc")
    longer = replace(JUDGE, params={**JUDGE.params, "rubric": "polite" * 100})
    assert priced.scorers(CASE, (longer,)) == judged + 99 * len("polite")
    assert priced.scorers(CASE, (JUDGE, JUDGE)) == 2 * judged
    assert priced.scorers(CASE, (EMBEDDED,)) > 4 * 100


def estimate(evals: Evals, prices: FakePrices | None = None, **more: Any) -> Estimate:
    """Without anybody being asked."""

    def nobody(_concurrency: int) -> Any:
        raise AssertionError("an estimate asks nobody")

    return Runner(nobody, prices or FakePrices("1"), now=lambda: AT).estimate(evals, **more)


def test_an_estimate_counts_calls_and_both_costs() -> None:
    """Half of the longest answer is expected, or what history says; four bytes are a token."""
    evals = suite(MODEL, *(Case(f"c{n}", {"q": "abc"}, {"": "yes"}) for n in range(10)))
    given = -(-FIRST // 4)
    assert estimate(evals) == Estimate(10, 10 * Decimal(given + 50), 10 * Decimal(FIRST + 100), "USD")
    assert estimate(evals, epochs=range(2, 5)).calls == 30
    assert estimate(evals, typical={"c3": Typical(7)}).expected == 9 * (given + 50) + given + 7
    assert estimate(evals, typical={"c3": Typical(10**6)}).expected == 9 * (given + 50) + given + 100
    assert estimate(evals, typical={"c3": Typical()}) == estimate(evals)


def test_what_a_case_has_cost_before_is_what_it_is_expected_to_cost() -> None:
    """In each epoch; the most that it can cost stays what it is."""
    evals = suite(MODEL, *(Case(f"c{n}", {"q": "abc"}, {"": "yes"}) for n in range(3)))
    typical = {f"c{n}": Typical(7, Decimal(n)) for n in range(3)}
    found = estimate(evals, typical=typical, epochs=range(2))
    assert (found.expected, found.most) == (6, estimate(evals, epochs=range(2)).most)


def test_an_answer_as_long_as_before_is_that_of_all_its_turns() -> None:
    """A conversation of two answers of 14 tokens together is expected to have two of 7."""
    talk = replace(CASE, id="talk", messages=(GAP, Message("user", "go on")))
    evals = suite(MODEL, talk)
    assert estimate(evals, typical={"talk": Typical(14)}).expected == Costs(
        evals, FakePrices("1"), now=lambda: AT
    ).case(talk, (EXACT,), replace(TYPICAL, answer=7))


def test_an_estimate_counts_judges_and_turns() -> None:
    """Each is a call to a model; a scorer with tags counts where it is used."""
    tagged = replace(JUDGE, tags=("tone",))
    talk = replace(CASE, id="talk", messages=(GAP, Message("user", "go on")), tags=("tone",))
    evals = suite(MODEL, CASE, talk, scorers=(EXACT, tagged))
    found = estimate(evals)
    assert found.calls == 1 + 2 + 1
    assert found.expected is not None
    assert found.most is not None
    assert 0 < found.expected < found.most


def test_an_estimate_without_a_price_says_why() -> None:
    """Never 0."""
    found = estimate(suite(), FakePrices(None))
    assert (found.calls, found.expected, found.most) == (1, None, None)
    assert found.why_unknown.startswith("no price is known for m")


def test_no_epoch_is_no_call() -> None:
    """A re-run of nothing costs nothing."""
    assert estimate(suite(), epochs=range(0)) == Estimate(0, Decimal(0), Decimal(0), "USD")

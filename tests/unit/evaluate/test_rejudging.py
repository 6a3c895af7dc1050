"""Judges are asked about answers that exist, and targets what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.evals import Call, Case, Reply, ScorerSpec
from afterpilot.domain.judging import Judgement, judge_sha256
from afterpilot.domain.money import Money
from afterpilot.domain.ports import Probed
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.workflow import Evals, JsonTarget, ModelTarget
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered
from afterpilot.evaluate.runner import Runner
from doubles.asking import JUDGED, USED, FakeAsking, FakePrices, reply

AT = datetime(2026, 11, 21, tzinfo=UTC)
MODEL = ModelTarget("double", "m", Prompt("{{ q }}"), response_schema={"type": "object"}, max_tokens=100)
JUDGE = ScorerSpec("judge", "", {"rubric": "polite", "target": replace(MODEL, name="j", max_tokens=50)})
CASE = Case("c", {"q": "abc"}, {"": "yes"}, messages=(Message("assistant", ""), Message("user", "go on")))


def suite(cap: str = "1000", *, concurrency: int = 3, **more: Any) -> Evals:
    """One case."""
    return Evals(
        **{
            "target": MODEL,
            "cases": (CASE,),
            "scorers": (JUDGE,),
            "epochs": 1,
            "max_cost": Money(Decimal(cap)),
            "concurrency": concurrency,
            "pass_rate": Decimal(1),
            "sha256": "",
            **more,
        }
    )


def rejudge(
    model: FakeAsking, evals: Evals, answers: list[str], judge: ScorerSpec = JUDGE, prices: FakePrices | None = None
) -> list[Judgement]:
    """What the judge says of these answers; what was kept is what comes back."""
    kept: list[Judgement] = []
    runner = Runner(model.open, prices or FakePrices(), now=lambda: AT)
    subjects = [(f"record:{number}", CASE, answer) for number, answer in enumerate(answers)]
    given = runner.rejudge(evals, judge, subjects, keep=kept.append)
    assert sorted(kept, key=lambda one: one.subject) == sorted(given, key=lambda one: one.subject)
    return list(given)


def test_a_judge_says_its_word_on_each_answer() -> None:
    """In their order, with what it cost and what answered."""

    def judge(text: str) -> Reply:
        word = "false" if "you fool" in text else "true"
        said = f'{{"reason": "because", "score": 0.7, "passed": {word}}}'
        return reply(said, JUDGED, fingerprint={"model": "j-1"})

    good, bad = rejudge(FakeAsking(judge=judge), suite(), ["good day", "you fool"])
    assert (good.subject, good.judge, good.passed, good.value) == ("record:0", judge_sha256(JUDGE), True, 1.0)
    assert (bad.subject, bad.passed, bad.value, bad.reason) == ("record:1", False, 0.0, "because")
    assert good.reason == "because"
    assert good.call == Call("judge", JUDGED, Decimal("0.025"))
    assert good.fingerprint == {"model": "j-1"}
    assert (good.error, good.label) == ("", None)


def test_no_usable_word_counts_neither_for_nor_against() -> None:
    """What it cost, over both tries, is known."""
    (said,) = rejudge(FakeAsking(judge=lambda _text: reply("well ...", JUDGED)), suite(), ["good day"])
    assert said.passed is None
    assert "no usable word" in said.error
    assert said.call is not None
    assert said.call.cost == Decimal("0.050")
    assert said.call.usage is not None
    assert said.call.usage.input_tokens == 40


def test_an_answer_that_the_judge_cannot_look_at_is_no_word_of_the_judge() -> None:
    """It was never asked."""
    model = FakeAsking()
    (said,) = rejudge(model, suite(), ["no JSON"], replace(JUDGE, field="text"))
    assert (said.passed, model.judged) == (None, [])
    assert said.error.startswith("the judge was not asked: ")


def test_what_the_cap_does_not_reach_is_left_out() -> None:
    """And nothing is spent beyond it."""
    model = FakeAsking()
    said = rejudge(model, suite("5", concurrency=1), ["good day"] * 200)
    assert 0 < len(said) < 200
    assert [one.subject for one in said] == [f"record:{number}" for number in range(len(said))]
    assert len(model.judged) == len(said)
    assert sum(one.call.cost or 0 for one in said if one.call) <= 5


def test_an_unpriced_judge_is_not_asked() -> None:
    """The cap could not be held."""
    model = FakeAsking()
    assert rejudge(model, suite(), ["good day"], prices=FakePrices(known=("m",))) == []
    assert model.judged == []


def test_a_dead_judge_is_given_up() -> None:
    """After twenty answers one after the other."""

    def judge(_text: str) -> Reply:
        raise Refused("HTTP 401", Exchange())

    said = rejudge(FakeAsking(judge=judge), suite(concurrency=1), ["good day"] * 50)
    assert len(said) == 20
    assert {one.passed for one in said} == {None}


def test_no_answers_are_no_judgements() -> None:
    """Nobody is asked."""
    model = FakeAsking()
    assert (rejudge(model, suite(), []), model.opened) == ([], 0)


def probe(model: FakeAsking, evals: Evals, prices: FakePrices | None = None) -> Probed:
    """What answers."""
    return Runner(model.open, prices or FakePrices(), now=lambda: AT).probe(evals)


def test_a_probe_asks_the_first_case_once_for_a_short_answer() -> None:
    """No further turns, no schema that a short answer cannot fill."""
    model = FakeAsking(lambda _case, _seed: reply(fingerprint={"model": "m-1", "system_fingerprint": "fp"}))
    found = probe(model, suite())
    assert found == Probed({"model": "m-1", "system_fingerprint": "fp"}, USED, Decimal("0.012"))
    (target,) = model.targets
    assert isinstance(target, ModelTarget)
    assert (target.max_tokens, target.response_schema) == (16, None)


def test_a_probe_that_fails_says_why_and_what_it_cost() -> None:
    """It never raises for the target's failure, nor for an installation that lacks something."""

    def unanswered(_case: Case, _seed: int) -> Reply:
        raise Unanswered("no message", Exchange({}, {}, USED, 1))

    def missing(_case: Case, _seed: int) -> Reply:
        raise ConfigurationError("there is no connection double")

    assert probe(FakeAsking(unanswered), suite()) == Probed({}, USED, Decimal("0.012"), "no message")
    assert (
        probe(FakeAsking(missing), suite()).error
        == "the probe failed: ConfigurationError: there is no connection double"
    )


def test_a_probe_is_under_the_cap_as_well() -> None:
    """And not made where nobody knows what it may cost."""
    model = FakeAsking()
    assert "may cost more than 0.0100 USD" in probe(model, suite("0.01")).error
    assert "no price is known for m" in probe(model, suite(), FakePrices(None)).error
    assert "most_cost" in probe(model, suite(target=JsonTarget("flow", "flow-1", "/", {}, "$.a"))).error
    assert probe(model, suite(cases=())).error == "not asked: the suite has no cases"
    assert model.asked == []

"""Which scorers a case gets, what their own calls cost, and what they may decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from afterpilot.decide.suites import judge_suite
from afterpilot.domain.evals import Call, Case, Reply, Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Evals, JsonTarget, ModelTarget, ScriptedTarget
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered
from afterpilot.evaluate.runner import Runner
from doubles.asking import JUDGED, USED, FakeAsking, FakePrices, reply

AT = datetime(2026, 11, 21, tzinfo=UTC)
MODEL = ModelTarget("double", "m", Prompt("{{ q }}"), max_tokens=100)
JUDGE = ScorerSpec("judge", "", {"rubric": "polite", "target": replace(MODEL, name="j", max_tokens=50)}, title="tone")
EMBEDDED = ScorerSpec("similarity", "", {"embedding": {"connection": "double", "model": "e"}})
EXACT = ScorerSpec("exact", "")
CASE = Case("c", {"q": "abc"}, {"": "yes"})
BAD_WORD = '{"reason": "rude", "score": 0, "passed": false}'


def suite(*cases: Case, scorers: tuple[ScorerSpec, ...] = (EXACT,), cap: str = "1000", **more: Any) -> Evals:
    """One case unless others are given, one at a time."""
    return Evals(
        **{
            "target": MODEL,
            "cases": cases or (CASE,),
            "scorers": scorers,
            "epochs": 1,
            "max_cost": Money(Decimal(cap)),
            "concurrency": 1,
            "pass_rate": Decimal(1),
            "sha256": "",
            **more,
        }
    )


def run(
    evals: Evals,
    model: FakeAsking | None = None,
    prices: FakePrices | None = None,
    *,
    done: Mapping[tuple[str, int], Sample] | None = None,
    **more: Any,
) -> Sequence[Sample]:
    """All samples."""
    runner = Runner((model or FakeAsking()).open, prices or FakePrices(), now=lambda: AT)
    return runner.run(evals, keep=lambda _group: None, done=done or {}, **more)


def labels(sample: Sample) -> list[str]:
    """Of its scores."""
    return [score.scorer for score in sample.scores]


def test_a_case_s_own_scorers_come_after_the_suite_s() -> None:
    """On that case only."""
    own = replace(CASE, id="own", scorers=(ScorerSpec("contains", "", {"text": "y"}, title="has y"),))
    plain, with_own = run(suite(CASE, own))
    assert (labels(plain), labels(with_own)) == (["exact"], ["exact", "has y"])


def test_a_scorer_with_tags_is_used_on_cases_that_bear_one_of_them() -> None:
    """And on no other."""
    tagged = ScorerSpec("contains", "", {"text": "y"}, tags=("a", "b"), title="has y")
    samples = run(suite(CASE, replace(CASE, id="d", tags=("b", "x")), scorers=(EXACT, tagged)))
    assert [labels(sample) for sample in samples] == [["exact"], ["exact", "has y"]]


def test_a_case_without_any_scorer_is_an_error_and_not_paid_for() -> None:
    """However many of them there are, the others are asked."""
    tagged = replace(EXACT, tags=("a",))
    cases = [replace(CASE, id=f"c{n}") for n in range(30)]
    model = FakeAsking()
    samples = run(suite(*cases, replace(CASE, id="last", tags=("a",)), scorers=(tagged,)), model)
    assert model.asked == [("last", 1)]
    assert {sample.error for sample in samples[:-1]} == {"not asked: no scorer applies to the case"}
    assert samples[-1].passed


def test_a_re_run_goes_on_counting_epochs() -> None:
    """Its seeds are others than those of the run before."""
    model = FakeAsking()
    samples = run(suite(), model, epochs=range(3, 5))
    assert [sample.epoch for sample in samples] == [3, 4]
    assert model.asked == [("c", 4), ("c", 5)]
    assert run(suite(), model, epochs=range(0)) == []


def test_a_sample_says_what_the_endpoint_said_that_it_cost() -> None:
    """Apart from what it cost by price lists: where it said nothing there is nothing."""
    told, silent = (
        run(suite(), FakeAsking(lambda *_, cost=cost: reply(cost=cost))) for cost in (Decimal("0.07"), None)
    )
    assert [[one.said_cost for one in samples] for samples in (told, silent)] == [[Decimal("0.07")], [None]]
    assert silent[0].cost is not None


def test_a_judge_s_call_is_part_of_the_sample_and_of_its_cost() -> None:
    """Its usage apart from the answer's."""
    (sample,) = run(suite(scorers=(EXACT, JUDGE, EMBEDDED)))
    embedded = Usage("e", 6, 0)
    assert sample.passed
    assert (sample.usage, sample.cost) == (USED, Decimal("0.012") + Decimal("0.025") + Decimal("0.006"))
    assert sample.calls == (
        Call("judge", JUDGED, Decimal("0.025")),
        Call("embedding", embedded, Decimal("0.006")),
    )


def test_a_judge_s_call_of_unknown_cost_makes_the_sample_s_cost_unknown() -> None:
    """Never less than it was."""
    (sample,) = run(suite(scorers=(JUDGE,)), FakeAsking(judge=lambda _text: reply(BAD_WORD, None)))
    assert (sample.cost, sample.calls) == (None, (Call("judge", None, None),))
    assert (sample.scored, sample.passed) == (True, False)


def test_a_judge_that_fails_makes_the_sample_an_error_that_is_paid_for() -> None:
    """What it cost before it failed stands in the sample too."""

    def judge(_text: str) -> Reply:
        raise Unanswered("the judge holds no message", Exchange({}, {}, JUDGED, 1))

    (sample,) = run(suite(scorers=(EXACT, JUDGE)), FakeAsking(judge=judge))
    assert "the judge holds no message" in sample.error
    assert (sample.scores, sample.output, sample.usage) == ((), "yes", USED)
    assert (sample.cost, sample.calls) == (Decimal("0.037"), (Call("judge", JUDGED, Decimal("0.025")),))


def test_an_advisory_score_is_shown_and_decides_nothing() -> None:
    """In its place among the others."""
    model = FakeAsking(judge=lambda _text: reply(BAD_WORD, JUDGED))
    (sample,) = run(suite(scorers=(JUDGE, EXACT)), model, advisory={"tone"})
    assert [(score.scorer, score.advisory, score.passed) for score in sample.scores] == [
        ("tone", True, False),
        ("exact", False, True),
    ]
    assert sample.passed


def test_a_scorer_that_bears_the_title_of_a_judge_on_probation_decides_all_the_same() -> None:
    """One title may stand over several scorers, as a metric of promptfoo does."""
    titled = replace(EXACT, title="tone")
    (sample,) = run(suite(scorers=(titled, JUDGE)), FakeAsking(lambda _case, _seed: reply("no")), advisory={"tone"})
    assert [(score.advisory, score.passed) for score in sample.scores] == [(False, False), (True, True)]
    assert sample.scored
    assert not sample.passed


def test_scorers_that_are_called_the_same_are_numbered() -> None:
    """The suite's first and always alike, also where tags leave one out, then a case's own; no title of another is taken."""
    tagged = replace(EXACT, tags=("a",))
    scorers = (tagged, EXACT, replace(EXACT, title="exact (3)"))
    own = replace(CASE, id="own", tags=("a",), scorers=(replace(EXACT),))
    plain, with_own = run(suite(CASE, own, scorers=scorers))
    assert labels(plain) == ["exact (2)", "exact (3)"]
    assert labels(with_own) == ["exact", "exact (2)", "exact (3)", "exact (4)"]
    (advised,) = run(suite(scorers=(replace(EXACT), EXACT, JUDGE)), advisory={"tone"})
    assert labels(advised) == ["exact", "exact (2)", "tone"]


def test_an_advisory_judge_that_fails_takes_nothing_from_the_sample() -> None:
    """Its score is unusable and says why, and what it cost still counts."""

    def judge(_text: str) -> Reply:
        raise Refused("HTTP 401", Exchange({}, {}, JUDGED, 1))

    (sample,) = run(suite(scorers=(JUDGE, EXACT)), FakeAsking(judge=judge), advisory={"tone"})
    assert (sample.passed, labels(sample), sample.cost) == (True, ["tone", "exact"], Decimal("0.037"))
    assert [score.unusable for score in sample.scores] == [True, False]
    assert "HTTP 401" in sample.scores[0].details["error"]


def test_a_word_that_cannot_be_used_stays_seen_and_counts_for_nobody() -> None:
    """It is counted apart: neither in the judge's share, nor as an error of the sample, nor as a judgement."""
    evals = suite(scorers=(JUDGE, EXACT))
    samples = run(evals, FakeAsking(judge=lambda _text: reply("well, yes")), advisory={"tone"})
    outcome = judge_suite(evals, samples, today=AT.date())
    assert (outcome.verdict, outcome.figures["unusable"], outcome.figures["errors"]) == (Verdict.PASS, {"tone": 1}, 0)
    assert list(outcome.figures["by_scorer"]) == ["exact"]
    alone = suite(scorers=(JUDGE,))
    samples = run(alone, FakeAsking(judge=lambda _text: reply("well, yes")), advisory={"tone"})
    assert "only 0 of 1 sample could be scored" in judge_suite(alone, samples, today=AT.date()).summary


def test_a_suite_of_advisory_scorers_alone_is_asked_and_decides_nothing() -> None:
    """So a judge on probation is seen at work."""
    (sample,) = run(suite(scorers=(JUDGE,)), advisory={"tone"})
    assert (sample.error, sample.scored, labels(sample)) == ("", False, ["tone"])


def test_judges_and_answers_together_never_cross_the_cap() -> None:
    """Judges that read long answers and use every token that they can."""

    def judge(text: str) -> Reply:
        return reply(BAD_WORD, Usage("j", len(text), 50))

    model = FakeAsking(lambda _case, _seed: reply("x" * 3_000), judge)
    evals = suite(*(replace(CASE, id=f"c{n}") for n in range(40)), scorers=(JUDGE,), cap="12", concurrency=4)
    samples = run(evals, model)
    spent = sum(sample.cost or 0 for sample in samples)
    assert 6 < spent <= 12
    assert len(model.judged) < 40
    refused = [sample.error for sample in samples if sample.error]
    assert all("what is left of the run's cap of 12.00 USD" in error for error in refused)


def test_a_judge_that_needs_more_than_is_left_is_not_asked() -> None:
    """The answer was paid for, and the sample says what is missing."""
    model = FakeAsking(lambda _case, _seed: reply("x" * 15_000))
    (sample,) = run(suite(scorers=(JUDGE,), cap="4"), model)
    assert (len(model.asked), model.judged) == (1, [])
    assert sample.error == "the next call may cost more than what is left of the run's cap of 4.00 USD"
    assert (sample.usage, sample.cost, sample.calls) == (USED, Decimal("0.012"), ())


def test_an_unpriced_judge_is_found_before_anything_is_asked() -> None:
    """Also where only a case of its own uses it."""
    model = FakeAsking()
    own = replace(CASE, id="own", scorers=(JUDGE,))
    samples = run(suite(CASE, own), model, FakePrices(known=("m",)))
    assert (model.asked, model.opened) == ([], 0)
    assert samples[0].error == "not asked: no price is known for j, so the run's cap of 1,000.00 USD cannot be held"


def test_an_endpoint_is_asked_within_what_it_declares() -> None:
    """Three calls of at most 0.50 fit under 1.50, whatever each of them says it cost."""
    target = JsonTarget("flow", "flow-1", "/", {}, "$.a", currency="USD", most_cost=Money(Decimal("0.5")))
    cases = [replace(CASE, id=f"c{n}") for n in range(9)]
    model = FakeAsking(lambda _case, _seed: reply(usage=None))
    samples = run(suite(*cases, target=target, cap="1.5"), model)
    assert len(model.asked) == 3
    assert [sample.cost for sample in samples] == [None] * 9
    model = FakeAsking(lambda _case, _seed: reply(usage=None, cost=Decimal("0.1")))
    samples = run(suite(*cases, target=target, cap="1.5"), model)
    assert [sample.cost for sample in samples] == [Decimal("0.1")] * 9


def test_an_endpoint_that_declares_no_most_is_not_asked() -> None:
    """The reason says what is missing."""
    model = FakeAsking()
    (sample,) = run(suite(target=JsonTarget("flow", "flow-1", "/", {}, "$.a")), model)
    assert model.asked == []
    assert sample.error.startswith("not asked: flow-1 does not declare what a call costs at most (most_cost)")


def test_scripted_answers_run_under_a_cap_of_nothing() -> None:
    """They cost nothing, and that is known."""
    target = ScriptedTarget("script", {"c": "yes"})
    (sample,) = run(suite(target=target, cap="0"), FakeAsking(lambda _case, _seed: reply(usage=None)))
    assert (sample.passed, sample.cost) == (True, Decimal(0))


def test_what_was_done_keeps_its_request_and_what_is_new_is_light() -> None:
    """The pipeline's own samples are not touched."""
    before = Sample("c", 0, "yes", (), request={"kept": 1}, cost=Decimal(0))
    first, second = run(suite(epochs=2), done={("c", 0): before})
    assert first is before
    assert (second.request, second.response) == ({}, {})

"""Suites are run within their bounds, and nothing is lost or counted against the wrong one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import Evals, ModelTarget
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered
from afterpilot.evaluate.runner import Runner

AT = datetime(2026, 11, 21, tzinfo=UTC)
USED = Usage("m", 10, 2)


class FakeModel:
    """Answers ``yes`` unless ``answer`` says otherwise; knows how many were asked, and how many at once."""

    def __init__(self, answer: Callable[[Case, int], Reply] | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.most_at_once = 0
        self._answer = answer or (lambda _case, _seed: reply())
        self._at_once = 0
        self._lock = threading.Lock()

    def ask(self, target: ModelTarget, case: Case, *, seed: int) -> Reply:  # noqa: ARG002 - the protocol's
        """One answer."""
        with self._lock:
            self.asked.append((case.id, seed))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._answer(case, seed)
        finally:
            with self._lock:
                self._at_once -= 1


class FakePrices:
    """So much for each token."""

    def __init__(self, each: str | None = "0.001", currency: str = "USD", known: tuple[str, ...] = ("m",)) -> None:
        self._each, self._currency, self._known = each, currency, known

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:  # noqa: ARG002 - the protocol's
        """Tokens times the price, or the reason."""
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return PricedUsage(None, "", "fake", "no usage")
        if self._each is None or usage.model not in self._known:
            return PricedUsage(None, "", "fake", f"no price is known for {usage.model}")
        return PricedUsage((usage.input_tokens + usage.output_tokens) * Decimal(self._each), self._currency, "fake")


def reply(text: str = "yes", usage: Usage | None = USED) -> Reply:
    """A reply of the model."""
    return Reply(text, usage, "m", 5, 1, {"asked": 1}, {"said": text})


def suite(cases: int = 5, *, epochs: int = 1, cap: str = "1000", concurrency: int = 2, scorer: str = "exact") -> Evals:
    """Cases ``c0``, ``c1`` … that want ``yes``. Each call can cost at most 0.119 with the usual prices."""
    return Evals(
        target=ModelTarget("double", "m", Prompt("{{ q }}"), max_tokens=100),
        cases=tuple(Case(f"c{number}", {"q": "abc"}, {"": "yes"}) for number in range(cases)),
        scorers=(ScorerSpec(scorer, ""),),
        epochs=epochs,
        max_cost=Money(Decimal(cap)),
        concurrency=concurrency,
        pass_rate=Decimal("0.8"),
        largest_drop=Decimal("0.1"),
        sha256="",
    )


def run(
    evals: Evals, model: Any, prices: Any = None, *, done: Mapping[tuple[str, int], Sample] | None = None
) -> tuple[list[Sample], list[Sample]]:
    """All samples, and those that were kept."""
    kept: list[Sample] = []
    runner = Runner(model, prices or FakePrices(), now=lambda: AT)
    return list(runner.run(evals, keep=kept.append, done=done or {})), kept


def test_every_case_is_asked_in_every_epoch_and_kept_once() -> None:
    """In the order of cases and epochs, whatever the order of the answers; each epoch has its own seed."""
    model = FakeModel()
    samples, kept = run(suite(7, epochs=2, concurrency=3), model)
    wanted = [(f"c{number}", epoch) for number in range(7) for epoch in range(2)]
    assert [(sample.case_id, sample.epoch) for sample in samples] == wanted
    assert sorted((sample.case_id, sample.epoch) for sample in kept) == sorted(wanted)
    assert sorted(model.asked) == sorted((case, epoch + 1) for case, epoch in wanted)
    assert all(sample.passed for sample in samples)


def test_a_sample_holds_everything_of_its_call() -> None:
    """Answer, scores, usage, cost, time, both sides of the wire."""
    (sample,), _ = run(suite(1), FakeModel())
    assert (sample.output, sample.usage, sample.cost) == ("yes", USED, Decimal("0.012"))
    assert (sample.latency_ms, sample.attempts, sample.error) == (5, 1, "")
    assert (sample.request, sample.response) == ({"asked": 1}, {"said": "yes"})


def test_a_wrong_answer_is_the_model_s_and_an_error_is_not() -> None:
    """A score of 0 on one side, a sample without scores and with the reason on the other."""

    def answer(case: Case, _seed: int) -> Reply:
        if case.id == "c1":
            return reply("no")
        if case.id == "c2":
            raise Unanswered("the model is gone", Exchange({"asked": 2}))
        if case.id == "c3":
            raise TargetError("some other client's error")
        if case.id == "c4":
            raise ZeroDivisionError("a bug")
        return reply()

    samples, _ = run(suite(5), FakeModel(answer))
    assert [sample.scored for sample in samples] == [True, True, False, False, False]
    assert [sample.passed for sample in samples] == [True, False, False, False, False]
    assert [sample.error for sample in samples[2:]] == [
        "the model is gone",
        "some other client's error",
        "the harness failed: ZeroDivisionError: a bug",
    ]
    assert samples[2].request == {"asked": 2}
    assert all(sample.scores == () and sample.attempts == 0 for sample in samples[2:])


def test_a_broken_scorer_is_an_error_and_what_the_call_cost_still_counts() -> None:
    """The answer was paid for."""
    (sample,), _ = run(suite(1, scorer="no such scorer"), FakeModel())
    assert sample.error.startswith("there is no scorer 'no such scorer'")
    assert (sample.output, sample.cost, sample.attempts, sample.scores) == ("yes", Decimal("0.012"), 1, ())


def test_another_model_s_answer_is_an_error_that_is_paid_for() -> None:
    """The usage is kept under the name of the model that answered."""

    def answer(_case: Case, _seed: int) -> Reply:
        raise Refused("another model answered", Exchange({}, {"model": "other"}, Usage("other", 10, 2), 1))

    (sample,), _ = run(suite(1), FakeModel(answer), FakePrices(known=("m", "other")))
    assert (sample.error, sample.usage, sample.cost) == (
        "another model answered",
        Usage("other", 10, 2),
        Decimal("0.012"),
    )
    assert sample.attempts == 1


def test_no_more_are_asked_at_once_than_is_allowed() -> None:
    """And that many are."""
    gate = threading.Barrier(3, timeout=30)

    def answer(_case: Case, _seed: int) -> Reply:
        gate.wait()
        return reply()

    model = FakeModel(answer)
    run(suite(9, concurrency=3), model)
    assert model.most_at_once == 3


def test_samples_are_kept_from_the_caller_s_thread_only() -> None:
    """A database session may be used in it."""
    threads: set[int] = set()
    runner = Runner(FakeModel(), FakePrices(), now=lambda: AT)
    runner.run(suite(20, concurrency=4), keep=lambda _sample: threads.add(threading.get_ident()), done={})
    assert threads == {threading.get_ident()}


def test_what_is_done_is_not_asked_again() -> None:
    """Its sample is taken as it is, and what is no longer in the suite is left out."""
    before = Sample("c1", 0, "yes", (), cost=Decimal("0.012"), attempts=1)
    gone = Sample("removed", 0, "yes", ())
    model = FakeModel()
    samples, kept = run(suite(3), model, done={("c1", 0): before, ("removed", 0): gone})
    assert [case for case, _ in sorted(model.asked)] == ["c0", "c2"]
    assert samples[1] is before
    assert len(samples) == 3
    assert before not in kept


def test_the_cap_is_never_crossed_even_by_calls_under_way() -> None:
    """A call costs 0.012, but may cost up to 0.119: none begins that could cross the cap, and the rest says why."""
    model = FakeModel()
    samples, kept = run(suite(100, cap="0.3", concurrency=8), model)
    spent = sum(sample.cost or 0 for sample in samples)
    assert Decimal("0.15") < spent <= Decimal("0.3")
    assert model.most_at_once <= 2
    unasked = [sample for sample in samples if not sample.attempts]
    assert len(unasked) == 100 - len(model.asked)
    assert {sample.error for sample in unasked} == {
        "not asked: the next call may cost more than what is left of the run's cap of 0.3000 USD"
    }
    assert len(kept) == 100


def test_what_an_earlier_attempt_has_spent_counts() -> None:
    """A run that is taken up again does not get its cap anew."""
    done = {(f"c{n}", 0): Sample(f"c{n}", 0, "yes", (), cost=Decimal("0.05"), attempts=1) for n in range(4)}
    model = FakeModel()
    run(suite(10, cap="0.3"), model, done=done)
    assert len(model.asked) == 0


def test_an_answer_without_a_price_counts_with_the_most_it_can_cost() -> None:
    """Its cost stays unknown in the sample."""
    model = FakeModel(lambda _case, _seed: reply(usage=None))
    samples, _ = run(suite(10, cap="0.3", concurrency=1), model)
    assert len(model.asked) == 2
    assert [sample.cost for sample in samples] == [None] * 10
    assert [sample.scored for sample in samples] == [True] * 2 + [False] * 8


@pytest.mark.parametrize(
    ("prices", "why"),
    [
        (FakePrices(None), "no price is known for m, so the run's cap of 5.00 USD cannot be held"),
        (FakePrices(currency="EUR"), "m is priced in EUR, so the run's cap of 5.00 USD cannot be held"),
    ],
)
def test_a_model_without_a_price_in_the_cap_s_currency_is_not_asked(prices: FakePrices, why: str) -> None:
    """A cap that cannot be held is no cap."""
    model = FakeModel()
    samples, _ = run(suite(3, cap="5"), model, prices)
    assert model.asked == []
    assert {sample.error for sample in samples} == {f"not asked: {why}"}


def test_a_dead_target_is_given_up_after_twenty_cases() -> None:
    """The rest is not asked, and says what the last one met."""

    def answer(_case: Case, _seed: int) -> Reply:
        raise Refused("HTTP 401: bad key", Exchange())

    model = FakeModel(answer)
    samples, _ = run(suite(100, concurrency=4), model)
    assert 20 <= len(model.asked) <= 24
    assert samples[-1].error == "not asked: 20 cases in a row failed, the last one with: HTTP 401: bad key"


def test_errors_between_answers_do_not_end_a_run() -> None:
    """Only an unbroken row does."""

    def answer(case: Case, _seed: int) -> Reply:
        if int(case.id[1:]) % 10:
            raise Unanswered("HTTP 500", Exchange())
        return reply()

    model = FakeModel(answer)
    run(suite(100, concurrency=1), model)
    assert len(model.asked) == 100


def test_what_keep_raises_ends_the_run_at_once() -> None:
    """Nothing new is asked once the samples cannot be kept."""
    model = FakeModel()

    def keep(_sample: Sample) -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        Runner(model, FakePrices(), now=lambda: AT).run(suite(500, concurrency=2), keep=keep, done={})
    assert len(model.asked) < 20


def test_a_price_list_that_breaks_is_not_hidden() -> None:
    """A bug outside the call ends the run with its own error."""

    class Broken:
        def price(self, usage: Usage | None, at: datetime) -> PricedUsage:  # noqa: ARG002 - the protocol's
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run(suite(3), FakeModel(), Broken())


def test_an_empty_suite_is_an_empty_run() -> None:
    """Nothing is asked; that this is no pass is for the verdict to say."""
    assert run(suite(0), FakeModel()) == ([], [])


def test_what_earlier_attempts_paid_in_vain_counts_towards_the_cap() -> None:
    """Their cases are asked again, but only while the whole run stays within its cap."""
    lost = [Sample("c0", 0, None, (), error="no message", usage=USED, cost=Decimal("0.9"), attempts=1)]
    runner = Runner(FakeModel(), FakePrices(), now=lambda: AT)
    samples = runner.run(suite(2, cap="1", concurrency=1), keep=lambda _: None, done={}, failed=lost)
    assert [sample.error[:9] for sample in samples] == ["not asked", "not asked"]
    samples = runner.run(suite(2, cap="1.2", concurrency=1), keep=lambda _: None, done={}, failed=lost)
    assert all(sample.passed for sample in samples)

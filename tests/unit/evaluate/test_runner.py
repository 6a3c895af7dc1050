"""Suites are run within their bounds, and nothing is lost or counted against the wrong one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from afterpilot.domain.errors import TargetError
from afterpilot.domain.evals import Case, Reply, Sample, ScorerSpec, ToolCall
from afterpilot.domain.money import Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import Evals, ModelTarget
from afterpilot.evaluate.exchange import Exchange, Refused, Unanswered
from afterpilot.evaluate.runner import Runner
from doubles.asking import USED, FakeAsking, FakePrices, reply

AT = datetime(2026, 11, 21, tzinfo=UTC)


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
        sha256="",
    )


def run(
    evals: Evals,
    model: FakeAsking,
    prices: Any = None,
    *,
    done: Mapping[tuple[str, int], Sample] | None = None,
    **more: Any,
) -> tuple[list[Sample], list[Sample]]:
    """All samples, and those that were kept."""
    kept: list[Sample] = []
    runner = Runner(model.open, prices or FakePrices(), now=lambda: AT)
    return list(runner.run(evals, keep=kept.extend, done=done or {}, **more)), kept


def test_every_case_is_asked_in_every_epoch_and_kept_once() -> None:
    """In the order of cases and epochs, whatever the order of the answers; each epoch has its own seed."""
    model = FakeAsking()
    samples, kept = run(suite(7, epochs=2, concurrency=3), model)
    wanted = [(f"c{number}", epoch) for number in range(7) for epoch in range(2)]
    assert [(sample.case_id, sample.epoch) for sample in samples] == wanted
    assert sorted((sample.case_id, sample.epoch) for sample in kept) == sorted(wanted)
    assert sorted(model.asked) == sorted((case, epoch + 1) for case, epoch in wanted)
    assert all(sample.passed for sample in samples)


def test_a_sample_holds_everything_of_its_call() -> None:
    """Answer, scores, usage, cost, time, both sides of the wire."""
    tool, source = (ToolCall("refund", {"id": 7}),), ("doc-1",)
    model = FakeAsking(lambda _case, _seed: reply(tool_calls=tool, sources=source, fingerprint={"model": "m-1"}))
    _, (sample,) = run(replace(suite(1), pass_score=Decimal("0.5")), model)
    assert (sample.output, sample.usage, sample.cost) == ("yes", USED, Decimal("0.012"))
    assert (sample.latency_ms, sample.attempts, sample.error) == (5, 1, "")
    assert (sample.request, sample.response) == ({"asked": 1}, {"said": "yes"})
    assert (sample.tool_calls, sample.sources, sample.fingerprint) == (tool, source, {"model": "m-1"})
    assert (sample.pass_score, sample.calls) == (0.5, ())


def test_what_is_given_back_holds_no_request_and_no_response() -> None:
    """They are kept already, and would fill the memory."""
    (given,), (kept,) = run(suite(1), FakeAsking())
    assert (given.request, given.response) == ({}, {})
    assert given == replace(kept, request={}, response={})


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

    _, samples = run(suite(5, concurrency=1), FakeAsking(answer))
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
    (sample,), _ = run(suite(1, scorer="no such scorer"), FakeAsking())
    assert sample.error.startswith("there is no scorer 'no such scorer'")
    assert (sample.output, sample.cost, sample.attempts, sample.scores) == ("yes", Decimal("0.012"), 1, ())


def test_another_model_s_answer_is_an_error_that_is_paid_for() -> None:
    """The usage is kept under the name of the model that answered."""

    def answer(_case: Case, _seed: int) -> Reply:
        raise Refused("another model answered", Exchange({}, {"model": "other"}, Usage("other", 10, 2), 1))

    (sample,), _ = run(suite(1), FakeAsking(answer), FakePrices(known=("m", "other")))
    assert (sample.error, sample.usage, sample.cost) == (
        "another model answered",
        Usage("other", 10, 2),
        Decimal("0.012"),
    )
    assert sample.attempts == 1


def test_no_more_are_asked_at_once_than_is_allowed() -> None:
    """And that many are."""

    async def answer(_case: Case, _seed: int) -> Reply:
        await asyncio.sleep(0.001)
        return reply()

    model = FakeAsking(answer)
    run(suite(9, concurrency=3), model)
    assert model.most_at_once == 3


def test_samples_are_kept_by_one_thread_that_no_signal_meets() -> None:
    """A database session may be used in it, and a task that is told to end does not leave it in the middle of a write."""
    threads: set[int] = set()
    runner = Runner(FakeAsking().open, FakePrices(), now=lambda: AT)
    runner.run(suite(20, concurrency=4), keep=lambda _group: threads.add(threading.get_ident()), done={})
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_no_case_is_begun_before_its_predecessor_is_kept() -> None:
    """So a process that is killed has never more than so many cases asked and not kept."""
    kept: list[Sample] = []
    most = 0
    model = FakeAsking()

    def keep(group: Sequence[Sample]) -> None:
        nonlocal most
        time.sleep(0.001)
        most = max(most, len(model.asked) - len(kept))
        kept.extend(group)

    Runner(model.open, FakePrices(), now=lambda: AT).run(suite(200, concurrency=8), keep=keep, done={})
    assert (len(kept), most) == (200, 8)


def test_what_comes_while_samples_are_being_kept_is_kept_together() -> None:
    """One commit for many, one call after the other."""
    groups: list[int] = []

    def keep(group: Sequence[Sample]) -> None:
        time.sleep(0.01)
        groups.append(len(group))

    Runner(FakeAsking().open, FakePrices(), now=lambda: AT).run(suite(160, concurrency=16), keep=keep, done={})
    assert sum(groups) == 160
    assert len(groups) <= 40


def test_a_run_inside_a_running_loop_works() -> None:
    """A notebook or an asynchronous server may call it as it is."""

    async def caller() -> list[Sample]:
        return run(suite(5), FakeAsking())[0]

    assert [sample.passed for sample in asyncio.run(caller())] == [True] * 5


def test_what_is_done_is_not_asked_again() -> None:
    """Its sample is taken as it is, and what is no longer in the suite is left out."""
    before = Sample("c1", 0, "yes", (), cost=Decimal("0.012"), attempts=1)
    gone = Sample("removed", 0, "yes", ())
    model = FakeAsking()
    samples, kept = run(suite(3), model, done={("c1", 0): before, ("removed", 0): gone})
    assert [case for case, _ in sorted(model.asked)] == ["c0", "c2"]
    assert samples[1] is before
    assert len(samples) == 3
    assert before not in kept


def test_the_cap_is_never_crossed_even_by_calls_under_way() -> None:
    """A call costs 0.012, but may cost up to 0.119: none begins that could cross the cap, and the rest says why."""
    model = FakeAsking()
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
    model = FakeAsking()
    run(suite(10, cap="0.3"), model, done=done)
    assert len(model.asked) == 0


def test_an_answer_without_a_price_counts_with_the_most_it_can_cost() -> None:
    """Its cost stays unknown in the sample."""
    model = FakeAsking(lambda _case, _seed: reply(usage=None))
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
    model = FakeAsking()
    samples, _ = run(suite(3, cap="5"), model, prices)
    assert model.asked == []
    assert {sample.error for sample in samples} == {f"not asked: {why}"}


def test_a_dead_target_is_given_up_after_twenty_cases() -> None:
    """The rest is not asked, and says what the last one met."""

    def answer(_case: Case, _seed: int) -> Reply:
        raise Refused("HTTP 401: bad key", Exchange())

    model = FakeAsking(answer)
    samples, _ = run(suite(100, concurrency=4), model)
    assert 20 <= len(model.asked) <= 24
    assert samples[-1].error == "not asked: 20 cases in a row failed, the last one with: HTTP 401: bad key"


def test_errors_between_answers_do_not_end_a_run() -> None:
    """Only an unbroken row does."""

    def answer(case: Case, _seed: int) -> Reply:
        if int(case.id[1:]) % 10:
            raise Unanswered("HTTP 500", Exchange())
        return reply()

    model = FakeAsking(answer)
    run(suite(100, concurrency=1), model)
    assert len(model.asked) == 100


def test_what_keep_raises_ends_the_run_at_once() -> None:
    """Nothing new is asked once the samples cannot be kept."""
    model = FakeAsking()

    def keep(_group: Sequence[Sample]) -> None:
        raise ConnectionError("the database is gone")

    with pytest.raises(ConnectionError):
        Runner(model.open, FakePrices(), now=lambda: AT).run(suite(500, concurrency=2), keep=keep, done={})
    assert len(model.asked) < 20


def test_a_price_list_that_breaks_is_not_hidden() -> None:
    """A bug outside the call ends the run with its own error."""

    class Broken:
        def price(self, usage: Usage | None, at: datetime) -> PricedUsage:  # noqa: ARG002 - the protocol's
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run(suite(3), FakeAsking(), Broken())


def test_an_empty_suite_is_an_empty_run() -> None:
    """Nothing is asked; that this is no pass is for the verdict to say."""
    assert run(suite(0), FakeAsking()) == ([], [])


def test_what_earlier_attempts_paid_in_vain_counts_towards_the_cap() -> None:
    """Their cases are asked again, but only while the whole run stays within its cap."""
    lost = [Sample("c0", 0, None, (), error="no message", usage=USED, cost=Decimal("0.9"), attempts=1)]
    runner = Runner(FakeAsking().open, FakePrices(), now=lambda: AT)
    samples = runner.run(suite(2, cap="1", concurrency=1), keep=lambda _: None, done={}, failed=lost)
    assert [sample.error[:9] for sample in samples] == ["not asked", "not asked"]
    samples = runner.run(suite(2, cap="1.2", concurrency=1), keep=lambda _: None, done={}, failed=lost)
    assert all(sample.passed for sample in samples)

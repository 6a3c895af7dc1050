"""Suites against a server that fails in every way that servers do: nothing lost, nothing wrong, nothing counted twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import killed_run
import pytest
import sqlalchemy as sa
from killed_run import COST, runner, suite

from afterpilot.domain.evals import Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals
from afterpilot.record.evals.samples import Samples
from afterpilot.record.evals.usage import EvalCall, EvalUsage
from afterpilot.spend.prices import Prices
from doubles.model import MODEL, Act, ModelDouble

pytestmark = pytest.mark.integration


def number(request: Mapping[str, Any]) -> int:
    """Of the case that is asked."""
    return int(request["messages"][-1]["content"].removeprefix("case "))


def run(double: ModelDouble, evals: Evals) -> list[Sample]:
    """All samples of a run, as they were kept, in the order of the cases."""
    kept: dict[str, Sample] = {}
    runner(double.url).run(evals, keep=lambda group: kept.update({sample.case_id: sample for sample in group}), done={})
    return [kept[case.id] for case in evals.cases]


def always(act: Act) -> Callable[[dict[str, Any], int], Act]:
    """That goes wrong each time."""
    return lambda _request, _times: act


def test_every_case_is_scored_right_among_faults() -> None:
    """5 % 429, 3 % 500, 1 % broken JSON, 1 % dropped, of 1,000: no error, none lost, none wrong, no Retry-After undercut."""
    not_before: dict[int, float] = {}
    too_early: list[int] = []

    def script(request: dict[str, Any], times: int) -> Act:
        case, now = number(request), time.monotonic()
        if now < not_before.get(case, 0.0):
            too_early.append(case)
        if times == 0 and case % 100 < 5:
            not_before[case] = now + 0.3
            return Act(status=429, headers={"Retry-After": "0.3"})
        faults = {5: Act(status=500), 6: Act(status=500), 7: Act(status=500), 8: Act(cut=40), 9: Act(drop=True)}
        if times == 0 and case % 100 in faults:
            return faults[case % 100]
        return Act("wrong" if case % 10 == 3 else "right")

    evals = suite(1000, concurrency=16)
    with ModelDouble(script) as double:
        samples = run(double, evals)
    assert [sample.case_id for sample in samples] == [case.id for case in evals.cases]
    assert [sample.error for sample in samples if sample.error] == []
    assert [number(sample.request) for sample in samples if not sample.passed] == list(range(3, 1000, 10))
    assert too_early == []
    asked = Counter(number(request) for request in double.requests)
    assert (len(asked), asked.total()) == (1000, 1100)
    assert all(sample.cost == COST for sample in samples)
    assert Counter(sample.attempts for sample in samples) == {1: 900, 2: 100}
    assert double.most_at_once <= 16


def test_another_models_answer_is_not_scored_but_paid() -> None:
    """What it used will be on the bill."""
    with ModelDouble(always(Act("right", model="cheaper-1"))) as double:
        (sample,) = run(double, suite(1))
    assert sample.error == f"another model answered: cheaper-1 instead of {MODEL}"
    assert (sample.scored, sample.scores, sample.attempts, sample.cost) == (False, (), 1, None)
    assert sample.usage is not None
    assert sample.usage.model == "cheaper-1"


def test_an_answer_without_usage_is_scored_and_has_no_cost() -> None:
    """Never 0."""
    with ModelDouble(always(Act("right", usage=None))) as double:
        (sample,) = run(double, suite(1))
    assert (sample.passed, sample.usage, sample.cost, sample.attempts) == (True, None, None, 1)


def test_an_empty_answer_is_the_models() -> None:
    """A null is what it said; it is wrong, and no error of the harness."""
    with ModelDouble(always(Act(None))) as double:
        (sample,) = run(double, suite(1))
    assert (sample.scored, sample.passed, sample.output) == (True, False, "")


@pytest.mark.parametrize("count", [-1, True, 1.5, "12", None, 10**30])
def test_a_count_that_is_none_is_not_taken_for_one(count: object) -> None:
    """The answer is scored; its cost is not known."""
    with ModelDouble(always(Act("right", usage={"prompt_tokens": count, "completion_tokens": 8}))) as double:
        (sample,) = run(double, suite(1))
    assert sample.passed
    assert sample.usage is not None
    assert (sample.usage.input_tokens, sample.cost) == (None, None)


def test_the_cap_on_cost_is_never_crossed() -> None:
    """Whatever is under way at the same time; what was not asked says why."""
    with ModelDouble(always(Act("right"))) as double:
        samples = run(double, replace(suite(200), max_cost=Money(Decimal("0.01"))))
    spent = sum((sample.cost for sample in samples if sample.cost is not None), Decimal(0))
    assert 0 < spent <= Decimal("0.01")
    unasked = [sample for sample in samples if sample.error]
    assert len(double.asked) + len(unasked) == len(samples) == 200
    assert all("the run's cap of 0.0100 USD" in sample.error for sample in unasked)


def test_what_keep_raises_ends_a_run_and_the_next_asks_only_for_what_is_missing() -> None:
    """What was kept is not asked again; only what was under way is asked twice."""
    kept: dict[tuple[str, int], Sample] = {}

    def keep(group: Sequence[Sample]) -> None:
        kept.update({(sample.case_id, sample.epoch): sample for sample in group})
        if len(kept) >= 50:
            raise ConnectionError("the database is gone")

    evals = suite(100, concurrency=4)
    threads = threading.active_count()
    with ModelDouble(always(Act("right"))) as double:
        with pytest.raises(ConnectionError):
            runner(double.url).run(evals, keep=keep, done={})
        assert threading.active_count() == threads + 1  # the double's
        before, asked = dict(kept), len(double.asked)
        samples = runner(double.url).run(evals, keep=lambda _group: None, done=before)
    assert all(sample.passed for sample in samples)
    assert (len(samples), len(double.asked) - asked) == (100, 100 - len(before))
    assert asked - len(before) <= 4


def test_an_interrupted_run_ends_at_once_and_cleanly() -> None:
    """Ctrl-C in the middle: its own exception, no thread left, no word about coroutines that nobody awaited."""
    with ModelDouble(always(Act("right", latency=0.05))) as double:
        program = [sys.executable, "-W", "error", "-X", "dev", killed_run.__file__, double.url, "", "5000", "8"]
        process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
        while len(double.asked) < 40 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        asked = len(double.asked)
    assert (process.returncode, said.rstrip().splitlines()[-1]) == (-signal.SIGINT, "KeyboardInterrupt")
    assert "never awaited" not in said
    assert "Unclosed" not in said
    assert asked < 200


def test_connections_are_kept() -> None:
    """A suite needs no more of them than it asks at once."""
    with ModelDouble(always(Act("right", latency=0.005))) as double:
        run(double, suite(100, concurrency=4))
    assert (double.connections, double.most_at_once) == (4, 4)


HOSTILE = {
    "NUL": "right\x00",
    "half a pair": "\ud800right\udfff",
    "deep JSON": '{"a":' * 900 + "1" + "}" * 900,
    "deeper JSON": "[" * 200_000,
    "4 MB": "9" * 4_000_000,
    "a number that explodes": "1e999999999",
    "many digits": json.dumps({"total": int("9" * 4000)}),
    "markup": "<script>@channel</script> =cmd()",
    "turned around": "\u202eright",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_scored_and_kept(name: str, ops: sa.Engine) -> None:
    """They are wrong answers of the model: every scorer says so, the database takes them, and the run goes on."""
    scorers = (
        ScorerSpec("exact", ""),
        ScorerSpec("exact", "total"),
        ScorerSpec("numeric", "total", {"tolerance": 0.01}),
        ScorerSpec("numeric", ""),
        ScorerSpec("contains", "", {"text": "nothing of the kind"}),
        ScorerSpec("one_of", "", {"values": ["right"]}),
        ScorerSpec("json_schema", "", {"schema": {"type": "object", "required": ["no such field"]}}),
    )
    expected = {"": "7.5", "total": 7.5}
    evals = replace(suite(3), scorers=scorers)
    evals = replace(evals, cases=tuple(replace(case, expected=expected) for case in evals.cases))
    nested: Any = "end"
    for _ in range(200):
        nested = {"logprobs": [nested]}
    body = {"model": MODEL, "choices": [{"message": {"content": HOSTILE[name]}}], "extra": nested}
    with ModelDouble(always(Act(body=json.dumps(body).encode()))) as double:
        samples = run(double, evals)
    run_id, by_case = uuid.uuid4(), defaultdict(list)
    with ops.begin() as connection:
        for sample in samples:
            Samples(connection).add([sample], workflow="w", run_id=run_id, began_at=datetime(2026, 11, 21, tzinfo=UTC))
    with ops.begin() as connection:
        for (case, _), sample in Samples(connection).scored(run_id).items():
            by_case[case].append(sample)
    assert len(by_case) == 3
    for (sample,) in by_case.values():
        assert [score.passed for score in sample.scores] == [False] * len(scorers)
        assert all(len(score.reason) < 500 for score in sample.scores)


@pytest.mark.parametrize(
    "act",
    [
        Act(status=400, body=b"no\x00pe \xff\xed\xa0\x80"),
        Act("right", model="m\x00\ud800"),
        Act(status=422, body=json.dumps({"error": "\x00\ud800"}).encode()),
    ],
    ids=["refusal", "model name", "JSON of a refusal"],
)
def test_hostile_errors_are_kept(act: Act, ops: sa.Engine) -> None:
    """What a server says beside an answer reaches the database too."""
    with ModelDouble(always(act)) as double:
        (sample,) = run(double, suite(1))
    assert sample.error
    with ops.begin() as connection:
        at = datetime(2026, 11, 21, tzinfo=UTC)
        Samples(connection).add([sample], workflow="w", run_id=uuid.uuid4(), began_at=at)
        assert connection.scalar(sa.text("SELECT error FROM samples")) == sample.error
        kept = EvalUsage(connection)
        kept.prepare(at)
        kept.add("w", [EvalCall("ref", sample.usage)], at=at, book=Prices())


NO_MESSAGE = json.dumps(
    {"model": MODEL, "choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": 8}}
).encode()


def test_a_reply_that_is_billed_and_holds_no_message_is_paid_once_and_kept() -> None:
    """Asking on would cost as much each time; what it did cost is in the sample."""
    with ModelDouble(always(Act(body=NO_MESSAGE))) as double:
        (sample,) = run(double, suite(1))
    assert (len(double.asked), sample.attempts, sample.usage) == (1, 1, Usage(MODEL, 120, 8))
    assert sample.cost is not None
    assert "holds no message" in sample.error
    assert "completion_tokens" in sample.response["body"]

"""Suites against a server that fails in every way that servers do: nothing lost, nothing wrong, nothing counted twice."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
import sqlalchemy as sa

from afterpilot.domain.evals import Case, Sample, ScorerSpec
from afterpilot.domain.money import Money
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import Evals, ModelPrice, ModelTarget
from afterpilot.evaluate.chat import ATTEMPTS, ChatClient
from afterpilot.evaluate.exchange import Refused, Unanswered
from afterpilot.evaluate.runner import Runner
from afterpilot.record.records import Records
from afterpilot.record.samples import Samples
from afterpilot.spend.prices import Prices
from doubles.model import KEY, MODEL, Act, ModelDouble

pytestmark = pytest.mark.integration

PRICE = ModelPrice(MODEL, Decimal(1), Decimal(10), Decimal("0.1"), "USD", "")
COST = Decimal("0.00011")  # of one call: 20 fresh, 100 cached and 8 output tokens
TARGET = ModelTarget("double", MODEL, Prompt("case {{ number }}"))
CASE = Case("c", {"number": "7"}, {"": "right"})


def suite(cases: int, *, concurrency: int = 8, max_cost: str = "10") -> Evals:
    """So many cases, each of which wants the answer ``right``."""
    return Evals(
        model=TARGET,
        cases=tuple(Case(f"c{n}", {"number": str(n)}, {"": "right"}) for n in range(cases)),
        scorers=(ScorerSpec("exact", ""),),
        epochs=1,
        max_cost=Money(Decimal(max_cost)),
        concurrency=concurrency,
        pass_rate=Decimal(1),
        largest_drop=Decimal(0),
        sha256="",
    )


def number(request: Mapping[str, Any]) -> int:
    """Of the case that is asked."""
    return int(request["messages"][-1]["content"].removeprefix("case "))


def client(double: ModelDouble, *, pauses: list[float] | None = None, **more: Any) -> ChatClient:
    """One for the double; with ``pauses`` it notes how long it would wait and does not."""
    endpoint = Endpoint(double.url, KEY)
    return ChatClient(endpoint, **more) if pauses is None else ChatClient(endpoint, sleep=pauses.append, **more)


def run(double: ModelDouble, evals: Evals, *, done: Mapping[tuple[str, int], Sample] | None = None) -> list[Sample]:
    """All samples of a run."""
    return list(Runner(client(double), Prices([PRICE])).run(evals, keep=lambda _: None, done=done or {}))


def first(act: Act) -> Callable[[dict[str, Any], int], Act]:
    """That goes wrong at the first attempt, and never again."""
    return lambda _request, times: act if times == 0 else Act("right")


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


@pytest.mark.parametrize(
    "act",
    [
        Act(status=429),
        Act(status=500),
        Act(status=503, body=b"<html>"),
        Act(status=529),
        Act(drop=True),
        Act(cut=0),
        Act(cut=25),
        Act(body=b'{"choices": [{"message"'),
        Act(body=b'{"choices": [], "score": NaN}'),
        Act(body=b"[1, 2]"),
        Act(body=b""),
        Act(body=b"\xff\xfe\x00"),
        Act(body=b"[" * 100_000),
        Act(body=b'{"model": "double-1", "choices": []}'),
        Act(body=b'{"model": "double-1", "choices": [{"message": null}]}'),
    ],
    ids=lambda act: f"{act.status}-{'drop' if act.drop else act.cut}-{(act.body or b'')[:12]!r}",
)
def test_a_fault_that_passes_is_mended_by_asking_again(act: Act) -> None:
    """The answer counts, with the number of attempts it took."""
    pauses: list[float] = []
    with ModelDouble(first(act)) as double:
        reply = client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert (reply.text, reply.attempts, len(double.asked), len(pauses)) == ("right", 2, 2, 1)
    assert 0 < pauses[0] <= 0.5


@pytest.mark.parametrize("act", [Act(status=500), Act(drop=True), Act(cut=3), Act(body=b"{}")])
def test_a_fault_that_stays_is_an_error_after_all_attempts(act: Act) -> None:
    """With pauses that grow, and never an answer."""
    pauses: list[float] = []
    with ModelDouble(always(act)) as double, pytest.raises(Unanswered, match=f"in {ATTEMPTS} attempts"):
        client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert (len(double.asked), len(pauses)) == (ATTEMPTS, ATTEMPTS - 1)
    assert all(pause <= 0.5 * 2**count for count, pause in enumerate(pauses))


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("1.5", 1.5, 1.5),
        ("0", 0, 0.5),
        ("-3", 0, 0.5),
        ("soon", 0, 0.5),
        ("nan", 0, 0.5),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0, 0.5),
        ("Mon, 99 Foo 2001 00:00:00 GMT", 0, 0.5),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", 0, 0.5),
        ("", 0, 0.5),
    ],
)
def test_retry_after_is_held_in_whatever_form(header: str, least: float, most: float) -> None:
    """At least what the server asks for; what says nothing usable leaves our own pause."""
    pauses: list[float] = []
    with ModelDouble(first(Act(status=429, headers={"Retry-After": header}))) as double:
        client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert least <= pauses[0] <= max(most, 0.5)


def test_retry_after_may_be_a_date() -> None:
    """An HTTP date, in whole seconds."""
    pauses: list[float] = []
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with ModelDouble(first(Act(status=503, headers={"Retry-After": later}))) as double:
        client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert 60 < pauses[0] <= 90


@pytest.mark.parametrize("header", ["181", "86400", "1e300", "inf"])
def test_a_pause_beyond_the_deadline_is_not_begun(header: str) -> None:
    """The case ends at once as an error; asking earlier than was said is no way out."""
    pauses: list[float] = []
    with (
        ModelDouble(always(Act(status=429, headers={"Retry-After": header}))) as double,
        pytest.raises(Unanswered, match="429"),
    ):
        client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert (len(double.asked), pauses) == (1, [])


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422])
def test_a_no_for_good_is_not_asked_again(status: int) -> None:
    """It says what the server said, without the key, should the server repeat it."""
    pauses: list[float] = []
    said = Act(status=status, headers={"Location": "/v1/elsewhere"}, body=f"no: {KEY} will not do".encode())
    with ModelDouble(always(said)) as double, pytest.raises(Refused) as caught:
        client(double, pauses=pauses).ask(TARGET, CASE, seed=1)
    assert str(caught.value) == f"HTTP {status}: no: [key] will not do"
    assert (len(double.asked), pauses) == (1, [])
    assert KEY not in repr(caught.value.exchange)


@pytest.mark.parametrize("drip_head", [False, True])
def test_a_reply_that_drips_is_cut_at_the_deadline(*, drip_head: bool) -> None:
    """One byte every 0.2 seconds would go on for a minute; no silence is ever long enough to time out."""
    with (
        ModelDouble(always(Act("right", drip=0.2, drip_head=drip_head))) as double,
        pytest.raises(Unanswered, match="no whole reply within"),
    ):
        client(double, deadline=1.0).ask(TARGET, CASE, seed=1)
    assert len(double.asked) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_a_reply_over_the_limit_is_cut(status: int) -> None:
    """It is refused, whatever it holds, and not asked for again."""
    with ModelDouble(always(Act("x" * 200_000, status=status))) as double, pytest.raises(Refused, match="larger than"):
        client(double, max_body_bytes=100_000).ask(TARGET, CASE, seed=1)
    assert len(double.asked) == 1


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
        samples = run(double, suite(200, max_cost="0.01"))
    spent = sum((sample.cost for sample in samples if sample.cost is not None), Decimal(0))
    assert 0 < spent <= Decimal("0.01")
    unasked = [sample for sample in samples if sample.error]
    assert len(double.asked) + len(unasked) == len(samples) == 200
    assert all("the run's cap of 0.0100 USD" in sample.error for sample in unasked)


class _Killed(BaseException):
    """As the end of a process would come."""


def test_a_run_that_was_cut_off_asks_only_for_what_is_missing() -> None:
    """What was kept is not asked again; only what was under way is asked twice."""
    kept: dict[tuple[str, int], Sample] = {}

    def keep(sample: Sample) -> None:
        kept[sample.case_id, sample.epoch] = sample
        if len(kept) == 50:
            raise _Killed

    evals = suite(100, concurrency=4)
    with ModelDouble(always(Act("right"))) as double:
        with pytest.raises(_Killed):
            Runner(client(double), Prices([PRICE])).run(evals, keep=keep, done={})
        again: list[str] = []
        samples = Runner(client(double), Prices([PRICE])).run(
            evals, keep=lambda sample: again.append(sample.case_id), done=dict(kept)
        )
    assert all(sample.passed for sample in samples)
    assert len(samples) == 100
    assert sorted([*again, *(case for case, _ in kept)]) == sorted(case.id for case in evals.cases)
    assert len(double.asked) <= 100 + 3 * 4


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
            Samples(connection).add(sample, workflow="w", run_id=run_id, began_at=datetime(2026, 11, 21, tzinfo=UTC))
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
        Samples(connection).add(sample, workflow="w", run_id=uuid.uuid4(), began_at=at)
        assert connection.scalar(sa.text("SELECT error FROM samples")) == sample.error
        call = ("w", "eval", "ref", at, sample.usage)
        Records(connection).write_usage([call])


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


@pytest.mark.parametrize("status", [200, 400, 503])
def test_the_body_of_the_last_failure_is_kept_but_not_all_of_it(status: int) -> None:
    """It costs nothing as far as is known, and says what was wrong; the key is not in it."""
    body = f"{KEY} upstream is down: ".encode() + b"x" * 5_000
    with ModelDouble(always(Act(status=status, body=body))) as double:
        (sample,) = Runner(client(double, pauses=[]), Prices([PRICE])).run(suite(1), keep=lambda _: None, done={})
    assert (sample.attempts, sample.usage, sample.response["status"]) == (0, None, status)
    assert sample.response["body"].startswith("[key] upstream is down: xxx")
    assert len(sample.response["body"]) == 2_000

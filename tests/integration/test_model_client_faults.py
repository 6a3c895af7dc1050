"""The model client against a server that fails in every way that servers do: patient, within bounds, and never early."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.calls import ATTEMPTS, BUSY_ATTEMPTS
from afterpilot.evaluate.client import Client
from afterpilot.evaluate.exchange import Refused, Unanswered
from afterpilot.evaluate.transport import Transport
from doubles.client import Clock, answer, answers, run
from doubles.model import KEY, MODEL, Act, ModelDouble

pytestmark = pytest.mark.integration

TARGET = ModelTarget("double", MODEL, Prompt("case {{ number }}"))
CASE = Case("c", {"number": "7"}, {})
GOOD = json.dumps({"model": MODEL, "choices": [{"message": {"content": "right"}}]}).encode()


def numbered(count: int) -> list[Case]:
    """So many cases."""
    return [Case(f"c{number}", {"number": str(number)}, {}) for number in range(count)]


def first(act: Act) -> Callable[[dict[str, Any], int], Act]:
    """That goes wrong at the first attempt, and never again."""
    return lambda _request, times: act if times == 0 else Act("right")


def always(act: Act) -> Callable[[dict[str, Any], int], Act]:
    """That goes wrong each time."""
    return lambda _request, _times: act


@pytest.mark.parametrize(
    "act",
    [
        Act(status=408),
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
        Act(body=b'{"choices": [{"message": {"content": "\xe2\x82"}}]}'),
        Act(body=b"[" * 100_000),
        Act(body=b'{"model": "double-1", "choices": []}'),
        Act(body=b'{"model": "double-1", "choices": [{"message": null}]}'),
        Act(headers={"Content-Encoding": "br"}),
        Act(headers={"Content-Encoding": "gzip"}),
        Act(body=gzip.compress(GOOD, mtime=0)[:-9], headers={"Content-Encoding": "gzip"}),
        Act(headers={"X-Line": "x" * 20_000}),
        Act(headers={f"X-Line-{number}": "x" for number in range(300)}),
    ],
    ids=lambda act: f"{act.status}-{'drop' if act.drop else act.cut}-{(act.body or b'')[:12]!r}-{len(act.headers)}",
)
def test_a_fault_that_passes_is_mended_by_asking_again(act: Act) -> None:
    """The answer counts, with the number of attempts it took."""
    clock = Clock()
    with ModelDouble(first(act)) as double:
        reply = answer(double, TARGET, CASE, clock=clock)
    assert (reply.text, reply.attempts, len(double.asked), len(clock.pauses)) == ("right", 2, 2, 1)
    assert 0 <= clock.pauses[0] <= 0.5


@pytest.mark.parametrize("act", [Act(status=500), Act(status=429), Act(drop=True), Act(cut=3), Act(body=b"{}")])
def test_a_fault_that_stays_is_an_error_after_all_attempts(act: Act) -> None:
    """With pauses that may grow, and never an answer."""
    clock = Clock()
    with ModelDouble(always(act)) as double, pytest.raises(Unanswered, match=f"in {ATTEMPTS} attempts"):
        answer(double, TARGET, CASE, clock=clock)
    assert (len(double.asked), len(clock.pauses)) == (ATTEMPTS, ATTEMPTS - 1)
    assert all(pause <= 0.5 * 2**count for count, pause in enumerate(clock.pauses))


@pytest.mark.parametrize("packing", ["gzip", "x-gzip", "deflate"])
def test_a_reply_that_is_packed_unasked_is_unpacked(packing: str) -> None:
    """Some servers do not listen."""
    body = zlib.compress(GOOD) if packing == "deflate" else gzip.compress(GOOD, mtime=0)
    with ModelDouble(always(Act(body=body, headers={"Content-Encoding": packing}))) as double:
        assert answer(double, TARGET, CASE).text == "right"


@pytest.mark.parametrize(
    ("header", "least"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "1.5"}, 1.5),
        ({"retry-after-ms": "2500", "Retry-After": "9"}, 2.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m6.5s"}, 66.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6000ms"}, 6),
        ({"x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "60s"}, 0),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "nan"}, 0),
        ({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0),
        ({"Retry-After": "Mon, 99 Foo 2001 00:00:00 GMT"}, 0),
        ({"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, 0),
        ({"Retry-After": ""}, 0),
    ],
)
def test_what_the_server_asks_for_is_held_in_whatever_form(header: dict[str, str], least: float) -> None:
    """At least what it says; what says nothing usable leaves our own pause."""
    clock = Clock()
    with ModelDouble(first(Act(status=429, headers=header))) as double:
        answer(double, TARGET, CASE, clock=clock)
    assert least <= clock.pauses[0] <= max(least, 0.5)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Retry-After", lambda moment: format_datetime(moment, usegmt=True)),
        ("anthropic-ratelimit-requests-reset", lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
    ],
    ids=["HTTP date", "RFC 3339"],
)
def test_it_may_be_a_moment(name: str, written: Callable[[datetime], str]) -> None:
    """An HTTP date, or Anthropic's reset of a limit that is used up."""
    clock = Clock()
    headers = {name: written(datetime.now(UTC) + timedelta(seconds=90)), "anthropic-ratelimit-requests-remaining": "0"}
    with ModelDouble(first(Act(status=503, headers=headers))) as double:
        answer(double, TARGET, CASE, clock=clock)
    assert 60 < clock.pauses[0] <= 90


@pytest.mark.parametrize("header", ["181", "86400", "1e300", "inf"])
def test_a_pause_beyond_the_deadline_is_not_begun(header: str) -> None:
    """The case ends at once as an error; asking earlier than was said is no way out."""
    clock = Clock()
    with (
        ModelDouble(always(Act(status=429, headers={"Retry-After": header}))) as double,
        pytest.raises(Unanswered, match="429"),
    ):
        answer(double, TARGET, CASE, clock=clock)
    assert (len(double.asked), clock.pauses) == (1, [])


def test_other_cases_of_an_endpoint_that_is_shut_for_long_are_not_asked() -> None:
    """They say why, and take no part of anybody's deadline; the second refusal of two shows that all are meant."""

    async def three(client: Client) -> list[str]:
        said = []
        for case in numbered(3):
            with pytest.raises(Unanswered) as caught:
                await client.answer(TARGET, case, seed=1)
            said.append(str(caught.value))
        return said

    with ModelDouble(always(Act(status=429, headers={"Retry-After": "3600"}))) as double:
        *refused, unasked = run(double, three, clock=Clock())
    assert all("HTTP 429 (and the next attempt would have to wait 3600 s)" in said for said in refused)
    assert unasked.startswith(f"{MODEL} was not asked: the server asks for a pause of 36")
    assert len(double.asked) == 2


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422])
def test_a_no_for_good_is_not_asked_again(status: int) -> None:
    """It says what the server said, without the key, should the server repeat it; nobody is followed elsewhere."""
    clock = Clock()
    said = Act(status=status, headers={"Location": "/v1/elsewhere"}, body=f"no: {KEY} will not do".encode())
    with ModelDouble(always(said)) as double, pytest.raises(Refused) as caught:
        answer(double, TARGET, CASE, clock=clock)
    assert str(caught.value) == f"HTTP {status}: no: [key] will not do"
    assert (len(double.asked), clock.pauses) == (1, [])
    assert KEY not in repr(caught.value.exchange)


@pytest.mark.parametrize("drip_head", [False, True])
def test_a_reply_that_drips_is_cut_at_the_deadline(*, drip_head: bool) -> None:
    """One byte every 0.2 seconds would go on for a minute; no silence is ever long enough to time out."""
    with (
        ModelDouble(always(Act("right", drip=0.2, drip_head=drip_head))) as double,
        pytest.raises(Unanswered, match="no whole reply within"),
    ):
        answer(double, TARGET, CASE, deadline=1.0)
    assert len(double.asked) == 1


@pytest.mark.parametrize("act", [Act(latency=30.0), Act(hang=True)], ids=["before the headers", "after them"])
def test_silence_is_borne_for_so_long_and_no_longer(act: Act) -> None:
    """Another attempt gets the answer."""
    with ModelDouble(first(act)) as double:
        reply = answer(double, TARGET, CASE, clock=Clock(), transport=Transport(first_byte=1.0))
    assert (reply.text, len(double.asked)) == ("right", 2)


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "act",
    [
        Act("x" * 200_000),
        Act(flood=True),
        Act(body=gzip.compress(b" " * 20_000_000 + GOOD, mtime=0), headers={"Content-Encoding": "gzip"}),
        Act(body=zlib.compress(b" " * 20_000_000 + GOOD), headers={"Content-Encoding": "deflate"}),
    ],
    ids=["large", "without end", "gzip bomb", "deflate bomb"],
)
def test_a_reply_over_the_limit_is_cut(act: Act, status: int) -> None:
    """It is refused, whatever it holds and however it is packed, and not asked for again."""
    act = Act(act.text, status=status, body=act.body, headers=act.headers, flood=act.flood)
    with ModelDouble(always(act)) as double, pytest.raises(Refused, match="larger than 100,000 bytes"):
        answer(double, TARGET, CASE, transport=Transport(max_body_bytes=100_000))
    assert len(double.asked) == 1


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_reply_that_grows_takes_no_memory(packing: str) -> None:
    """Of 50 MB no more is unpacked than may be."""
    pack = gzip.compress if packing == "gzip" else zlib.compress
    act = Act(body=pack(b" " * 50_000_000), headers={"Content-Encoding": packing})
    with ModelDouble(always(act)) as double:
        tracemalloc.start()
        try:
            with pytest.raises(Refused, match="larger than"):
                answer(double, TARGET, CASE, transport=Transport(max_body_bytes=1_000_000))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 10_000_000


def test_another_models_answer_is_none_but_paid() -> None:
    """What it used will be on the bill."""
    with (
        ModelDouble(always(Act("right", model="cheaper-1"))) as double,
        pytest.raises(Refused, match=f"another model answered: cheaper-1 instead of {MODEL}") as caught,
    ):
        answer(double, TARGET, CASE)
    assert caught.value.exchange.usage == Usage("cheaper-1", 120, 8, 100)
    assert (caught.value.exchange.attempts, len(double.asked)) == (1, 1)


def test_a_reply_that_is_billed_and_holds_no_message_is_paid_once_and_kept() -> None:
    """Asking on would cost as much each time."""
    usage = {"prompt_tokens": 120, "completion_tokens": 8}
    body = json.dumps({"model": MODEL, "choices": [], "usage": usage}).encode()
    with ModelDouble(always(Act(body=body))) as double, pytest.raises(Unanswered, match="holds no message") as caught:
        answer(double, TARGET, CASE)
    kept = caught.value.exchange
    assert (len(double.asked), kept.attempts, kept.usage) == (1, 1, Usage(MODEL, 120, 8))
    assert "completion_tokens" in kept.response["body"]


@pytest.mark.parametrize("status", [200, 400, 503])
def test_the_body_of_the_last_failure_is_kept_but_not_all_of_it(status: int) -> None:
    """It costs nothing as far as is known, and says what was wrong; the key is not in it."""
    body = f"{KEY} upstream is down: ".encode() + b"x" * 5_000
    with ModelDouble(always(Act(status=status, body=body))) as double, pytest.raises((Unanswered, Refused)) as caught:
        answer(double, TARGET, CASE, clock=Clock())
    kept = caught.value.exchange
    assert (kept.attempts, kept.usage, kept.response["status"]) == (0, None, status)
    assert kept.response["body"].startswith("[key] upstream is down: xxx")
    assert len(kept.response["body"]) == 2_000


def test_no_request_of_a_full_endpoint_starts_before_the_moment_it_named() -> None:
    """From the fortieth request on everybody is told to come again in 0.4 s: after a few refusals nobody comes before."""
    shut_until, early, refused = 0.0, 0, 0

    def script(_request: dict[str, Any], _times: int) -> Act:
        nonlocal shut_until, early, refused
        now = time.monotonic()
        if len(double.asked) >= 40 and not shut_until:
            shut_until = now + 0.4
        if now < shut_until:
            early += 1
            refused += 1
            return Act(status=429, headers={"Retry-After": f"{shut_until - now:.3f}"})
        return Act("right", latency=0.002)

    with ModelDouble(script) as double:
        found = answers(double, TARGET, numbered(120), concurrency=4)
    # A quarter of the latest 32 answers show it, and those that were under way by then arrive after it; nobody else does.
    assert 2 <= early <= 8 + 4
    assert [reply.text for reply in found] == ["right"] * 120


def test_one_refusal_holds_up_its_own_case_alone() -> None:
    """The case comes back when it was told to, and the others go on meanwhile."""
    not_before, others, early = 0.0, 0, 0

    def script(request: dict[str, Any], times: int) -> Act:
        nonlocal not_before, others, early
        now = time.monotonic()
        mine = request["messages"][0]["content"] == "case 20"
        if mine and times == 0:
            not_before = now + 0.2
            return Act(status=429, headers={"Retry-After": "0.2"})
        early += mine and now < not_before
        others += not mine and now < not_before
        return Act("right", latency=0.002)

    with ModelDouble(script) as double:
        found = answers(double, TARGET, numbered(120), concurrency=4)
    assert early == 0
    assert others > 4
    assert [reply.text for reply in found] == ["right"] * 120


def test_no_case_is_asked_before_the_moment_it_was_told() -> None:
    """Whatever the others do meanwhile."""
    not_before: dict[str, float] = {}
    early = 0

    def script(request: dict[str, Any], times: int) -> Act:
        nonlocal early
        now = time.monotonic()
        case = request["messages"][0]["content"]
        early += now < not_before.get(case, 0.0)
        if times == 0:
            not_before[case] = now + 0.05
            return Act(status=429, headers={"retry-after-ms": "50"})
        return Act("right")

    with ModelDouble(script) as double:
        answers(double, TARGET, numbered(10), concurrency=1)
    assert (early, len(double.asked)) == (0, 20)


def test_an_answer_that_uses_a_limit_up_shuts_the_gate_too() -> None:
    """The next case waits until the limit is reset, and is not refused first."""
    clock = Clock()
    used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12s"}

    async def two(client: Client) -> list[Reply]:
        return [await client.answer(TARGET, case, seed=1) for case in numbered(2)]

    with ModelDouble(always(Act("right", headers=used_up))) as double:
        run(double, two, clock=clock)
    assert len(clock.pauses) == 1
    assert 10 < clock.pauses[0] <= 12


def test_a_storm_of_refusals_is_met_with_fewer_requests_at_once() -> None:
    """A server that bears two at once is asked by sixteen, and every case is answered all the same."""

    def script(_request: dict[str, Any], _times: int) -> Act:
        crowded = double._at_once > 2
        return Act(status=429, headers={"retry-after-ms": "20"}) if crowded else Act("right", latency=0.005)

    double = ModelDouble(script)
    with double:
        found = answers(double, TARGET, numbered(60), concurrency=16)
    assert [reply.text for reply in found] == ["right"] * 60
    refused = len(double.asked) - 60
    assert refused < 120


def test_a_server_that_always_says_later_is_left_at_last() -> None:
    """Not after six attempts, for it keeps its word about the time; but some day."""
    clock = Clock()
    with (
        ModelDouble(always(Act(status=429, headers={"Retry-After": "1"}))) as double,
        pytest.raises(Unanswered, match=f"{BUSY_ATTEMPTS} attempts: HTTP 429"),
    ):
        answer(double, TARGET, CASE, clock=clock)
    assert len(double.asked) == BUSY_ATTEMPTS


def test_a_broken_provider_gets_no_storm() -> None:
    """Retries of a whole run are at most 50 and one for every five cases."""

    async def all_of_them(client: Client) -> list[BaseException | Reply]:
        asked = (client.answer(TARGET, case, seed=1) for case in numbered(200))
        return await asyncio.gather(*asked, return_exceptions=True)

    with ModelDouble(always(Act(status=500))) as double:
        found = run(double, all_of_them, clock=Clock(), deadline=100_000.0)
    assert all(isinstance(error, Unanswered) for error in found)
    assert len(double.asked) == 200 + 50 + 200 / 5
    assert any("the run has used up its retries" in str(error) for error in found)


def test_the_deadline_is_for_all_turns_together() -> None:
    """Each turn is in time by itself."""
    turns = tuple(Message(role, text) for _ in range(9) for role, text in (("assistant", ""), ("user", "go on")))
    long = Case("c", {"number": "7"}, {}, messages=turns)
    with (
        ModelDouble(always(Act("right", latency=0.5))) as double,
        pytest.raises(Unanswered, match=r"no whole reply within|no time is left") as caught,
    ):
        answer(double, TARGET, long, deadline=2.0)
    assert 1 < len(double.asked) < 10
    assert caught.value.exchange.usage is not None

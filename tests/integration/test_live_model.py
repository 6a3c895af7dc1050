"""The eval stage against a real language model: the declared suite, over HTTP, with real usage and the declared price."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from afterpilot.declare import load
from afterpilot.demo.model_server import KEY_VARIABLE, MODEL_NAME
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.evals import Case, Sample
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.workflow import Evals, ModelTarget
from afterpilot.evaluate.client import Client
from afterpilot.evaluate.exchange import Refused
from afterpilot.evaluate.runner import Runner
from afterpilot.spend.prices import Prices
from doubles.client import Named, answer

pytestmark = [pytest.mark.integration, pytest.mark.model, pytest.mark.xdist_group("model")]

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
STARTS_WITHIN = 180.0  # seconds to load the weights, on a busy machine
_DECLARED = load(WORKFLOWS)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The demo's own model server on a free port, with a key of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Endpoint(f"http://127.0.0.1:{port}/v1", secrets.token_hex(16))
    log = tmp_path_factory.mktemp("model") / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "afterpilot.demo.model_server", "--port", str(port)],
            env={**os.environ, KEY_VARIABLE: found.secret},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(server, f"http://127.0.0.1:{port}/health", log)
            yield found
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def runner(endpoint: Endpoint, prices: Prices) -> Runner:
    """One that asks this endpoint, whatever its connection is called."""
    return Runner(lambda concurrency: Client(Named(endpoint), concurrency=concurrency), prices)


@pytest.fixture(scope="module")
def evals() -> Evals:
    """The suite of the example as it is declared, with its first three cases."""
    (workflow,) = (one for one in _DECLARED.workflows if one.slug == "invoice_matching")
    assert workflow.evals is not None
    return replace(workflow.evals, cases=workflow.evals.cases[:3])


@pytest.fixture(scope="module")
def prices() -> Prices:
    """As the fleet declares them."""
    assert _DECLARED.fleet is not None
    return Prices(_DECLARED.fleet.prices)


@pytest.fixture(scope="module")
def kept(endpoint: Endpoint, evals: Evals, prices: Prices) -> list[Sample]:
    """What came of the suite, once for all tests."""
    samples: list[Sample] = []
    returned = runner(endpoint, prices).run(evals, keep=samples.extend, done={})
    assert sorted(one.case_id for one in samples) == sorted(one.case_id for one in returned)
    return samples


def test_every_case_is_answered_and_scored(kept: list[Sample], evals: Evals) -> None:
    """No error, one score for each declared scorer, and the answer has the declared shape."""
    assert [sample.error for sample in kept] == ["", "", ""]
    assert {sample.case_id for sample in kept} == {case.id for case in evals.cases}
    labels = [spec.label for spec in evals.scorers]
    for sample in kept:
        assert [score.scorer for score in sample.scores] == labels
        (shape,) = (score for score in sample.scores if score.scorer == "json_schema")
        assert shape.passed, shape.reason
        assert all(score.passed or score.reason for score in sample.scores)


def test_usage_is_the_servers_own_and_priced_by_the_declared_list(kept: list[Sample], prices: Prices) -> None:
    """Real tokens; the cost is what the price list makes of them, and next to nothing but not nothing."""
    for sample in kept:
        assert sample.usage is not None
        assert sample.usage.model == MODEL_NAME
        assert (sample.usage.input_tokens or 0) > 300
        assert 20 <= (sample.usage.output_tokens or 0) <= 90
        priced = prices.price(sample.usage, datetime.now(UTC))
        assert (sample.cost, priced.price_version) == (priced.cost, "own price list")
        assert Decimal(0) < (sample.cost or Decimal(0)) < Decimal("0.001")


def test_request_and_reply_are_kept_whole_and_without_the_key(kept: list[Sample], endpoint: Endpoint) -> None:
    """What was asked can be asked again."""
    for sample in kept:
        assert sample.request["response_format"]["type"] == "json_schema"
        assert sample.request["messages"][-1]["content"].count("Total due:") == 1
        assert sample.response["model"] == MODEL_NAME
        assert sample.output == sample.response["choices"][0]["message"]["content"]
        assert endpoint.secret not in repr(sample)


def test_most_fields_of_the_plain_invoices_are_read_right(kept: list[Sample]) -> None:
    """A small model, yet at least half of all scores pass on the three easiest cases: the path is not garbled."""
    scores = [score.passed for sample in kept for score in sample.scores]
    assert sum(scores) * 2 >= len(scores)


def test_a_wrong_key_is_refused_and_said_so(endpoint: Endpoint, evals: Evals, prices: Prices) -> None:
    """An error of the harness: not scored, not billed, and the key is not in it."""
    wrong = replace(endpoint, secret="wrong-key-0123456789")
    one = replace(evals, cases=evals.cases[:1])
    kept: list[Sample] = []
    runner(wrong, prices).run(one, keep=kept.extend, done={})
    (sample,) = kept
    assert not sample.scored
    assert sample.error.startswith("HTTP 401")
    assert (sample.attempts, sample.cost) == (0, None)
    assert wrong.secret not in repr(sample)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_each_api_of_a_real_server_holds_a_conversation(endpoint: Endpoint, api: Any) -> None:
    """Two turns that the model answers itself; usage is of both, and nothing of the key is kept."""
    prompt = Prompt("## system\nAnswer in one short sentence.\n\n## user\n{{ question }}")
    target = ModelTarget("local", MODEL_NAME, prompt, max_tokens=12, api=api)
    turns = (Message("assistant", ""), Message("user", "Say it again."))
    reply = answer(endpoint, target, Case("a", {"question": "What is the capital of France?"}, {}, messages=turns))
    assert reply.text
    assert (reply.model, reply.attempts, reply.fingerprint["model"]) == (MODEL_NAME, 2, MODEL_NAME)
    assert reply.usage is not None
    assert (reply.usage.input_tokens or 0) > 60
    assert 2 <= (reply.usage.output_tokens or 0) <= 24
    assert len(reply.request.get("input") or reply.request["messages"]) == (3 if api == "messages" else 4)
    assert reply.stopped in {"", "max_tokens"}
    assert endpoint.secret not in repr(reply)


@pytest.mark.parametrize("api", ["chat", "messages"])
def test_each_api_of_a_real_server_says_when_an_answer_was_cut(endpoint: Endpoint, api: Any) -> None:
    """In one word for both; of a response this server does not say it."""
    target = ModelTarget("local", MODEL_NAME, Prompt("Count from one to one hundred in words."), max_tokens=3, api=api)
    reply = answer(endpoint, target, Case("a", {}, {}))
    assert reply.stopped == "max_tokens"


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_each_api_of_a_real_server_takes_tools_and_no_wrong_key(endpoint: Endpoint, api: Any) -> None:
    """The tools' shape is accepted, whether the model calls one or not; without the key there is no answer."""
    tool = {"name": "find", "description": "Finds.", "parameters": {"type": "object", "properties": {}}}
    target = ModelTarget("local", MODEL_NAME, Prompt("Hello"), max_tokens=4, api=api, tools=(tool,))
    assert answer(endpoint, target, Case("a", {}, {})).usage is not None
    with pytest.raises(Refused, match="HTTP 401"):
        answer(replace(endpoint, secret="wrong-key-0123456789"), target, Case("a", {}, {}))


def _wait_for(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if server.poll() is not None:
            pytest.fail(f"the model server ended with {server.returncode}: {log.read_text(errors='replace')[-2000:]}")
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    pytest.fail(f"the model server did not answer within {STARTS_WITHIN:.0f} s")

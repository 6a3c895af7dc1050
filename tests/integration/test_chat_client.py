"""What the chat client sends and keeps over real HTTP; its patience with faults is in test_model_faults.py."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from afterpilot.domain.evals import Case, Reply
from afterpilot.domain.ports import Endpoint
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelTarget
from afterpilot.evaluate.chat import ATTEMPTS, ChatClient
from afterpilot.evaluate.exchange import Refused, Unanswered
from doubles.model import KEY, MODEL, USAGE, Act, ModelDouble

pytestmark = pytest.mark.integration

TARGET = ModelTarget("double", MODEL, Prompt("{{ q }}"))
Serve = Callable[..., tuple[ModelDouble, ChatClient, list[float]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A double that does these acts one after the other (the last for ever), and a client that only notes its pauses."""
    doubles: list[ModelDouble] = []

    def start(*acts: Act, **options: float) -> tuple[ModelDouble, ChatClient, list[float]]:
        double = ModelDouble(lambda _request, times: acts[min(times, len(acts) - 1)])
        doubles.append(double.__enter__())
        pauses: list[float] = []
        client = ChatClient(Endpoint(double.url, KEY), sleep=pauses.append, **options)  # type: ignore[arg-type]
        return double, client, pauses

    yield start
    for double in doubles:
        double.__exit__()


def ask(client: ChatClient, name: str = "a") -> Reply:
    """One case."""
    return client.ask(TARGET, Case(name, {"q": name}, {}), seed=1)


def test_an_answer_with_its_usage_and_both_sides_of_the_wire(serve: Serve) -> None:
    """The key goes out in the header and is kept nowhere."""
    double, client, pauses = serve(Act(text="yes"))
    reply = ask(client)
    assert (reply.text, reply.model, reply.attempts) == ("yes", MODEL, 1)
    assert reply.usage == Usage(MODEL, 120, 8, 100)
    assert reply.latency_ms >= 0
    assert reply.request == double.requests[0]
    assert reply.response["usage"] == USAGE
    assert double.asked[0].path == "/v1/chat/completions"
    assert double.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr((reply, client))
    assert pauses == []


def test_a_used_up_account_is_a_refusal(serve: Serve) -> None:
    """It comes as a 429, but no pause mends it."""
    double, client, _ = serve(Act(status=429, body=b'{"error": {"code": "insufficient_quota"}}'))
    with pytest.raises(Refused, match="insufficient_quota"):
        ask(client)
    assert len(double.asked) == 1


def test_a_key_in_an_answer_is_not_kept(serve: Serve) -> None:
    """A model behind a careless proxy may say it."""
    _, client, _ = serve(Act(text=f"your key is {KEY}"))
    reply = ask(client)
    assert reply.text == "your key is [key]"
    assert KEY not in repr(reply)


def test_nobody_at_home_is_an_error_of_the_harness() -> None:
    """No server: attempts and pauses as for any other fault."""
    with ModelDouble() as double:
        url = double.url
    pauses: list[float] = []
    with pytest.raises(Unanswered, match=rf"{ATTEMPTS} attempts: the connection failed \(ConnectionError\)"):
        ask(ChatClient(Endpoint(url, KEY), sleep=pauses.append))
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("url", "key"), [("no-scheme/v1", "key-1"), ("http://", "key-1"), ("http://127.0.0.1:9/v1", "key\n1")]
)
def test_an_address_or_key_that_cannot_be_used_is_refused_at_once(url: str, key: str) -> None:
    """Nothing of the key is told."""
    with pytest.raises(Refused, match="address or key cannot be used") as caught:
        ask(ChatClient(Endpoint(url, key), sleep=lambda _seconds: pytest.fail("no retry can help")))
    assert key not in str(caught.value)


def test_the_newer_name_of_the_limit_is_learned_once(serve: Serve) -> None:
    """Newer models refuse ``max_tokens``; from then on they are asked as they want."""
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    double = ModelDouble(
        lambda request, _times: Act(status=400, body=message.encode()) if "max_tokens" in request else Act()
    )
    with double:
        client = ChatClient(Endpoint(double.url, KEY))
        assert [ask(client, name).text for name in "abc"] == ["pong"] * 3
    assert [("max_tokens" in one, one.get("max_completion_tokens")) for one in double.requests] == [
        (True, None),
        (False, 256),
        (False, 256),
        (False, 256),
    ]


def test_many_threads_share_one_client_and_its_connections() -> None:
    """Every thread gets the answer to its own question, over connections that are kept."""
    double = ModelDouble(lambda request, _times: Act(text=request["messages"][0]["content"], latency=0.01))
    answers: dict[str, str] = {}
    with double:
        client = ChatClient(Endpoint(double.url, KEY))

        def work(number: int) -> None:
            for turn in range(10):
                name = f"{number}-{turn}"
                answers[name] = ask(client, name).text

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {name: name for name in answers}
    assert len(answers) == 80
    assert double.connections <= 8


def test_chunked_replies_are_read_too(serve: Serve) -> None:
    """A server may send its reply in pieces, without a length."""
    reply = json.dumps({"model": MODEL, "choices": [{"message": {"content": "yes"}}]}).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (reply[:30], reply[30:])) + b"0\r\n\r\n"
    _, client, _ = serve(Act(body=pieces, headers={"Transfer-Encoding": "chunked", "Content-Length": ""}))
    assert ask(client).text == "yes"

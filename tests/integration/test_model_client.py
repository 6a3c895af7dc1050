"""What the model client sends and keeps over real HTTP; its patience with faults is in test_model_client_faults.py."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from afterpilot.domain.connections import Endpoint
from afterpilot.domain.evals import Case, Image
from afterpilot.domain.prompt import Message, Prompt
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import JsonTarget, ModelTarget, ScriptedTarget
from afterpilot.evaluate.calls import ATTEMPTS
from afterpilot.evaluate.client import Client, Elsewhere
from afterpilot.evaluate.exchange import Refused, Unanswered
from doubles.client import Clock, Named, answer, answers, run
from doubles.model import KEY, MODEL, USAGE, Act, ModelDouble, Script

pytestmark = pytest.mark.integration

TARGET = ModelTarget("double", MODEL, Prompt("{{ q }}"))


def case(name: str = "a") -> Case:
    """One whose question is its name."""
    return Case(name, {"q": name}, {})


def does(*acts: Act) -> Script:
    """These acts one after the other, the last for ever."""
    left = list(acts)
    return lambda _request, _times: left.pop(0) if len(left) > 1 else left[0]


def test_an_answer_with_its_usage_and_both_sides_of_the_wire() -> None:
    """The key goes out in the header and is kept nowhere."""
    clock = Clock()
    with ModelDouble(does(Act(text="yes"))) as double:
        reply = answer(double, TARGET, case(), clock=clock)
    assert (reply.text, reply.model, reply.attempts) == ("yes", MODEL, 1)
    assert reply.usage == Usage(MODEL, 120, 8, 100)
    assert reply.first_byte_ms is not None
    assert 0 <= reply.first_byte_ms <= reply.latency_ms
    assert reply.request == double.requests[0]
    assert reply.response["usage"] == USAGE
    assert double.asked[0].path == "/v1/chat/completions"
    assert double.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert double.asked[0].headers["accept-encoding"] == "identity"
    assert KEY not in repr(reply)
    assert clock.pauses == []


def test_a_fingerprint_is_the_model_the_system_and_the_headers_that_name_versions() -> None:
    """Nothing that changes from call to call; a key in a header is not kept."""
    body = {"model": MODEL, "system_fingerprint": "fp_1", "choices": [{"message": {"content": "a"}}]}
    headers = {"openai-version": "2020-10-01", "X-Model-Version": f"v7 {KEY}", "x-request-id": "r-1"}
    with ModelDouble(does(Act(body=json.dumps(body).encode(), headers=headers))) as double:
        reply = answer(double, TARGET, case())
    assert reply.fingerprint == {
        "model": MODEL,
        "system_fingerprint": "fp_1",
        "openai-version": "2020-10-01",
        "x-model-version": "v7 [key]",
    }


def test_a_used_up_account_is_a_refusal() -> None:
    """It comes as a 429, but no pause mends it."""
    with (
        ModelDouble(does(Act(status=429, body=b'{"error": {"code": "insufficient_quota"}}'))) as double,
        pytest.raises(Refused, match="insufficient_quota"),
    ):
        answer(double, TARGET, case())
    assert len(double.asked) == 1


@pytest.mark.parametrize("written", [KEY, KEY.replace("t", "\\u0074")], ids=["plain", "escaped"])
def test_a_key_in_an_answer_is_not_kept(written: str) -> None:
    """A model behind a careless proxy may say it, in whatever way JSON writes it."""
    body = b'{"choices": [{"message": {"content": "your key is %s"}}]}' % written.encode()
    with ModelDouble(does(Act(body=body))) as double:
        reply = answer(double, TARGET, case())
    assert reply.text == "your key is [key]"
    assert KEY not in repr(reply)


def test_a_word_that_stands_in_for_a_key_is_left_in_answers() -> None:
    """Servers without keys are given one such as ``none``."""
    with ModelDouble(does(Act(text="none of them"))) as double:
        reply = answer(Endpoint(double.url, "none"), TARGET, case())
    assert reply.text == "none of them"


def test_nobody_at_home_is_an_error_of_the_harness() -> None:
    """No server: attempts and pauses as for any other fault."""
    with ModelDouble() as double:
        url = double.url
    clock = Clock()
    with pytest.raises(Unanswered, match=rf"{ATTEMPTS} attempts: the connection failed \(ClientConnectorError\)"):
        answer(Endpoint(url, KEY), TARGET, case(), clock=clock)
    assert len(clock.pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("no-scheme/v1", "key-1"),
        ("http://", "key-1"),
        ("ftp://127.0.0.1/v1", "key-1"),
        ("http://127.0.0.1:99999/v1", "key-1"),
        ("http://[::1/v1", "key-1"),
        ("http://127.0.0.1:9/v1", "key\n1"),
        ("http://127.0.0.1:9/v1", "key\u20ac\udcff1"),
    ],
)
def test_an_address_or_key_that_cannot_be_used_is_refused_at_once(url: str, key: str) -> None:
    """Nothing of the key is told."""
    clock = Clock()
    with pytest.raises(Refused, match="address or key cannot be used") as caught:
        answer(Endpoint(url, key), TARGET, case(), clock=clock)
    assert key not in str(caught.value)
    assert clock.pauses == []


def test_a_connection_that_does_not_exist_is_refused() -> None:
    """It says which; connections that nobody asks are not looked up."""
    with pytest.raises(Refused, match="no connection double"):
        answer(Named(), TARGET, case())


def test_the_newer_name_of_the_limit_is_learned_once() -> None:
    """Newer models refuse ``max_tokens``; from then on they are asked as they want."""
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    refusing: Script = lambda request, _times: (  # noqa: E731 - a table of one row
        Act(status=400, body=message.encode()) if "max_tokens" in request else Act()
    )

    async def one_after_the_other(client: Client) -> list[str]:
        return [(await client.answer(TARGET, case(name), seed=1)).text for name in "abc"]

    with ModelDouble(refusing) as double:
        assert run(double, one_after_the_other) == ["pong"] * 3
    assert [("max_tokens" in one, one.get("max_completion_tokens")) for one in double.requests] == [
        (True, None),
        (False, 256),
        (False, 256),
        (False, 256),
    ]


def test_cases_that_are_refused_together_all_learn_it() -> None:
    """The first wave is under way before anybody knows."""
    body = b"Use 'max_completion_tokens' instead."
    with ModelDouble(
        lambda request, _times: Act(status=400, body=body, latency=0.02) if "max_tokens" in request else Act()
    ) as double:
        found = answers(double, TARGET, [case(f"c{number}") for number in range(8)], concurrency=8)
    assert [reply.text for reply in found] == ["pong"] * 8
    assert len(double.asked) == 16


@pytest.mark.parametrize("name", ["temperature", "seed"])
def test_a_model_that_takes_no_such_parameter_is_asked_without_it(name: str) -> None:
    """Models that reason refuse them; what was really sent is kept."""
    error = {"message": f"Unsupported value: '{name}' does not support 0 with this model.", "param": name}
    body = json.dumps({"error": error}).encode()
    with ModelDouble(lambda request, _times: Act(status=400, body=body) if name in request else Act()) as double:
        reply = answer(double, TARGET, case())
    assert [name in request for request in double.requests] == [True, False]
    assert reply.request == double.requests[1]


def test_a_parameter_that_is_refused_for_its_value_is_refused() -> None:
    """Nothing is left out of a request that is merely wrong."""
    error = {"message": "Invalid 'temperature': decimal above maximum value.", "param": "temperature"}
    with (
        ModelDouble(does(Act(status=400, body=json.dumps({"error": error}).encode()))) as double,
        pytest.raises(Refused),
    ):
        answer(double, TARGET, case())
    assert len(double.asked) == 1


def test_many_cases_share_one_client_and_its_connections() -> None:
    """Every case gets the answer to its own question, over connections that are kept."""
    double = ModelDouble(lambda request, _times: Act(text=request["messages"][0]["content"], latency=0.01))
    names = [f"case-{number}" for number in range(80)]
    with double:
        found = answers(double, TARGET, [case(name) for name in names], concurrency=8)
    assert [reply.text for reply in found] == names
    assert double.connections == double.most_at_once == 8


def test_chunked_replies_are_read_too() -> None:
    """A server may send its reply in pieces, without a length."""
    reply = json.dumps({"model": MODEL, "choices": [{"message": {"content": "yes"}}]}).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (reply[:30], reply[30:])) + b"0\r\n\r\n"
    with ModelDouble(does(Act(body=pieces, headers={"Transfer-Encoding": "chunked"}))) as double:
        assert answer(double, TARGET, case()).text == "yes"


TURNS = Case(
    "t",
    {"q": "hello"},
    {},
    messages=(
        Message("assistant", ""),
        Message("user", "and then?"),
        Message("assistant", " "),
        Message("user", "so?"),
    ),
)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_empty_turns_of_the_assistant_are_the_models(api: str) -> None:
    """Each answer goes into the next request; the last one counts, with what all of them used."""
    usage = {
        "chat": USAGE,
        "responses": {"input_tokens": 120, "output_tokens": 8, "input_tokens_details": {"cached_tokens": 100}},
        "messages": {"input_tokens": 20, "output_tokens": 8, "cache_read_input_tokens": 100},
    }[api]
    texts = iter(["first", "second", "third"])
    with ModelDouble(lambda _request, _times: Act(text=next(texts), usage=usage)) as double:
        reply = answer(double, ModelTarget("double", MODEL, Prompt("{{ q }}"), api=api), TURNS)  # type: ignore[arg-type]
    assert (reply.text, reply.attempts, reply.usage) == ("third", 3, Usage(MODEL, 360, 24, 300))
    turns = [[_words(turn["content"]) for turn in one.get("input") or one["messages"]] for one in double.requests]
    assert turns == [["hello"], ["hello", "first", "and then?"], ["hello", "first", "and then?", "second", "so?"]]
    assert reply.request == double.requests[-1]


def _words(content: object) -> str:
    return content if isinstance(content, str) else content[0]["text"]  # type: ignore[index,no-any-return]


def test_a_conversation_that_ends_with_the_models_turn_is_not_asked_on() -> None:
    """Its answer is the one that is scored."""
    last = Case("t", {"q": "hello"}, {}, messages=(Message("assistant", ""),))
    with ModelDouble(does(Act(text="hi"))) as double:
        assert answer(double, TARGET, last).text == "hi"
    assert len(double.asked) == 1


def test_a_conversation_that_breaks_off_has_cost_what_its_answers_cost() -> None:
    """The second turn is refused; the first one is on the bill."""
    with (
        ModelDouble(does(Act(text="first"), Act(status=400, body=b"too long"))) as double,
        pytest.raises(Refused, match="HTTP 400: too long") as caught,
    ):
        answer(double, TARGET, TURNS)
    assert caught.value.exchange.usage == Usage(MODEL, 120, 8, 100)
    assert caught.value.exchange.attempts == 2


def test_usage_of_a_conversation_is_unknown_where_one_answer_does_not_tell_it() -> None:
    """The sum of the others would be too little."""
    with ModelDouble(does(Act(text="first"), Act(text="second", usage=None), Act(text="third"))) as double:
        assert answer(double, TARGET, TURNS).usage is None


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ([0.25, "0.5", 1], Decimal("1.75")),
        ([0.25, None, 1], None),
        ([None, 0.5, 1], None),
        ([0.25, 0.5, None], None),
        ([None, None, None], None),
    ],
)
def test_an_endpoints_cost_of_a_conversation_is_that_of_all_its_turns(
    said: list[float | str | None], cost: Decimal | None
) -> None:
    """Unknown where one turn does not tell it: the sum of the others would be too little."""
    endpoint = JsonTarget("double", "bot", "/ask", {"talk": "{{ messages }}"}, "$.text", cost="$.cost")
    acts = [Act(body=json.dumps({"text": "well", "cost": one}).encode()) for one in said]
    turns = (Message("user", "hello"), *TURNS.messages)
    with ModelDouble(does(*acts)) as double:
        assert answer(double, endpoint, Case("t", {}, {}, messages=turns)).cost == cost
        assert len(double.asked) == len(said)


IMAGE = Image("scan.png", "image/png", b"\x89PNG" + b"x" * 100_000)


@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_images_go_out_whole_and_are_kept_by_name_and_hash(api: str) -> None:
    """They stand in the last user turn before the first answer, in every request of the conversation."""
    pictured = Case("t", {"q": "what is it?"}, {}, messages=TURNS.messages, images=(IMAGE,))
    with ModelDouble(does(Act(text="a scan"))) as double:
        reply = answer(
            double, ModelTarget("double", MODEL, Prompt("## system\nLook.\n\n## user\n{{ q }}"), api=api), pictured
        )  # type: ignore[arg-type]
    assert len(double.asked) == 3
    for sent in double.requests:
        with_image = [
            turn for turn in sent.get("input") or sent["messages"] if "iVBOR" not in turn and len(str(turn)) > 1000
        ]
        assert [(turn["role"], "what is it?" in str(turn)) for turn in with_image] == [("user", True)]
    kept = json.dumps(reply.request)
    assert "scan.png sha256 " in kept
    assert len(kept) < 2_000


def test_a_scripted_answer_needs_no_server() -> None:
    """It costs nothing; a case without one is not answered."""
    target = ScriptedTarget("script", {"a": "yes"})
    reply = answer(Named(), target, case("a"))
    assert (reply.text, reply.cost, reply.usage) == ("yes", 0, Usage("script", 0, 0))
    with pytest.raises(Unanswered, match="no answer is scripted for b"):
        answer(Named(), target, case("b"))


def test_a_judge_is_asked_turns_in_the_shape_of_a_schema() -> None:
    """Its own prompt is not sent."""
    judge = ModelTarget("double", MODEL, Prompt("not this"))
    turns = (Message("system", "Judge."), Message("user", "Is it {{ good }}?"))
    with ModelDouble(does(Act(text='{"grade": 1}'))) as double:
        reply = run(double, lambda client: client.ask(judge, turns, schema={"type": "object"}, seed=5))
    assert reply.text == '{"grade": 1}'
    (sent,) = double.requests
    assert sent["messages"] == [turn.as_dict() for turn in turns]
    assert (sent["seed"], sent["response_format"]["json_schema"]["schema"]) == (5, {"type": "object"})


def _vectors(request: dict[str, object]) -> Act:
    texts = request["input"]
    assert isinstance(texts, list)
    data = [{"index": place, "embedding": [len(text), 0.5]} for place, text in enumerate(texts)]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    body = {"object": "list", "model": request["model"], "data": data[::-1], "usage": usage}
    return Act(body=json.dumps(body).encode())


def test_texts_become_vectors_in_their_order() -> None:
    """Whatever order the reply is in; many texts are more than one call, whose usage is summed."""
    texts = ["x" * (1 + number % 7) for number in range(300)]
    with ModelDouble(lambda request, _times: _vectors(request)) as double:
        embedded = run(double, lambda client: client.embed("double", "e5", texts))
    assert [vector[0] for vector in embedded.vectors] == [len(text) for text in texts]
    assert embedded.usage == Usage("e5", 300, 0)
    assert [len(request["input"]) for request in double.requests] == [256, 44]
    assert double.asked[0].path == "/v1/embeddings"


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"index": 1, "embedding": [1.0]}],
        [{"embedding": []}],
        [{"embedding": ["1"]}],
        [{"embedding": [10**400]}],
        [{"embedding": [True]}],
        ["x"],
    ],
)
def test_vectors_that_are_none_are_no_answer(data: object) -> None:
    """Asked again, and then an error of the harness."""
    body = json.dumps({"model": "e5", "data": data}).encode()
    with ModelDouble(does(Act(body=body))) as double, pytest.raises(Unanswered, match="one vector for each text"):
        run(double, lambda client: client.embed("double", "e5", ["x"]), clock=Clock())
    assert len(double.asked) == ATTEMPTS


def test_one_connection_can_lead_elsewhere() -> None:
    """The other address gets its own key, and never the one of production."""
    with ModelDouble() as production, ModelDouble() as mine:
        connections = Named(Endpoint(production.url, KEY))
        elsewhere = Elsewhere(connections, "double", Endpoint(mine.url, "my-own-key-1"))

        async def ask() -> None:
            async with Client(elsewhere, concurrency=1) as client:
                await client.answer(TARGET, case(), seed=1)
                await client.embed("other", "e5", [])

        asyncio.run(ask())
    assert production.asked == []
    assert mine.asked[0].headers["authorization"] == "Bearer my-own-key-1"


def test_a_proxy_of_the_environment_is_used_and_netrc_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole address goes to the proxy; the key stays the connection's own."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine models.invalid login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with ModelDouble() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        assert answer(Endpoint("http://models.invalid/v1", KEY), TARGET, case()).text == "pong"
    assert proxy.asked[0].path == "http://models.invalid/v1/chat/completions"
    assert proxy.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_hosts_that_need_no_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment says, networks included."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    with ModelDouble() as double:
        assert answer(double, TARGET, case()).text == "pong"


def test_certificates_that_are_not_there_are_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request goes out unchecked."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(Refused, match="certificates"):
        answer(Endpoint("https://127.0.0.1:9/v1", KEY), TARGET, case())

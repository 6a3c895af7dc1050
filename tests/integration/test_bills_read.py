"""Bills of providers, read over HTTP from doubles on this machine that answer in the documented shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from afterpilot.domain.bills import USAGE, Bill, BillLine, BillReader, ProjectNames
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import ConfigurationError, SourceError
from afterpilot.domain.spend import BillAccount
from afterpilot.pull.bills import reader_of
from afterpilot.pull.bills.anthropic import AnthropicBill
from afterpilot.pull.bills.litellm import LiteLlmBill
from afterpilot.pull.bills.openai import OpenAiBill
from doubles.api import ApiDouble, Asked, Reply
from doubles.bills import Anthropic, LiteLlm, OpenAi, activity, charged, cost, messages, metrics, used

pytestmark = pytest.mark.integration

FIRST, END = date(2026, 11, 1), date(2026, 11, 6)
DAYS = [date(2026, 11, day) for day in range(1, 6)]
GPT = "gpt-4o-2024-08-06"


def read(
    answer: Any, kind: type[BillReader], *faults: Reply, paused: list[float] | None = None
) -> tuple[Bill, ApiDouble]:
    """What a reader of that kind makes of the answers."""
    pauses = [] if paused is None else paused
    with ApiDouble(answer) as api:
        api.faults.extend(faults)
        bill = kind(api.endpoint, pause=pauses.append).read(FIRST, END)  # type: ignore[call-arg] # each of them takes these
    return bill, api


def by_item(bill: Bill) -> dict[str, BillLine]:
    """The lines by their items."""
    return {line.item: line for line in bill.lines}


def test_openai_lines_have_project_model_and_exact_amounts() -> None:
    """The model stands before the comma of a line; a sum of floats is kept as it is told, digit by digit."""
    costs = {day: [] for day in DAYS} | {DAYS[0]: [cost(0.06, f"{GPT}, input"), cost(0.1 + 0.2, f"{GPT}, output")]}
    bill, _ = read(OpenAi(costs), OpenAiBill)
    found = by_item(bill)
    assert found[f"{GPT}, input"] == BillLine(DAYS[0], "proj_a", GPT, f"{GPT}, input", Decimal("0.06"), "USD")
    assert found[f"{GPT}, output"].amount == Decimal("0.30000000000000004")
    assert bill.days == set(DAYS)


def test_no_amount_goes_by_way_of_a_float() -> None:
    """More digits than a float holds are all there, and so is a cent of a large sum."""
    text = json.dumps(OpenAi({DAYS[0]: [cost("@", f"{GPT}, input")]})(asked("/v1/organization/costs")))
    raw = text.replace('"@"', "90071992547409.930000000000000001").encode()
    usage = {"object": "page", "data": [], "has_more": False, "next_page": None}
    bill, _ = read(lambda one: Reply(raw=raw) if one.path.endswith("costs") else usage, OpenAiBill)
    assert [line.amount for line in bill.lines] == [Decimal("90071992547409.930000000000000001")]


def asked(path: str) -> Asked:
    """A request of the whole span."""
    return Asked(path, {"start_time": "1793491200", "end_time": "1793923200"}, {})


def test_openai_is_asked_as_its_own_client_would() -> None:
    """Unix seconds, day buckets, both dimensions, the admin key as a bearer, and a cursor for each further page."""
    _, api = read(OpenAi({day: [] for day in DAYS}), OpenAiBill)
    costs = [one for one in api.asked if one.path == "/v1/organization/costs"]
    assert [one.query.get("page") for one in costs] == [None, "page_2", "page_4"]
    assert {one.headers["authorization"] for one in api.asked} == {f"Bearer {api.token}"}
    assert costs[0].query | {"page": ""} == {
        "start_time": "1793491200",
        "end_time": "1793923200",
        "bucket_width": "1d",
        "group_by[]": "line_item",
        "limit": "31",
        "page": "",
    }


def test_openai_projects_have_their_names() -> None:
    """Page after page by the last id, archived ones too; a project without a name has none. Asked once, however many stretches are read."""
    projects = {"proj_a": "Accounts payable", "proj_b": None, "proj_c": "Triage pilot"}
    with ApiDouble(OpenAi({day: [] for day in DAYS}, projects=projects)) as api:
        reader = OpenAiBill(api.endpoint, pause=lambda _: None)
        bills = [reader.read(first, END) for first in (FIRST, DAYS[3])]
    assert [bill.names for bill in bills] == 2 * [
        ProjectNames({"proj_a": "Accounts payable", "proj_c": "Triage pilot"})
    ]
    asked = [one.query for one in api.asked if one.path == "/v1/organization/projects"]
    assert asked == [
        {"limit": "100", "include_archived": "true"},
        {"limit": "100", "include_archived": "true", "after": "proj_b"},
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Reply({"error": {"message": "Missing scopes: api.management.read"}}, status=403), "(403: "),
        (Reply({"error": {"message": "not found"}}, status=404), "answered 404"),
        ({"object": "list", "data": [], "has_more": True}, "a page promises more, and does not say where it is"),
        (
            {"object": "list", "data": [{"id": "proj_a", "name": "x"}], "has_more": True, "last_id": "proj_a"},
            "a page promises more",
        ),
        ({"object": "list"}, "a page has no data"),
    ],
    ids=["no permission", "no such page", "no cursor", "the same again", "another shape"],
)
def test_openai_bills_stand_where_projects_have_no_names(answer: Any, why: str) -> None:
    """A key that may read costs and not list projects costs no bill: the reason is said, and never the key."""
    account = OpenAi({DAYS[0]: [cost(1, f"{GPT}, input")]})
    bill, api = read(lambda one: answer if one.path.endswith("/projects") else account(one), OpenAiBill)
    assert [line.amount for line in bill.lines] == [1]
    assert (dict(bill.names.of), why in bill.names.trouble, api.token in bill.names.trouble) == ({}, True, False)


def test_openai_usage_stands_beside_the_costs() -> None:
    """Tokens by project, model and batch; cached ones are part of the input."""
    usage = {DAYS[1]: [used(GPT, 1000, 500, cached=800), used(GPT, 10, 5, batch=True)]}
    bill, _ = read(OpenAi({day: [] for day in DAYS}, usage), OpenAiBill)
    plain, batch = bill.lines
    assert (plain.item, batch.item) == (USAGE, f"{USAGE}, batch")
    assert (plain.input_tokens, plain.cached_tokens, plain.output_tokens, plain.calls) == (1000, 800, 500, 5)
    assert plain.is_usage
    assert batch.tier == "batch"


@pytest.mark.parametrize(
    ("item", "model"),
    [
        ("gpt-4o-2024-08-06, input", "gpt-4o-2024-08-06"),
        ("ft:gpt-4o-mini:acme::x1, cached input", "ft:gpt-4o-mini:acme::x1"),
        ("web search tool calls | gpt-4o, search", "gpt-4o"),
        ("file search", ""),
        ("gpt-5", "gpt-5"),
    ],
)
def test_the_model_of_a_line_of_costs(item: str, model: str) -> None:
    """What stands before the comma, or the whole where the usage knows it; an item of no model has none."""
    bill, _ = read(OpenAi({DAYS[0]: [cost(1, item)]}, {DAYS[0]: [used("gpt-5", 1, 1)]}), OpenAiBill)
    assert next(line.model for line in bill.lines if line.item == item) == model


def test_an_address_that_ends_in_v1_is_not_doubled() -> None:
    """Connections of models end in /v1, and the same one may serve for the bill."""
    with ApiDouble(OpenAi({day: [] for day in DAYS})) as api:
        bill = OpenAiBill(Endpoint(f"{api.url}/v1", api.token)).read(FIRST, END)
    assert bill.days == set(DAYS)


def test_anthropic_amounts_are_cents() -> None:
    """A text of "123.45" is 1.2345 dollars; a fraction of a cent stays."""
    costs = {DAYS[0]: [charged("123.45", "Claude Opus Usage - Input Tokens", "claude-opus-5")]}
    bill, _ = read(Anthropic(costs), AnthropicBill)
    assert [(line.amount, line.currency, line.model) for line in bill.lines] == [
        (Decimal("1.2345"), "USD", "claude-opus-5")
    ]


def test_anthropic_is_asked_with_its_own_headers() -> None:
    """The key goes as x-api-key with a version, never as a bearer; times are RFC 3339 in UTC."""
    _, api = read(Anthropic({day: [] for day in DAYS}), AnthropicBill)
    assert "authorization" not in api.asked[0].headers
    assert api.asked[0].headers["x-api-key"] == api.token
    assert (api.asked[0].query["starting_at"], api.asked[0].query["ending_at"]) == (
        "2026-11-01T00:00:00Z",
        "2026-11-06T00:00:00Z",
    )


def test_anthropic_tokens_of_all_sorts_are_input() -> None:
    """Uncached, read from the cache and written to it do not overlap; a tier other than the standard one is named."""
    usage = {
        DAYS[0]: [
            messages("claude-opus-5", 10, 4, read=2, written=3),
            messages("claude-opus-5", 1, 1, service_tier="batch"),
        ]
    }
    bill, _ = read(Anthropic({DAYS[0]: []}, usage), AnthropicBill)
    plain, batch = bill.lines
    assert (plain.input_tokens, plain.cached_tokens, plain.output_tokens) == (15, 2, 4)
    assert batch.tier == "batch"


def test_the_default_workspace_has_a_name() -> None:
    """Its id is null in the report; a workflow must be able to name it."""
    costs = {
        DAYS[0]: [charged("100", "Claude Opus Usage", "claude-opus-5", None), charged("50", "Web Search", None, None)]
    }
    bill, _ = read(Anthropic(costs), AnthropicBill)
    assert {(line.project, line.model, line.item) for line in bill.lines} == {
        ("default", "claude-opus-5", "Claude Opus Usage"),
        ("default", "", "Web Search"),
    }


def test_litellm_is_read_by_model_and_team_over_pages_that_cut_through_a_day() -> None:
    """Two pages have parts of the same day: they are added up; a key of no team stands under none."""
    one = activity(
        DAYS[0], {"gpt-4o": {"finance": metrics(0.5, 100, 10, cached=40, calls=3), None: metrics(0.25, 10, 1)}}
    )
    rest = activity(DAYS[0], {"gpt-4o": {"finance": metrics(0.125, 50, 5)}})
    bill, api = read(LiteLlm([[one], [rest]]), LiteLlmBill)
    assert {(line.project, line.model): (line.amount, line.input_tokens, line.calls) for line in bill.lines} == {
        ("finance", "gpt-4o"): (Decimal("0.625"), 150, 4),
        ("", "gpt-4o"): (Decimal("0.25"), 10, 1),
    }
    assert bill.days == set(DAYS), "a day that the proxy does not tell of had no call"
    assert [one.query["end_date"] for one in api.asked] == ["2026-11-05"] * 2


def test_litellm_spend_that_no_key_or_model_is_told_of_is_not_lost() -> None:
    """What a day has beyond its models, and a model beyond its keys, are lines of their own."""
    day = activity(DAYS[0], {"gpt-4o": {"finance": metrics(0.5)}})
    day["breakdown"]["models"]["gpt-4o"]["metrics"]["spend"] = 0.75
    day["metrics"]["spend"] = 1.0
    bill, _ = read(LiteLlm([[day]]), LiteLlmBill)
    assert {(line.project, line.model): line.amount for line in bill.lines} == {
        ("finance", "gpt-4o"): Decimal("0.5"),
        ("", "gpt-4o"): Decimal("0.25"),
        ("", ""): Decimal("0.25"),
    }


def test_a_service_that_is_busy_or_broken_for_a_moment_is_asked_again() -> None:
    """A 429 with its time to wait, a 503, and a page that is cut off: the bill is read all the same, once."""
    paused: list[float] = []
    costs = {DAYS[0]: [cost(1, f"{GPT}, input")]}
    busy = Reply({}, status=429, headers={"Retry-After": "7"})
    bill, _ = read(OpenAi(costs), OpenAiBill, busy, Reply({}, status=503), Reply({"data": []}, cut=3), paused=paused)
    assert [line.amount for line in bill.lines] == [1]
    assert paused[0] == 7


def bucket(**keys: Any) -> dict[str, Any]:
    """A bucket of the first day, with other values for what is given."""
    return {"object": "bucket", "start_time": 1793491200, "end_time": 1793577600, "results": [], **keys}


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"data": None, "has_more": False}, "no data"),
        ([], "no JSON object"),
        ({"data": [bucket()], "has_more": True, "next_page": None}, "promises more"),
        ({"data": [bucket()], "has_more": True, "next_page": "page_1"}, "promises more|twice"),
        ({"data": [bucket(), bucket()], "has_more": False}, "twice"),
        ({"data": [bucket(end_time=1793494800)], "has_more": False}, "not one day"),
        ({"data": [bucket(start_time=1793494800, end_time=1793581200)], "has_more": False}, "not one day"),
        ({"data": [bucket(start_time=None)], "has_more": False}, "which day"),
        ({"data": [bucket(start_time=10**30)], "has_more": False}, "which day"),
        ({"data": [bucket(results=None)], "has_more": False}, "no results"),
        ({"data": [bucket(results=["x"])], "has_more": False}, "no JSON object"),
        ({"data": [bucket(results=[cost("a lot", "x, input")])], "has_more": False}, "no number"),
        ({"data": [bucket(results=[cost(True, "x, input")])], "has_more": False}, "no number"),
        ({"data": [bucket(results=[cost("NaN", "x, input")])], "has_more": False}, "no sum of money"),
        ({"data": [bucket(results=[cost("1e40", "x, input")])], "has_more": False}, "no sum of money"),
        ({"data": [bucket(results=[cost("1e-20000", "x, input")])], "has_more": False}, "no sum of money"),
    ],
    ids=str,
)
def test_a_broken_page_is_an_error_and_no_part_of_a_bill(page: Any, why: str) -> None:
    """What is not of the documented shape is never taken for less spend."""
    with pytest.raises(SourceError, match=why):
        read(lambda _: page, OpenAiBill)


def test_a_null_amount_is_not_known_rather_than_zero() -> None:
    """Also where another part of the same line has one."""
    costs = {DAYS[0]: [cost(None, f"{GPT}, input"), cost(2, f"{GPT}, input"), cost(3, f"{GPT}, output")]}
    bill, _ = read(OpenAi(costs), OpenAiBill)
    assert {line.item: (line.amount, line.is_usage) for line in bill.lines} == {
        f"{GPT}, input": (None, False),
        f"{GPT}, output": (3, False),
    }


@pytest.mark.parametrize(("told", "kept"), [("eur", "EUR"), (None, "XXX"), ("dollars", "XXX"), (7, "XXX")])
def test_a_currency_is_kept_as_told_or_as_none(told: Any, kept: str) -> None:
    """It is never taken for the one that is expected."""
    bill, _ = read(OpenAi({DAYS[0]: [cost(1, "x, input", currency=told)]}), OpenAiBill)
    assert [line.currency for line in bill.lines] == [kept]


def test_two_currencies_of_one_line_are_two_lines() -> None:
    """Nobody can add them."""
    bill, _ = read(OpenAi({DAYS[0]: [cost(1, "x, input"), cost(2, "x, input", currency="eur")]}), OpenAiBill)
    assert {(line.item, line.amount, line.currency) for line in bill.lines} == {
        ("x, input", Decimal(1), "USD"),
        ("x, input (EUR)", Decimal(2), "EUR"),
    }


def test_a_day_that_the_provider_does_not_answer_for_was_not_read() -> None:
    """It is not taken for a day that cost nothing."""
    costs: dict[date, list[dict[str, Any]]] = {day: [] for day in DAYS if day != DAYS[2]}
    bill, _ = read(OpenAi(costs), OpenAiBill)
    assert bill.days == {*DAYS} - {DAYS[2]}


def test_a_day_that_was_not_asked_for_is_left_alone() -> None:
    """Some services round the end up to the bucket that it falls into."""
    outside = bucket(start_time=1793923200, end_time=1794009600, results=[cost(9, "x, input")])
    bill, _ = read(lambda _: {"data": [bucket(), outside], "has_more": False}, OpenAiBill)
    assert bill == Bill((), frozenset({DAYS[0]}))


@pytest.mark.parametrize("kind", [OpenAiBill, AnthropicBill, LiteLlmBill])
def test_a_refusal_never_shows_the_key(kind: type[BillReader]) -> None:
    """Although the service repeats it in its answer."""
    with (
        ApiDouble(lambda one: Reply({"error": f"bad key {one.headers}"}, status=401)) as api,
        pytest.raises(SourceError, match="refuses the connection's token") as caught,
    ):
        kind(api.endpoint).read(FIRST, END)  # type: ignore[call-arg] # as above
    assert api.token not in str(caught.value)


def test_litellm_that_answers_with_another_page_is_an_error() -> None:
    """A proxy that does not page would be read over and over."""
    with pytest.raises(SourceError, match="page 1 where page 2"):
        read(lambda _: {"results": [activity(DAYS[0], {})], "metadata": {"page": 1, "has_more": True}}, LiteLlmBill)


@pytest.mark.parametrize(
    ("page", "total", "words"),
    [
        (lambda _: [activity(DAYS[0], {})], None, "page 2 repeats an earlier one"),
        (lambda _: [], None, "page 1 has no results, and promises more"),
        (lambda number: [activity(DAYS[number % 4], {})], 3, "page 3 of 3 promises another one"),
        (lambda number: [activity(DAYS[number % 2], {})], None, "page 3 repeats an earlier one"),
    ],
    ids=["the same again", "empty", "beyond the last", "round in a circle"],
)
def test_litellm_pages_that_lead_nowhere_end_at_once(
    page: Callable[[int], list[object]], total: int | None, words: str
) -> None:
    """A page that promises another one and brings nothing new is an error, after a few requests."""

    def serve(one: Asked) -> dict[str, object]:
        number = int(one.query["page"])
        return {"results": page(number), "metadata": {"page": number, "total_pages": total, "has_more": number < 50}}

    with pytest.raises(SourceError, match=words):
        read(serve, LiteLlmBill)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "litellm"])
def test_each_kind_of_account_has_its_reader(kind: Any) -> None:
    """By the connection that the account names; one that is not there is a matter of the installation."""

    class Places:
        def database_url(self, name: str) -> str:
            raise ConfigurationError(name)

        def endpoint(self, name: str) -> Endpoint:
            if name != "admin":
                raise ConfigurationError(name)
            return Endpoint("http://127.0.0.1:9", "k")

    made = reader_of(BillAccount("a", kind, "admin"), Places())
    assert type(made).__name__.lower() == f"{kind}bill"
    with pytest.raises(ConfigurationError):
        reader_of(BillAccount("a", kind, "elsewhere"), Places())

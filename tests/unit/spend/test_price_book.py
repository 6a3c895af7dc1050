"""The price that holds for a call: by day and hour, size, tier, region, provider and sorts of use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as Tokens
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.charging import charge
from afterpilot.domain.prices import PLAIN, CallDetails, Price, tier_of
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.spend.brackets import Span
from afterpilot.spend.prices import Prices

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
MILLION = 1_000_000
_TIERS = {
    "": {},
    "batch": {"processing": "batch", "service_tier": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
_LISTED = [(provider.id, model.id) for provider in get_snapshot().providers for model in provider.models]
_VARIED = [
    (provider.id, model.id)
    for provider in get_snapshot().providers
    for model in provider.models
    if model.price_variants or isinstance(model.prices, list)
]
_MODELS = st.one_of(st.sampled_from(_LISTED), st.sampled_from(_VARIED))
_COUNTS = st.one_of(st.integers(0, 2_000_000), st.sampled_from([128_000, 128_001, 200_000, 200_001, 272_001]))
_TIMES = st.integers(0, 800 * 24 * 60).map(lambda minutes: AT + timedelta(days=60) - timedelta(minutes=minutes))


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices()


@settings(deadline=None, max_examples=400)
@given(
    _MODELS,
    st.sampled_from(list(_TIERS)),
    _COUNTS.flatmap(lambda whole: st.tuples(st.just(whole), st.integers(0, whole))),
    _COUNTS,
    _TIMES,
)
def test_a_cost_is_what_the_public_list_itself_says(
    prices: Prices, who: tuple[str, str], tier: str, counted: tuple[int, int], output: int, at: datetime
) -> None:
    """Of all its models, on whatever day, by size and tier; looked up for many calls as for one. Else the reason is said."""
    (maker, model), (tokens, cached) = who, counted
    how = CallDetails(tier=tier, provider=maker)
    found = prices.price(Usage(model, tokens, output, cached, how), at)
    ready = prices.linear(model, at, given=tokens, how=how)
    assert at in Span(ready.since, ready.until)
    assert ready.least_input <= tokens <= (tokens if ready.most_input is None else ready.most_input)
    if found.cost is not None:
        assert ready.price == found.price
    else:
        assert found.unpriced_reason
        return
    provider, info = get_snapshot().find_provider_model(model, None, maker, None)
    theirs = info.calc_price(
        Tokens(input_tokens=tokens, cache_read_tokens=cached, output_tokens=output),
        provider,
        genai_request_timestamp=at,
        price_context=_TIERS[tier],
    )
    assert found.cost == theirs.total_price


def test_nearly_every_model_of_the_public_list_has_a_price(prices: Prices) -> None:
    """A plain call has none where a model is billed by sound, pages, letters, or tokens that calls do not tell apart."""
    unpriced = [
        (maker, model)
        for maker, model in _LISTED
        if prices.price(Usage(model, 1_000, 0, 0, CallDetails(provider=maker)), AT).cost is None
    ]
    assert len(_LISTED) == 2_330
    assert len(unpriced) < 300  # most of them free offers, of which the list has no price at all


def test_a_tier_has_its_own_price(prices: Prices) -> None:
    """One million tokens of which 400,000 are cached, and 100,000 of the answer."""
    costs = {
        tier: prices.price(Usage("o3", MILLION, 100_000, 400_000, CallDetails(tier=tier)), AT).cost
        for tier in ("", "Batch", "flex", "default")
    }
    assert costs == {"": Decimal("2.2"), "Batch": Decimal("1.2"), "flex": Decimal("1.1"), "default": Decimal("2.2")}


@pytest.mark.parametrize(
    ("model", "tier", "day"),
    [
        ("o3", "batch", date(2026, 10, 13)),
        ("claude-opus-4-6", "priority", date(2026, 11, 1)),
        ("o3", "scale", AT.date()),
    ],
)
def test_a_tier_without_a_price_is_never_the_standard_one(prices: Prices, model: str, tier: str, day: date) -> None:
    """Of another tier, or of a day before the list knew it, nobody can say."""
    at = datetime.combine(day, AT.timetz())
    found = prices.price(Usage(model, 1, 1, 0, CallDetails(tier=tier)), at)
    assert (found.cost, found.unpriced_reason) == (None, f"no price is known for {tier} calls of {model}")


@pytest.mark.parametrize(
    "said", ["@@@", "a b", "batch!", "1st", "プレミアム", "x" * 61, 5, True, ["flex"], "unreadable"]
)
def test_a_tier_that_is_no_word_is_never_the_standard_one(prices: Prices, said: object) -> None:
    """It may be any: such calls have no price, whether the word comes straight to the price list or is read before."""
    why = "no price is known for calls of gpt-5-mini that tell their service tier in no word"
    for tier in (tier_of(said), str(said)) if isinstance(said, str) else (tier_of(said),):
        found = prices.price(Usage("gpt-5-mini", 1, 1, 0, CallDetails(tier=tier)), AT)
        assert (found.cost, found.unpriced_reason) == (None, why)


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        (None, ""),
        ("", ""),
        (" \n", ""),
        ("Default", ""),
        (" auto ", ""),
        ("standard", ""),
        ("ON_DEMAND", ""),
        (" Flex\n", "flex"),
    ],
)
def test_nothing_and_a_few_words_are_the_standard_tier(said: object, tier: str) -> None:
    """However they are written; any other word is a tier of its own."""
    assert tier_of(said) == tier
    assert tier_of(tier_of(said)) == tier


def test_a_large_request_has_another_price(prices: Prices) -> None:
    """From 200,001 tokens on, all of them cost more; each size is a price of its own."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    small, large = (prices.linear("claude-opus-4-6", at, given=size) for size in (200_000, 200_001))
    assert (small.least_input, small.most_input, large.least_input, large.most_input) == (0, 200_000, 200_001, None)
    assert [charge(ready.price, Usage("", 200_001, 0)).cost for ready in (small, large)] == [
        Decimal("1.000005"),
        Decimal("2.00001"),
    ]
    assert (small.price.to_input_tokens, large.price.from_input_tokens) == (200_001, 200_001)
    assert small.price_id != large.price_id
    assert small.until == datetime(2026, 3, 13, tzinfo=UTC)


def test_a_price_by_the_hour_of_the_day_holds_for_its_hours(prices: Prices) -> None:
    """DeepSeek was cheaper by night: the price of each call is that of its minute, across midnight too."""
    used = Usage("deepseek-chat", MILLION, 0)
    night, day = (datetime(2025, 8, 1, *clock, tzinfo=UTC) for clock in ((0, 29), (0, 30)))
    ready = prices.linear("deepseek-chat", night)
    assert (ready.since, ready.until) == (datetime(2025, 7, 31, 16, 30, tzinfo=UTC), day)
    cheap, dear = (prices.price(used, at).cost for at in (night, day))
    assert cheap is not None
    assert dear is not None
    assert cheap < dear


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage("gpt-5-mini", 0, 0, 0, CallDetails((("web_searches", 3),))), "0.03"),
        (Usage("gpt-5-mini", 0, 0, 0, CallDetails((("storage_searches", 2),))), "0.005"),
        (Usage("claude-opus-4-6", MILLION, 0, 0, CallDetails((("cache_write_tokens", MILLION),))), "6.25"),
        (Usage("claude-opus-4-6", MILLION, 0, 0, CallDetails((("cache_write_1h_tokens", MILLION),))), "10"),
        (Usage("gpt-5-mini", MILLION, 0, 0, CallDetails((("input_image_tokens", MILLION),))), "0.25"),
        (Usage("sonar", MILLION, MILLION, 0, CallDetails(provider="perplexity")), "2.012"),
        (Usage("whisper-1", None, None, 0, CallDetails((("audio_seconds", 100),))), "0.01"),
        (Usage("gpt-5-mini", MILLION, 0, 0, CallDetails((("seconds", 7),))), "0.25"),
        (Usage("ft:gpt-4o-mini-2024-07-18:acme::Ab12", MILLION, MILLION), "1.5"),
    ],
    ids=[
        "web",
        "files",
        "cache",
        "cache of an hour",
        "images as input",
        "fee of a call",
        "sound",
        "time is no matter",
        "fine-tuned",
    ],
)
def test_each_sort_has_its_rate(prices: Prices, usage: Usage, cost: str) -> None:
    """Tools by the call, caches by their life, sound by the second."""
    assert prices.price(usage, AT).cost == Decimal(cost)


@pytest.mark.parametrize(
    ("usage", "reason"),
    [
        (
            Usage("gpt-5-mini", 9, 1, 0, CallDetails((("input_audio_tokens", 5),))),
            "no price is known for the input audio tokens of gpt-5-mini",
        ),
        (
            Usage("gpt-5-mini", 9, 1, 0, CallDetails((("code_executions", 1),))),
            "no price is known for the code executions of gpt-5-mini",
        ),
        (
            Usage("claude-opus-4-6", 9, 1, 5, CallDetails((("cache_write_tokens", 5),))),
            "the call to claude-opus-4-6 has more tokens of single sorts than in all: input and output must include them",
        ),
        (Usage("whisper-1", 0, 0), "the call to whisper-1 does not say how many seconds of sound it had"),
        (
            Usage("whisper-large-v3", 0, 0, 0, CallDetails((("audio_seconds", 4),), provider="groq")),
            "whisper-large-v3 is billed for at least 10 seconds of sound, which no price of a second can say",
        ),
        (
            Usage("sonar-deep-research", 9, 1, 0, CallDetails(provider="perplexity")),
            "no price is known for some of the tokens of sonar-deep-research",
        ),
        (
            Usage("Qwen/Qwen3-8B", 9, 1, 0, CallDetails(provider="hosted_vllm")),
            "no price is known for Qwen/Qwen3-8B from hosted_vllm",
        ),
    ],
)
def test_a_sort_that_was_used_is_never_free(prices: Prices, usage: Usage, reason: str) -> None:
    """Without a rate there is no cost; the price that the call has says why, and has an id."""
    found = prices.price(usage, AT)
    assert (found.cost, found.currency, found.unpriced_reason) == (None, "", reason)
    assert found.price is not None
    assert (found.price.reason, found.price.rates, found.price.currency) == (reason, (), "")


def test_who_runs_a_model_decides_its_price(prices: Prices) -> None:
    """OpenTelemetry's and LiteLLM's words are known; an OpenAI client may call anybody's model."""
    used = Usage("mistral.mistral-large-2402-v1:0", MILLION, 0)
    for name in ("aws.bedrock", "bedrock", "AWS"):
        found = prices.price(replace(used, details=CallDetails(provider=name)), AT)
        assert (found.cost, found.price and found.price.provider) == (Decimal(4), name)
    claude = Usage("claude-opus-4-6", MILLION, 0, 0, CallDetails(provider="openai"))
    assert prices.price(claude, AT).cost == 5


def test_a_region_matters_where_it_has_a_price(prices: Prices) -> None:
    """Mistral's European route; anywhere else the one price holds."""
    plain, europe, desert = (
        prices.price(Usage("mistral-large-latest", MILLION, MILLION, 0, CallDetails(region=region)), AT)
        for region in ("", "eu", "me-central-1")
    )
    assert plain.cost == desert.cost
    assert europe.price is not None
    assert europe.price.region == "eu"


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), max_size=20), st.integers(1, 10**15))
def test_sums_are_exact(calls: list[tuple[int, int]], rate: int) -> None:
    """To the last digit, whatever the counts and however fine the rates: the same as with fractions."""
    price = Decimal(rate).scaleb(-18)
    own = ModelPrice("m", (("input_tokens", price), ("cached_tokens", price), ("output_tokens", 3 * price)), "EUR", "")
    prices = Prices([own])
    costs = [prices.price(Usage("m", given_tokens, output), AT).cost for given_tokens, output in calls]
    expected = sum((Fraction(rate, 10**18) * (tokens + 3 * output) for tokens, output in calls), Fraction(0))
    assert sum((Fraction(cost) for cost in costs if cost is not None), Fraction(0)) == expected


def test_what_replaces_a_price(prices: Prices) -> None:
    """A price that the book still says stays; a corrected one is replaced, by each size that its calls may have."""
    found = prices.price(Usage("gpt-5-mini", 1, 1), AT).price
    assert found is not None
    older = replace(found, source="genai-prices 0.1.0", valid_from=date(2025, 1, 1))
    assert prices.replacements(older, AT) == [older]
    wrong = replace(found, rates=(*found.rates[:-1], (found.rates[-1][0], Decimal(1))))
    assert prices.replacements(wrong, AT) == [found]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    flat = Price("claude-opus-4-6", "genai-prices 0.1.0", "USD", (("input_tokens", Decimal(1)),))
    sizes = [price.from_input_tokens for price in prices.replacements(flat, at)]
    assert sizes == [0, 200_001]
    small = replace(flat, to_input_tokens=200_001)
    assert [price.from_input_tokens for price in prices.replacements(small, at)] == [0]


def test_a_reason_is_replaced_when_there_is_a_price() -> None:
    """A model that became known, a sort that got its rate; what calls themselves do not tell stays unknown."""
    before = Prices()
    sound = CallDetails((("input_audio_tokens", 1),))
    reasons = [
        before.price(used, AT).price
        for used in (
            Usage("house-1", 1, 1),
            Usage("gpt-5-mini", 1, 1, 0, sound),
            Usage("gpt-5-mini", None, 1),
            Usage("gpt-5-mini", 1, 1, 2),
            None,
        )
    ]
    plain = {"input_tokens": Decimal(1), "cached_tokens": Decimal(1), "output_tokens": Decimal(1)}
    own = [
        ModelPrice("house-1", tuple(plain.items()), "EUR", ""),
        ModelPrice("gpt-5-mini", (*plain.items(), ("input_audio_tokens", Decimal(2))), "EUR", ""),
    ]
    now = Prices(own)
    replaced = [now.replacements(price, AT) != [price] for price in reasons if price is not None]
    assert replaced == [True, True, False, False, False]
    assert all(before.replacements(price, AT) == [price] for price in reasons if price is not None)


def test_the_same_price_has_the_same_id_everywhere(prices: Prices) -> None:
    """However its amounts are written; another amount, day or tier has another one."""
    one = Price("m", "own price list", "EUR", (("input_tokens", Decimal("0.10")),))
    assert one.id == replace(one, rates=(("input_tokens", Decimal("0.1")),)).id
    others = [replace(one, currency="USD"), replace(one, tier="batch"), replace(one, to_input_tokens=5)]
    assert len({one.id, *(other.id for other in others)}) == 4
    assert all(0 <= price.id < 2**63 for price in (one, *others))
    found = prices.price(Usage("gpt-5-mini", 5, 5), AT).price
    assert found is not None
    assert found.id == prices.linear("gpt-5-mini", AT).price_id


@given(
    st.dictionaries(st.sampled_from(["cache_write_tokens", "web_searches"]), st.integers(1, 10**12)),
    st.decimals(Decimal("0.001"), Decimal(10**6), places=3),
    st.sampled_from(["", "flex"]),
)
def test_what_a_call_used_is_stored_and_read_back(counts: dict[str, int], seconds: Decimal, tier: str) -> None:
    """As JSON, to the millisecond; a plain call says nothing."""
    given_counts = tuple((sort, count) for sort, count in sorted(counts.items()))
    used = Usage("m", 1, None, 0, CallDetails((*given_counts, ("seconds", seconds)), tier))
    assert Usage.of(used.as_json()) == used
    assert "details" not in Usage("m", 1, 1).as_json()
    assert Usage.of({"model": "m", "input_tokens": 1, "output_tokens": 1}).details == PLAIN

"""What one call costs, and when nobody can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.domain.prices import NO_COUNT, CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.spend.prices import Prices

AT = datetime(2026, 11, 1, tzinfo=UTC)
OWN = ModelPrice.per_million("house-1", Decimal("0.046"), Decimal("0.123"), Decimal("0.005"), "EUR", "our own machine")
CONTRACT = ModelPrice.per_million("gpt-5-mini", Decimal(1), Decimal(1), Decimal(1), "USD", "contract")
COUNTS = st.integers(0, 10**9)


@pytest.fixture(scope="module")
def prices() -> Prices:
    return Prices([OWN])


def test_the_teams_own_price_is_exact(prices: Prices) -> None:
    """Cached tokens are part of the input and have their own rate; nothing is rounded."""
    found = prices.price(Usage("house-1", 1_000, 90, 400), AT)
    assert (found.cost, found.currency, found.price_version) == (Decimal("0.00004067"), "EUR", "own price list")


def test_the_teams_own_price_comes_before_any_public_one() -> None:
    """A contract holds for dated versions of the model too, which the provider names in its replies."""
    own = Prices([CONTRACT])
    for model in ("gpt-5-mini", "gpt-5-mini-2025-08-07", "gpt-5-mini-20250807", "gpt-5-mini@20250807"):
        assert own.price(Usage(model, 1_000_000, 1_000_000), AT).cost == 2, model
    assert own.price(Usage("gpt-5", 1_000_000, 1_000_000), AT).price_version.startswith("genai-prices ")


def test_a_fine_tuned_model_may_be_priced_with_all_its_likes() -> None:
    """By the name that it was made of, or by its own."""
    alike = ModelPrice.per_million("ft:gpt-4.1-mini", Decimal(2), Decimal(2), Decimal(2), "USD", "")
    one = ModelPrice.per_million("ft:gpt-4.1-mini-2025-04-14:acme::b2", Decimal(5), Decimal(5), Decimal(5), "USD", "")
    own = Prices([alike, one])
    costs = [
        own.price(Usage(f"ft:gpt-4.1-mini-2025-04-14:acme::{name}", 1_000_000, 0), AT).cost for name in ("a1", "b2")
    ]
    assert costs == [2, 5]


def test_a_dated_version_with_its_own_price_keeps_it() -> None:
    """The exact name wins over the one without its date."""
    dated = ModelPrice.per_million("gpt-5-mini-2025-08-07", Decimal(3), Decimal(3), Decimal(3), "USD", "")
    assert Prices([CONTRACT, dated]).price(Usage(dated.model, 1_000_000, 0), AT).cost == 3


def test_a_public_model_is_priced_in_dollars_with_the_lists_version(prices: Prices) -> None:
    """gpt-5-mini: 0.25 USD for a million input tokens, 2 USD for a million output tokens."""
    found = prices.price(Usage("gpt-5-mini", 1_000_000, 1_000_000), AT)
    assert (found.cost, found.currency) == (Decimal("2.25"), "USD")
    assert found.price_version.startswith("genai-prices ")
    assert found.unpriced_reason == ""


def test_a_cached_token_is_cheaper(prices: Prices) -> None:
    """The public list has a rate for it."""
    fresh = prices.price(Usage("gpt-5-mini", 1_000_000, 0), AT).cost
    cached = prices.price(Usage("gpt-5-mini", 1_000_000, 0, 1_000_000), AT).cost
    assert fresh is not None
    assert cached is not None
    assert 0 < cached < fresh


def test_a_price_is_that_of_its_day(prices: Prices) -> None:
    """o3 became cheaper on 10 June 2025: a call of before keeps the price of before."""
    used = Usage("o3", 1_000_000, 1_000_000)
    before, after = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    assert prices.price(used, before).cost == 50
    assert prices.price(used, after).cost == 10


@pytest.mark.parametrize(
    ("used", "reason"),
    [
        (None, "the call does not say which model answered"),
        (Usage("", 1, 1), "the call does not say which model answered"),
        (Usage("gpt-5-mini", None, 1), "the call to gpt-5-mini does not say how many tokens it used"),
        (Usage("gpt-5-mini", 1, None), "the call to gpt-5-mini does not say how many tokens it used"),
        (Usage("nobody-knows-1", 1, 1), "no price is known for nobody-knows-1"),
        (
            Usage("gpt-5-mini", 1, 1, 0, CallDetails((("web_searches", NO_COUNT),))),
            "the call to gpt-5-mini tells a count that is none: below 0, too large or no whole number",
        ),
        (
            Usage("gpt-5-mini", -1, 1),
            "the call to gpt-5-mini tells a count that is none: below 0, too large or no whole number",
        ),
        (
            Usage("house-1", 5, 1, 6),
            "the call to house-1 has more cached tokens than input tokens: the input must include them",
        ),
        (Usage("mistral-ocr-2512", 1, 1), "no price is known for some of the tokens of mistral-ocr-2512"),
        (Usage("gemini-embedding-001", 1, 1), "no price is known for the output tokens of gemini-embedding-001"),
    ],
)
def test_what_is_not_known_is_never_nothing(prices: Prices, used: Usage | None, reason: str) -> None:
    """No cost, no currency, and the reason; also where the public list would count what it has no rate for as free."""
    for _ in range(2):
        found = prices.price(used, AT)
        assert (found.cost, found.currency, found.unpriced_reason) == (None, "", reason)


def test_a_rate_that_is_not_needed_need_not_be_known(prices: Prices) -> None:
    """An embedding has no output tokens, and so its output rate does not matter."""
    assert prices.price(Usage("gemini-embedding-001", 1_000_000, 0), AT).cost == Decimal("0.15")


def test_the_name_of_a_model_cannot_fill_a_message(prices: Prices) -> None:
    """A server says what it likes."""
    assert len(prices.price(Usage("x" * 100_000, 1, 1), AT).unpriced_reason) < 200


@given(
    st.sampled_from(["house-1", "gpt-5-mini", "o3", "claude-sonnet-4-5", "gemini-2.5-pro"]),
    COUNTS.flatmap(lambda whole: st.tuples(st.just(whole), st.integers(0, whole))),
    COUNTS,
)
def test_a_cached_token_never_makes_a_call_dearer(
    prices: Prices, model: str, counted: tuple[int, int], output: int
) -> None:
    """Priced, at least 0, and at most what it would cost without the cache."""
    tokens, cached = counted
    cost = prices.price(Usage(model, tokens, output, cached), AT).cost
    whole = prices.price(Usage(model, tokens, output), AT).cost
    assert cost is not None
    assert whole is not None
    assert 0 <= cost <= whole


@given(
    st.sampled_from(["gpt-5-mini", "o3", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat"]),
    st.integers(0, 2_000_000).flatmap(lambda whole: st.tuples(st.just(whole), st.integers(0, whole))),
    st.integers(0, 2_000_000),
    st.integers(0, 700),
)
def test_a_price_is_what_the_public_list_itself_says(
    prices: Prices, model: str, counted: tuple[int, int], output: int, days: int
) -> None:
    """To the last digit, also where a price has tiers by size and on whatever day."""
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    at, (tokens, cached) = AT - timedelta(days=days), counted
    theirs = calc_price(
        Tokens(input_tokens=tokens, cache_read_tokens=cached, output_tokens=output), model, genai_request_timestamp=at
    )
    assert prices.price(Usage(model, tokens, output, cached), at).cost == theirs.total_price


@settings(deadline=None)  # the first call of a process loads the price list
@given(st.text(max_size=60), st.one_of(st.none(), COUNTS), st.one_of(st.none(), COUNTS), st.integers(0, 4000))
def test_any_call_has_either_a_cost_or_a_reason(
    prices: Prices, model: str, given_tokens: int | None, output: int | None, days: int
) -> None:
    """Never both, never neither."""
    found = prices.price(Usage(model, given_tokens, output), AT - timedelta(days=days))
    assert (found.cost is None) == bool(found.unpriced_reason)
    assert (found.cost is None) == (found.currency == "")

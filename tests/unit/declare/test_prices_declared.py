"""What a fleet's own prices say, in the domain's words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from afterpilot.declare import load
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.spend.prices import Prices

_TOKENS = "input_per_million: 2, output_per_million: 8, cached_per_million: 0.5"
_AT = datetime(2026, 7, 1, tzinfo=UTC)


def _prices(good: Path, *entries: str) -> tuple[ModelPrice, ...]:
    """The prices of the example fleet with these instead of its own."""
    path = good / "_fleet.yaml"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split("prices:\n")
    after = rest.split("\n", 1)[1]
    lines = "".join(f"  - {{{entry}, currency: EUR, note: a contract}}\n" for entry in entries)
    path.write_text(f"{before}prices:\n{lines}{after}", encoding="utf-8")
    declarations = load(good)
    assert declarations.problems == ()
    assert declarations.fleet is not None
    return declarations.fleet.prices


def test_all_that_a_price_may_say(good: Path) -> None:
    """Rates are for one unit, in the order of the sorts; days and tier are kept."""
    (price,) = _prices(
        good,
        f"model: m, from: 2026-01-01, until: 2027-01-01, tier: batch, {_TOKENS}, cache_write_per_million: 2.5, "
        "cache_write_1h_per_million: 4, input_audio_per_million: 32, cache_audio_read_per_million: 1, "
        "output_audio_per_million: 64, input_image_per_million: 5, output_image_per_million: 40, "
        "tools: {web_searches: 0.01, storage_searches: 0.0025, code_executions: 0.03}",
    )
    assert price == ModelPrice(
        "m",
        (
            ("input_tokens", Decimal("0.000002")),
            ("cached_tokens", Decimal("0.0000005")),
            ("output_tokens", Decimal("0.000008")),
            ("cache_write_tokens", Decimal("0.0000025")),
            ("cache_write_1h_tokens", Decimal("0.000004")),
            ("input_audio_tokens", Decimal("0.000032")),
            ("cache_audio_read_tokens", Decimal("0.000001")),
            ("input_image_tokens", Decimal("0.000005")),
            ("output_audio_tokens", Decimal("0.000064")),
            ("output_image_tokens", Decimal("0.00004")),
            ("web_searches", Decimal("0.01")),
            ("storage_searches", Decimal("0.0025")),
            ("code_executions", Decimal("0.03")),
        ),
        "EUR",
        "a contract",
        date(2026, 1, 1),
        date(2027, 1, 1),
        "batch",
    )


def test_a_machine_of_ones_own_costs_what_it_runs(good: Path) -> None:
    """1.80 EUR an hour are 0.0005 EUR a second, whatever the tokens; a call that says no seconds has no cost but a reason."""
    prices = Prices(_prices(good, "model: house-1, per_hour: 1.80"))
    timed = CallDetails((("seconds", 3),))
    for used in (Usage("house-1", 900, 80, 40, timed), Usage("house-1", None, None, 0, timed)):
        found = prices.price(used, _AT)
        assert (found.cost, found.currency) == (Decimal("0.0015"), "EUR")
    untimed = prices.price(Usage("house-1", 900, 80), _AT)
    assert (untimed.cost, untimed.unpriced_reason) == (
        None,
        "the call to house-1 does not say how many seconds it took",
    )


def test_a_fee_for_each_call_comes_on_top_of_the_tokens(good: Path) -> None:
    """A price by the call covers the tokens that it does not name, and no others."""
    prices = Prices(
        _prices(good, "model: flat, per_call: 0.02", "model: mixed, per_call: 0.02, output_per_million: 10")
    )
    assert prices.price(Usage("flat", 5_000, 700), _AT).cost == Decimal("0.02")
    assert prices.price(Usage("mixed", 5_000, 700, 100), _AT).cost == Decimal("0.027")


def test_prices_of_one_model_follow_each_other(good: Path) -> None:
    """A price ends where the next one begins; a tier has its own, and ``default`` means the standard one alone."""
    cheap = "input_per_million: 1, output_per_million: 1, cached_per_million: 1"
    prices = Prices(
        _prices(
            good,
            f"model: gpt-5-mini, tier: default, until: 2026-07-01, {_TOKENS}",
            f"model: gpt-5-mini, tier: default, from: 2026-07-01, {cheap}",
            f"model: gpt-5-mini, tier: batch, {cheap}",
        )
    )
    used = Usage("gpt-5-mini-2025-08-07", 1_000_000, 0)
    assert prices.price(used, datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)).cost == 2
    assert prices.price(used, _AT).cost == 1
    batch = Usage(used.model, 1_000_000, 0, 0, CallDetails(tier="batch"))
    assert prices.price(batch, datetime(2026, 1, 1, tzinfo=UTC)).cost == 1
    flex = Usage(used.model, 1_000_000, 0, 0, CallDetails(tier="flex"))
    assert prices.price(flex, datetime(2026, 11, 1, tzinfo=UTC)).price_version.startswith("genai-prices")


def test_the_documentation_has_prices_that_load(good: Path) -> None:
    """What is copied from docs/spend.md has no problem."""
    text = (Path(__file__).parents[3] / "docs" / "spend.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```") if part.startswith("yaml\nprices:"))
    path = good / "_fleet.yaml"
    before, rest = path.read_text(encoding="utf-8").split("prices:\n")
    after = rest.split("\n", 1)[1]
    path.write_text(f"{before}{block.removeprefix('yaml')}{after}", encoding="utf-8")
    declarations = load(good)
    assert declarations.problems == ()
    assert declarations.fleet is not None
    assert [price.model for price in declarations.fleet.prices] == ["gpt-5-mini", "gpt-5-mini", "house-1", "house-ocr"]

"""Public prices in US dollars, out of genai-prices, each as the linear price that holds for one model, time and way of calling.

genai-prices itself takes what it cannot tell for the usual case: a tier that it does not know costs the standard price there, and
a sort of token without a rate costs what plain tokens cost, or nothing. Here that is no price, and the reason is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from afterpilot.domain.charging import SHOWN
from afterpilot.domain.prices import SORTS, UNREADABLE, CallDetails, Price, tier_of
from afterpilot.spend.brackets import Span, midnight, span_of

if TYPE_CHECKING:
    from genai_prices.types import (
        ModelInfo,
        PriceVariant,
        Provider,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )
    from genai_prices.types import ModelPrice as ListPrice

    Constraint = StartDateConstraint | TimeOfDateConstraint | None

LIBRARY = f"genai-prices {metadata.version('genai-prices')}"
_MOST_FOUND = 10_000  # names that are kept in memory: a server may name its models as it likes
_FINE_TUNED = "ft:"  # before the name of the model that was fine-tuned, which OpenAI's own names do without
_HOUR = 3_600
_PLACES = Decimal(1).scaleb(-18)  # to which the price of an hour is that of a second
# Sort → what genai-prices calls its price, the first one that there is, and how many units that price is for.
_KEYS = {
    "input_tokens": (("input_mtok",), 1_000_000),
    "cached_tokens": (("cache_read_mtok", "input_mtok"), 1_000_000),
    "output_tokens": (("output_mtok",), 1_000_000),
    "cache_write_tokens": (("cache_write_5m_mtok", "cache_write_mtok"), 1_000_000),
    "cache_write_1h_tokens": (("cache_write_1h_mtok",), 1_000_000),
    "input_audio_tokens": (("input_audio_mtok",), 1_000_000),
    "cache_audio_read_tokens": (("cache_audio_read_mtok",), 1_000_000),
    "input_image_tokens": (("input_image_mtok",), 1_000_000),
    "output_audio_tokens": (("output_audio_mtok",), 1_000_000),
    "output_image_tokens": (("output_image_mtok",), 1_000_000),
    "web_searches": (("web_searches_kcount",), 1_000),
    "storage_searches": (("storage_searches_kcount",), 1_000),
    "code_executions": (("code_executions_kcount",), 1_000),
    "audio_seconds": (("input_audio_hours", "audio_hours"), _HOUR),
    "call": (("requests_kcount",), 1_000),
}
# Prices of parts that a call tells us nothing of beside the price of the whole that they belong to: where they differ, nobody
# can say what a call costs. Cached images are cheap input like other cached tokens.
_PARTS = {"input_video_mtok": "input_mtok", "output_video_mtok": "output_mtok"}
_HARMLESS = {key for keys, _ in _KEYS.values() for key in keys} | {"cache_image_read_mtok"}
_AT_LEAST_TEN_SECONDS = {("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")}
# What OpenTelemetry, LiteLLM and providers themselves call a provider, where genai-prices does not know the word.
_PROVIDERS = {
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_ai": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "fireworks_ai": "fireworks",
}


class _Listed(NamedTuple):
    provider: Provider
    model: ModelInfo


class ListedPrices:
    """Finds the public prices of models."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Listed | None] = {}

    def find(self, model: str, how: CallDetails, at: datetime) -> tuple[tuple[Price, ...], Span]:
        """The prices at that time by size of the request, or one with the reason why there is none; and for how long so."""
        listed = self._listed(model, how.provider)
        blank = Price(model, LIBRARY, tier=tier_of(how.tier), region=how.region, provider=how.provider)
        if listed is None:
            by = f" from {how.provider}" if how.provider else ""
            return (replace(blank, reason=f"no price is known for {model[:SHOWN]}{by}"),), Span()
        context = _context(listed, blank.tier, blank.region)
        constraints = list(_constraints(listed.model, context))
        days = span_of(_start_days(constraints), at)
        span = days & span_of(_times_of_day(constraints, at), at)
        if blank.tier and not _offers(listed.model, context, at):
            return (replace(blank, reason=_of_no_tier(blank.tier, model[:SHOWN])),), span
        first, last = (moment and moment.date() for moment in days)
        blank = replace(blank, valid_from=first, valid_to=last)
        sizes = _by_size(listed, listed.model.get_prices(at, context))
        return tuple(_price(blank, *size) for size in sizes), span

    def _listed(self, model: str, provider: str) -> _Listed | None:
        if (model, provider) not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[model, provider] = _look_up(model, provider)
        return self._found[model, provider]


def _of_no_tier(tier: str, model: str) -> str:
    if tier == UNREADABLE:
        return f"no price is known for calls of {model} that tell their service tier in no word"
    return f"no price is known for {tier} calls of {model}"


def _price(blank: Price, size: tuple[int, int | None], rates: Mapping[str, Decimal], reason: str) -> Price:
    least, end = size
    rates = {} if reason else rates
    currency = "" if reason else "USD"
    return replace(
        blank,
        currency=currency,
        rates=tuple(rates.items()),
        reason=reason,
        from_input_tokens=least,
        to_input_tokens=end,
    )


def _look_up(model: str, provider: str) -> _Listed | None:
    """The model of that provider, or of whom its name says. An OpenAI client calls models of others too, by their names."""
    from genai_prices.data_snapshot import get_snapshot

    name = provider.strip().lower() or ("openai" if model.startswith(_FINE_TUNED) else "")
    for who in (_PROVIDERS.get(name, name), "" if name == "openai" else None):
        if who is not None:
            try:
                return _Listed(*get_snapshot().find_provider_model(model, None, who or None, None))
            except LookupError:
                continue
    return None


def _start_days(constraints: Iterable[Constraint]) -> Iterator[datetime]:
    for one in constraints:
        if (day := getattr(one, "start_date", None)) is not None:
            yield midnight(day)


def _times_of_day(constraints: Iterable[Constraint], at: datetime) -> Iterator[datetime]:
    """When prices by the hour of the day begin and end, from the day before to the day after."""
    for one in constraints:
        for name in ("start_time", "end_time"):
            if (moment := getattr(one, name, None)) is not None:
                for days in (-1, 0, 1):
                    day = at.astimezone(UTC).date() + timedelta(days=days)
                    yield datetime.combine(day, moment, moment.tzinfo or UTC).astimezone(UTC)


def _constraints(model: ModelInfo, context: Mapping[str, str]) -> Iterator[Constraint]:
    """What the time has to fulfil for one or another of the prices of calls that were made so."""
    if isinstance(model.prices, list):
        yield from (one.constraint for one in model.prices)
    yield from (variant.constraint for variant in model.price_variants or () if _meant(variant, context))


def _meant(variant: PriceVariant, context: Mapping[str, str]) -> bool:
    return all(context.get(name) == value for name, value in variant.when.items())


def _context(listed: _Listed, tier: str, region: str) -> dict[str, str]:
    """How the call was made, in genai-prices' words; empty where the provider offers the model under another one's prices."""
    if not any(listed.model is one for one in listed.provider.models):
        return {}
    said = {
        "service_tier": tier,
        "processing": "batch" if tier == "batch" else "",
        "speed": "fast" if tier == "fast" else "",
        "route": f"{listed.provider.id}/{region.lower()}" if region else "",
    }
    return {name: value for name, value in said.items() if value}


def _offers(model: ModelInfo, context: Mapping[str, str], at: datetime) -> bool:
    """Whether there is a price for a tier, not that of the standard one alone."""
    tier = {name: value for name, value in context.items() if name != "route"}
    return any(
        _meant(variant, tier) and (variant.constraint is None or variant.constraint.active(at))
        for variant in model.price_variants or ()
    )


def _by_size(listed: _Listed, price: ListPrice) -> Iterator[tuple[tuple[int, int | None], dict[str, Decimal], str]]:
    """For each size, from and to before how many input tokens: the rates, and why they are no price, or empty."""
    values = {key: value for key, value in vars(price).items() if value is not None}
    tiers = (tier for value in values.values() for tier in getattr(value, "tiers", ()))
    starts = (0, *sorted({tier.start + 1 for tier in tiers}))
    for size in zip(starts, (*starts[1:], None), strict=True):
        at_size = {key: _rate(value, size[0]) for key, value in values.items()}
        yield size, _rates(at_size), _untellable(listed, at_size)


def _rate(value: Decimal | TieredPrices, given: int) -> Decimal:
    if isinstance(value, Decimal):
        return value
    reached = [tier.price for tier in value.tiers if given > tier.start]
    return reached[-1] if reached else value.base


def _rates(values: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Sort → what one costs. An hour that no second divides is rounded at the 18th place of the second."""
    rates: dict[str, Decimal] = {}
    for sort in SORTS:
        keys, units = _KEYS.get(sort, ((), 1))
        if (key := next((key for key in keys if key in values), "")) and values[key].is_finite():
            rate = values[key] / units
            rates[sort] = rate if units != _HOUR else rate.quantize(_PLACES)
    return rates


def _untellable(listed: _Listed, values: Mapping[str, Decimal]) -> str:
    """Why the rates are no price: the model is billed by what a call does not tell."""
    name = listed.model.id[:SHOWN]
    if (listed.provider.id, listed.model.id) in _AT_LEAST_TEN_SECONDS:
        return f"{name} is billed for at least 10 seconds of sound, which no price of a second can say"
    odd = [key for key in values if key not in _HARMLESS and values[key] != values.get(_PARTS.get(key, ""))]
    return f"no price is known for some of the tokens of {name}" if odd or not values else ""

"""The keys of `prices` in `_fleet.yaml`, the rules that tie them together, and the prices that they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from afterpilot.declare.eval_values import Day
from afterpilot.declare.keys import Keys
from afterpilot.declare.problems import Flaw, describe
from afterpilot.declare.rules import dig, items
from afterpilot.declare.values import NAME_CHARACTERS, Currency, Name, Price, Text, Wrong, text_of, typed
from afterpilot.domain.prices import OF_INPUT, OF_OUTPUT, SORTS, TOKENS, UNREADABLE, tier_of
from afterpilot.domain.workflow import ModelPrice

_PLAIN = ("input", "output", "cached")
_SORTS = {"input": "input_tokens", "output": "output_tokens", "cached": "cached_tokens"} | {
    sort.removesuffix("_tokens"): sort for sort in (*OF_INPUT, *OF_OUTPUT)
}
_UNLESS = "; needed unless `per_call` or `per_hour` is there, and then free"
_HOUR, _PLACES = 3_600, Decimal(1).scaleb(-18)
_EVER = ("0001-01-01", "9999-12-31")


def _tier(value: Any) -> str:  # noqa: ANN401 - YAML holds anything
    word = text_of(value, most=NAME_CHARACTERS)
    if tier_of(word) == UNREADABLE:
        raise Wrong(f"{describe(word)} is not a service tier", "a word such as batch, flex, priority or default")
    return word


Tier = Annotated[str, *typed(_tier, "service tier, such as `batch`")]


class ToolPrices(Keys):
    """What tools cost that a provider bills by the call."""

    web_searches: Price | None = Field(None, description="a search of the web")
    storage_searches: Price | None = Field(None, description="a search in stored files")
    code_executions: Price | None = Field(None, description="a run of code in a sandbox")


class PriceEntry(Keys):
    """A price that no public list knows."""

    model: Name = Field(description="the model's name as calls report it")
    first_day: Day | None = Field(None, alias="from", description="the first day (UTC) on which it holds")
    until: Day | None = Field(None, description="the first day (UTC) on which it holds no more")
    tier: Tier | None = Field(
        None, description="service tier that it holds for, such as `batch` or `default`; all unless said"
    )
    input_per_million: Price | None = Field(None, description=f"for a million input tokens{_UNLESS}")
    output_per_million: Price | None = Field(None, description=f"for a million output tokens{_UNLESS}")
    cached_per_million: Price | None = Field(None, description=f"for a million cached input tokens{_UNLESS}")
    cache_write_per_million: Price | None = Field(None, description="for a million input tokens written to a cache")
    cache_write_1h_per_million: Price | None = Field(None, description="the same for a cache that holds an hour")
    input_audio_per_million: Price | None = Field(None, description="for a million input tokens of sound")
    cache_audio_read_per_million: Price | None = Field(None, description="for a million cached input tokens of sound")
    output_audio_per_million: Price | None = Field(None, description="for a million output tokens of sound")
    input_image_per_million: Price | None = Field(
        None, description="for a million input tokens of images; what other input costs unless said"
    )
    output_image_per_million: Price | None = Field(None, description="for a million output tokens of images")
    per_call: Price | None = Field(None, description="for each call")
    per_hour: Price | None = Field(None, description="for an hour that calls take, by the `seconds` that they report")
    tools: ToolPrices | None = Field(None, description="for one use of each")
    currency: Currency = Field(description="of all its prices")
    note: Text = Field(description="what the price is based on")


def own_price_of(entry: PriceEntry) -> ModelPrice:
    """The price in the domain's words. An hour that no second divides is rounded at the 18th place of the second.

    A price by the call or by the hour covers the tokens that it does not name.
    """
    rates: dict[str, Decimal] = {}
    for word, sort in _SORTS.items():
        if (per_million := getattr(entry, f"{word}_per_million")) is not None:
            rates[sort] = per_million / 1_000_000
    if entry.per_call is not None or entry.per_hour is not None:
        covered = TOKENS if not rates else [_SORTS[word] for word in _PLAIN]
        rates = dict.fromkeys(covered, Decimal(0)) | rates
    if entry.per_call is not None:
        rates["call"] = entry.per_call
    if entry.per_hour is not None:
        rates["seconds"] = (entry.per_hour / _HOUR).quantize(_PLACES)
    rates |= entry.tools.model_dump(exclude_none=True) if entry.tools else {}
    ordered = tuple((sort, rates[sort]) for sort in SORTS if sort in rates)
    return ModelPrice(entry.model, ordered, entry.currency, entry.note, entry.first_day, entry.until, entry.tier or "")


def price_flaws(data: object) -> Iterator[Flaw]:
    """What of the prices of ``_fleet.yaml`` does not fit together."""
    seen: list[tuple[tuple[object, str], tuple[str, str]]] = []
    for index, price in items(dig(data, "prices")):
        if not isinstance(price, dict):
            continue
        yield from _rates(index, price)
        first, last = (str(price.get(key, other)) for key, other in zip(("from", "until"), _EVER, strict=True))
        if "from" in price and "until" in price and _is_day(first) and _is_day(last) and last <= first:
            yield Flaw(
                ("prices", index, "until"), "is not after `from`", "name the first day on which it holds no more"
            )
            continue
        which = (price.get("model"), (tier_of(price["tier"]) or "default") if "tier" in price else "")
        if any(which == other and first < end and begin < last for other, (begin, end) in seen):
            some = " for some of its days" if {"from", "until"} & price.keys() else ""
            yield Flaw(("prices", index, "model"), f"has a price{some} already, further up")
        seen.append((which, (first, last)))


def _rates(index: int, price: Mapping[str, Any]) -> Iterator[Flaw]:
    if "per_call" in price or "per_hour" in price:
        return
    for word in _PLAIN:
        if f"{word}_per_million" not in price:
            hint = "for a million tokens, unless there is a `per_call` or `per_hour`"
            yield Flaw(("prices", index, f"{word}_per_million"), "is missing", hint)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

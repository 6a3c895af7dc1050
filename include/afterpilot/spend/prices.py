"""Prices of calls: the team's own list first, then genai-prices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib import metadata
from typing import TYPE_CHECKING

from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import ModelPrice

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider
    from genai_prices.types import ModelPrice as ListPrice

_MILLION = 1_000_000
_OWN = "own price list"
_DATE = re.compile(r"[-@]([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})\Z")
_SHOWN = 100  # characters of a name that a server gave


@dataclass(frozen=True, slots=True)
class _Rates:
    """What one million tokens cost; None where they are not priced."""

    fresh: Decimal | None
    cached: Decimal | None
    output: Decimal | None

    def cost(self, fresh: int, cached: int, output: int) -> Decimal | None:
        """Of one call; None where it used tokens that are not priced."""
        total = Decimal(0)
        for tokens, rate in ((fresh, self.fresh), (cached, self.cached), (output, self.output)):
            if tokens:
                if rate is None:
                    return None
                total += tokens * rate
        return total / _MILLION


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model as genai-prices knows it."""

    name: str
    provider: Provider
    model: ModelInfo

    def cost(self, given: int, cached: int, output: int, at: datetime) -> Decimal | None:
        """What genai-prices itself says; None where it cannot say, or has no price for a sort of token that was used.

        (It takes a sort that it has no price for as free.)
        """
        from genai_prices import Usage as Tokens

        price = self.model.get_prices(at)
        if (given and _price_of(price, "input_mtok") is None) or (output and _price_of(price, "output_mtok") is None):
            return None
        tokens = Tokens(input_tokens=given, cache_read_tokens=cached, output_tokens=output)
        try:
            return self.model.calc_price(tokens, self.provider, genai_request_timestamp=at).total_price
        except (LookupError, ValueError):
            return None


class Prices:
    """Prices one call after the other, exactly: Decimal from the price list to the sum.

    A model that the team prices itself (a contract, a machine of its own) is never looked up elsewhere, and neither are its
    dated versions (``gpt-5-mini-2025-08-07``), by which providers sign their replies, unless the team prices those apart.
    genai-prices (US dollars) knows from which day on a price holds; its version is kept with each priced call. It takes names
    to the letter: a dated version that it does not have may cost something else than its undated name. Where several makers
    offer a model of one name, it takes the first that it knows: price such a model in the own list.
    """

    def __init__(self, own: Sequence[ModelPrice] = ()) -> None:
        self._own = {price.model: (_own_rates(price), price.currency) for price in own}
        self._models: dict[str, _Listed | None] = {}
        self._rates: dict[int, tuple[ListPrice, _Rates | None]] = {}  # by identity, so the price is held too
        self._library = f"genai-prices {metadata.version('genai-prices')}"

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:
        """What the call cost at that time; without model, tokens or price no cost, and the reason."""
        flaw = _flaw(usage)
        if usage is None or usage.input_tokens is None or usage.output_tokens is None or flaw:
            return self._unpriced(flaw)
        fresh = usage.input_tokens - usage.cached_tokens
        if (own := self._own.get(usage.model) or self._own.get(_DATE.sub("", usage.model))) is not None:
            return PricedUsage(own[0].cost(fresh, usage.cached_tokens, usage.output_tokens), own[1], _OWN)
        name = usage.model[:_SHOWN]
        listed = self._listed(usage.model)
        if listed is None:
            return self._unpriced(f"no price is known for {name}")
        rates = self._rates_of(listed, at)
        if rates is None:
            cost = listed.cost(usage.input_tokens, usage.cached_tokens, usage.output_tokens, at)
        else:
            cost = rates.cost(fresh, usage.cached_tokens, usage.output_tokens)
        if cost is None:
            return self._unpriced(f"no price is known for some of the tokens of {name}")
        return PricedUsage(cost, "USD", self._library)

    def _listed(self, name: str) -> _Listed | None:
        """The model in genai-prices, looked up once."""
        if name not in self._models:
            from genai_prices.data_snapshot import get_snapshot

            try:
                self._models[name] = _Listed(name, *get_snapshot().find_provider_model(name, None, None, None))
            except LookupError:
                self._models[name] = None
        return self._models[name]

    def _rates_of(self, listed: _Listed, at: datetime) -> _Rates | None:
        """The rates in force at a time: genai-prices is asked for a million tokens of each sort, once for each of its prices.

        Asking it for every call would cost a third of a millisecond each. None where a call's price is more than the sum of
        its tokens' (tiers by size, a fee for each request): then it has to be asked each time.
        """
        price = listed.model.get_prices(at)
        known = self._rates.get(id(price))
        if known is None:
            known = self._rates[id(price)] = (price, _read_rates(listed, price, at))
        return known[1]

    def _unpriced(self, reason: str) -> PricedUsage:
        return PricedUsage(None, "", self._library, reason)


def _own_rates(price: ModelPrice) -> _Rates:
    rates = dict(price.rates)
    names = ("input_tokens", "cached_tokens", "output_tokens")
    return _Rates(*(None if (rate := rates.get(name)) is None else rate * _MILLION for name in names))


def _flaw(usage: Usage | None) -> str:
    """Why a call cannot be priced whatever the list says, or empty."""
    if usage is None or not usage.model:
        return "the call does not say which model answered"
    if usage.input_tokens is None or usage.output_tokens is None:
        return f"the call to {usage.model[:_SHOWN]} does not say how many tokens it used"
    if min(usage.input_tokens, usage.output_tokens, usage.cached_tokens) < 0:
        return f"the call to {usage.model[:_SHOWN]} says that it used fewer than no tokens"
    if usage.cached_tokens > usage.input_tokens:
        return (
            f"the call to {usage.model[:_SHOWN]} has more cached tokens than input tokens: the input must include them"
        )
    return ""


def _read_rates(listed: _Listed, price: ListPrice, at: datetime) -> _Rates | None:
    priced = {name for name, value in vars(price).items() if value is not None}
    if not all(isinstance(getattr(price, name), Decimal) for name in priced) or "requests_kcount" in priced:
        return None
    return _Rates(
        listed.cost(_MILLION, 0, 0, at), listed.cost(_MILLION, _MILLION, 0, at), listed.cost(0, 0, _MILLION, at)
    )


def _price_of(price: ListPrice, name: str) -> object:
    return getattr(price, name, None)

"""Prices of calls: the team's own list first, then genai-prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from importlib import metadata

from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import ModelPrice

_MILLION = Decimal(1_000_000)
_OWN = "own price list"


class Prices:
    """Prices one call after the other, exactly: Decimal from the price list to the sum.

    A model that the team prices itself (a contract, a machine of its own) is never looked up elsewhere. genai-prices knows
    from which day on a price holds; its version is kept with each priced call.
    """

    def __init__(self, own: Sequence[ModelPrice] = ()) -> None:
        self._own = {price.model: price for price in own}
        self._unknown: set[str] = set()
        self._library = f"genai-prices {metadata.version('genai-prices')}"

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:
        """What the call cost at that time; without model, tokens or price no cost, and the reason."""
        if usage is None or not usage.model:
            return self._unpriced("the call does not say which model answered")
        if usage.input_tokens is None or usage.output_tokens is None:
            return self._unpriced(f"the call to {usage.model} does not say how many tokens it used")
        cached = min(usage.cached_tokens, usage.input_tokens)
        own = self._own.get(usage.model)
        if own is not None:
            cost = (
                (usage.input_tokens - cached) * own.input_per_million
                + cached * own.cached_per_million
                + usage.output_tokens * own.output_per_million
            ) / _MILLION
            return PricedUsage(cost, own.currency, _OWN)
        return self._from_library(usage.model, usage.input_tokens, cached, usage.output_tokens, at)

    def _from_library(self, model: str, given: int, cached: int, output: int, at: datetime) -> PricedUsage:
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price

        if model in self._unknown:
            return self._unpriced(f"no price is known for {model}")
        tokens = Tokens(input_tokens=given, cache_read_tokens=cached, output_tokens=output)
        try:
            price = calc_price(tokens, model, genai_request_timestamp=at)
        except LookupError:
            self._unknown.add(model)
            return self._unpriced(f"no price is known for {model}")
        return PricedUsage(price.total_price, "USD", self._library)

    def _unpriced(self, reason: str) -> PricedUsage:
        return PricedUsage(None, "", self._library, reason)

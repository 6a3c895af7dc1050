"""Prices calls as they are written: one by one exactly as the price list says, and plain ones with whole numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from afterpilot.domain.charging import Linear
from afterpilot.domain.ports import PriceBook
from afterpilot.domain.prices import CallDetails, Price
from afterpilot.domain.record import PricedUsage, Usage

AS_SAID = "as the endpoint said"


class Pricing:
    """A price list with the prices that were used of it, for one writer."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._used: dict[int, Price] = {}
        self._ids: dict[Price, int] = {}

    def of(self, usage: Usage | None, at: datetime) -> tuple[int, Decimal | None]:
        """The id of the price that a call has, and what it costs; None where the price says why nobody knows."""
        priced = self._prices.price(usage, at)
        return self.id_of(_price(priced, usage)), priced.cost

    def linear(self, model: str, at: datetime, given: int) -> Linear:
        """The price that a plain call with so many input tokens has, and how long it holds; noted as used."""
        found = self._prices.linear(model, at, given=given)
        self.id_of(found.price)
        return found

    def said(self, model: str, currency: str) -> int:
        """The id of the price of a call whose cost the endpoint itself has told."""
        return self.id_of(Price(model, AS_SAID, currency))

    def id_of(self, price: Price) -> int:
        """The id of a price, noted as used; hashed once."""
        found = self._ids.get(price)
        if found is None:
            found = self._ids[price] = price.id
        self._used[found] = price
        return found

    def taken(self) -> Sequence[Price]:
        """The prices that were used since this was asked last: what is to be kept with the calls."""
        used, self._used = self._used, {}
        return list(used.values())


def _price(priced: PricedUsage, usage: Usage | None) -> Price:
    return priced.price or Price(
        usage.model if usage else "", priced.price_version, priced.currency, reason=priced.unpriced_reason
    )


def usage_of(row: Any) -> Usage:  # noqa: ANN401 - a row with the columns of ``usage``
    """What a call on record used."""
    return Usage(row.model, row.input_tokens, row.output_tokens, row.cached_tokens, CallDetails.of(row.details))

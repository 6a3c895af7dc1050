"""The price book: the team's own list first, then genai-prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from afterpilot.domain.charging import Linear, charge, stays
from afterpilot.domain.prices import PLAIN, CallDetails, Price
from afterpilot.domain.record import PricedUsage, Usage
from afterpilot.domain.workflow import ModelPrice
from afterpilot.spend.brackets import Bracket
from afterpilot.spend.listed_prices import LIBRARY, ListedPrices
from afterpilot.spend.own_prices import OwnPrices

_MOST_KNOWN = 10_000  # ways of calling models that are kept in memory: a server may name its models as it likes
_MOST_BRACKETS = 100  # of one of them: prices by the hour of the day have some for each day
_LONGEST_MODEL = 200  # characters that a price keeps of a model's name
_NO_MODEL = Price("", LIBRARY, reason="the call does not say which model answered")


class Prices:
    """Prices one call after the other, exactly: Decimal from the price list to the sum.

    A model that the team prices itself (a contract, a machine of its own) is not looked up elsewhere while that price holds,
    and neither are its dated versions (``gpt-5-mini-2025-08-07``), by which providers sign their replies, unless the team prices
    those apart. genai-prices (US dollars) knows from which day on a price holds; its version is kept with each price. It takes
    names to the letter: a dated version that it does not have may cost something else than its undated name. Where several
    makers offer a model of one name and the call does not say which of them it was, it takes the first that it knows: price
    such a model in the own list.
    """

    def __init__(self, own: Sequence[ModelPrice] = ()) -> None:
        self._own = OwnPrices(own)
        self._listed = ListedPrices()
        self._known: dict[tuple[str, str, str, str], list[Bracket]] = {}

    def price(self, usage: Usage | None, at: datetime) -> PricedUsage:
        """What the call cost at that time, and the price; without model, tokens or price no cost, and the reason."""
        if usage is None or not usage.model:
            return PricedUsage(None, "", _NO_MODEL.source, _NO_MODEL.reason, _NO_MODEL)
        price = self.linear(usage.model, at, given=usage.input_tokens or 0, how=usage.details).price
        return charge(price, usage)

    def linear(self, model: str, at: datetime, *, given: int = 0, how: CallDetails = PLAIN) -> Linear:
        """The price that holds for calls of the model at that time with ``given`` input tokens, and how long it holds."""
        return self._bracket(model, at, how).of_size(given)

    def replacements(self, price: Price, at: datetime) -> Sequence[Price]:
        """What the book says now for calls that were priced by ``price`` at that time; see :class:`afterpilot.domain.ports.PriceBook`."""
        if not price.model:
            return [price]
        how = CallDetails((), price.tier, price.region, price.provider)
        now = [found.price for found in self._bracket(price.model, at, how).prices if _meet(price, found.price)]
        return [price] if all(stays(price, found) for found in now) else now

    def _bracket(self, model: str, at: datetime, how: CallDetails) -> Bracket:
        key = (model, how.tier, how.region, how.provider)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = []
        for bracket in known:
            if at in bracket.span:
                return bracket
        if len(known) >= _MOST_BRACKETS:
            known.clear()
        found = self._find(model, replace(how, counts=()), at)
        known.append(found)
        return found

    def _find(self, model: str, how: CallDetails, at: datetime) -> Bracket:
        own, span = self._own.find(model, how, at)
        if own is not None:
            return Bracket.of(span, [own])
        listed, span_listed = self._listed.find(model, how, at)
        return Bracket.of(span & span_listed, [replace(one, model=model[:_LONGEST_MODEL]) for one in listed])


def _meet(one: Price, other: Price) -> bool:
    """Whether there are sizes of a request for which both hold."""
    ends = [price.to_input_tokens for price in (one, other) if price.to_input_tokens is not None]
    return not ends or max(one.from_input_tokens, other.from_input_tokens) < min(ends)

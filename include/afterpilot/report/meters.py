"""What calls cost, by meter: input tokens, cached tokens, output tokens, the fee of the call.

A meter is one quantity at one rate, so that quantity times rate is the cost, to the last digit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal

from afterpilot.domain.prices import OF_INPUT, OF_OUTPUT, Price

EXACT = Context(prec=80)  # wide enough that nothing is ever rounded here
_MILLION = 6  # prices of tokens are published for 10**6 of them


@dataclass(frozen=True, slots=True)
class DayUse:
    """The calls of a workflow on one day of its calendar, of one kind, model and price. ``cost`` is None where nobody knows it."""

    workflow: str
    day: date
    kind: str
    model: str
    price_id: int
    price: Price | None
    calls: int
    input_tokens: Decimal
    output_tokens: Decimal
    cached_tokens: Decimal
    cost: Decimal | None
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """A part of what was used at a price: ``quantity`` in units of ``unit``, each at ``rate``; ``consumed`` in plain units."""

    name: str
    quantity: Decimal
    unit: str
    rate: Decimal
    consumed: Decimal
    consumed_unit: str

    @property
    def cost(self) -> Decimal:
        """Exact."""
        return EXACT.multiply(self.quantity, self.rate)


def meters(use: DayUse) -> tuple[Meter, ...]:
    """What was used at one price, by meter; their costs add up to the cost of the calls, to the last digit.

    The sums of tokens hold sorts that some prices have rates of their own for (cache writes, sound, images). Where the plain
    meters alone explain the cost they are all there is; else those stand apart that such sorts are no part of, and one more
    meter holds the rest.
    """
    cost = use.cost or Decimal(0)
    rates = dict(use.price.rates) if use.price is not None else {}
    plain = _plain(use, rates)
    if _sum(plain) == cost:
        return plain or (_rest(use, cost),)
    mixed = {"Input tokens"} if rates.keys() & {*OF_INPUT} else set()
    mixed |= {"Output tokens"} if rates.keys() & {*OF_OUTPUT} else set()
    sure = tuple(meter for meter in plain if meter.name not in mixed)
    rest = EXACT.subtract(cost, _sum(sure))
    return (*sure, _rest(use, rest)) if sure and rest > 0 else (_rest(use, cost),)


def _plain(use: DayUse, rates: Mapping[str, Decimal]) -> tuple[Meter, ...]:
    found = (
        ("Input tokens", "input_tokens", EXACT.subtract(use.input_tokens, use.cached_tokens)),
        ("Cached input tokens", "cached_tokens", use.cached_tokens),
        ("Output tokens", "output_tokens", use.output_tokens),
    )
    tokens = [
        Meter(
            name,
            count.scaleb(-_MILLION, EXACT),
            "1000000 Tokens",
            rates[sort].scaleb(_MILLION, EXACT),
            count,
            "Tokens",
        )
        for name, sort, count in found
        if sort in rates and count > 0
    ]
    fee = rates.get("call")
    calls = Decimal(use.calls)
    return (*tokens, *([Meter("Calls", calls, "Requests", fee, calls, "Requests")] if fee else []))


def _rest(use: DayUse, cost: Decimal) -> Meter:
    """What no single meter stands for: what it cost, once; what was consumed are the calls."""
    return Meter("All that was used", Decimal(1), "Units", cost, Decimal(use.calls), "Requests")


def _sum(some: Sequence[Meter]) -> Decimal:
    return functools.reduce(EXACT.add, (meter.cost for meter in some), Decimal(0))

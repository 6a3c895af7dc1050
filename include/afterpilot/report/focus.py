"""Metered calls as rows of the FinOps Open Cost and Usage Specification (FOCUS 1.2, https://focus.finops.org/focus-specification/v1-2/).

A row is what one meter of one price (input tokens, cached tokens, output tokens, the fee of the call) cost a workflow on one day:
so that quantity times unit price is the cost, to the last digit. Calls whose cost is not known make no row: the specification
lets no cost be empty, and 0 would be wrong. Each row says how many of them its workflow had on its day.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from afterpilot.domain.prices import OF_INPUT, OF_OUTPUT, Price

VERSION = "1.2"
Type = Literal["text", "decimal", "moment", "count"]
Value = str | Decimal | datetime | int | None
Row = Mapping[str, Value]

# In the order of the specification's column library; ours stand behind, with the prefix that it keeps for custom ones.
COLUMNS: Mapping[str, Type] = {
    "BilledCost": "decimal",
    "BillingAccountId": "text",
    "BillingAccountName": "text",
    "BillingCurrency": "text",
    "BillingPeriodEnd": "moment",
    "BillingPeriodStart": "moment",
    "ChargeCategory": "text",
    "ChargeClass": "text",
    "ChargeDescription": "text",
    "ChargeFrequency": "text",
    "ChargePeriodEnd": "moment",
    "ChargePeriodStart": "moment",
    "ConsumedQuantity": "decimal",
    "ConsumedUnit": "text",
    "ContractedCost": "decimal",
    "ContractedUnitPrice": "decimal",
    "EffectiveCost": "decimal",
    "InvoiceId": "text",
    "InvoiceIssuerName": "text",
    "ListCost": "decimal",
    "ListUnitPrice": "decimal",
    "PricingCategory": "text",
    "PricingQuantity": "decimal",
    "PricingUnit": "text",
    "ProviderName": "text",
    "PublisherName": "text",
    "RegionId": "text",
    "RegionName": "text",
    "ResourceId": "text",
    "ResourceName": "text",
    "ResourceType": "text",
    "ServiceCategory": "text",
    "ServiceName": "text",
    "ServiceSubcategory": "text",
    "SkuId": "text",
    "SkuMeter": "text",
    "SkuPriceDetails": "text",
    "SkuPriceId": "text",
    "SubAccountId": "text",
    "SubAccountName": "text",
    "Tags": "text",
    "x_Kind": "text",
    "x_Model": "text",
    "x_PriceSource": "text",
    "x_UnpricedCallsOfDay": "count",
    "x_Workflow": "text",
}
NOT_DECLARED = "not-declared"  # the billing account of a workflow that names none, or several
UNKNOWN_PROVIDER = "Unknown"  # who made the model: nobody said, and no price list knows

_MILLION = 6  # prices of tokens are published for 10**6 of them
EXACT = Context(prec=80)  # wide enough that nothing is ever rounded here
_MOST_TEXT = 256
_KINDS = {"production": "production", "eval": "evals", "judge": "judges"}


@dataclass(frozen=True, slots=True)
class Owned:
    """What is said of a workflow beside each of its costs. ``account`` is the one billing account that is its own, or empty."""

    zone: str = "UTC"
    team: str = ""
    owner: str = ""
    account: str = ""


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


def rows(days: Iterator[DayUse], owned: Mapping[str, Owned], *, month: date) -> Iterator[Row]:
    """The rows of a month, as they come: ``days`` by workflow and day. ``month`` is its first day."""
    group: list[DayUse] = []
    for one in days:
        if group and (group[0].workflow, group[0].day) != (one.workflow, one.day):
            yield from _of_day(group, owned, month)
            group = []
        group.append(one)
    if group:
        yield from _of_day(group, owned, month)


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


def _of_day(group: Sequence[DayUse], owned: Mapping[str, Owned], month: date) -> Iterator[Row]:
    unpriced = sum(use.calls for use in group if use.cost is None)
    for use in group:
        if use.cost is not None:
            own = owned.get(use.workflow, Owned())
            for meter in meters(use):
                yield _row(use, meter, own, month, unpriced)


def _row(use: DayUse, meter: Meter, own: Owned, month: date, unpriced: int) -> Row:
    price = use.price or Price(use.model, "")
    who = use.provider or UNKNOWN_PROVIDER
    cost = meter.cost
    sku = f"{who}/{use.model}/{meter.name}"
    return {
        "BilledCost": cost,
        "BillingAccountId": own.account or NOT_DECLARED,
        "BillingAccountName": own.account or "No billing account is declared",
        "BillingCurrency": price.currency,
        "BillingPeriodEnd": _midnight(_next_month(month), own.zone),
        "BillingPeriodStart": _midnight(month, own.zone),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": _cut(f"{meter.name} of {use.model}, {_KINDS.get(use.kind, use.kind)} of {use.workflow}"),
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _midnight(use.day + timedelta(days=1), own.zone),
        "ChargePeriodStart": _midnight(use.day, own.zone),
        "ConsumedQuantity": meter.consumed,
        "ConsumedUnit": meter.consumed_unit,
        "ContractedCost": cost,
        "ContractedUnitPrice": meter.rate,
        "EffectiveCost": cost,
        "InvoiceId": None,
        "InvoiceIssuerName": who,
        "ListCost": cost,
        "ListUnitPrice": meter.rate,
        "PricingCategory": "Standard",
        "PricingQuantity": meter.quantity,
        "PricingUnit": meter.unit,
        "ProviderName": who,
        "PublisherName": who,
        "RegionId": price.region or None,
        "RegionName": price.region or None,
        "ResourceId": None,
        "ResourceName": None,
        "ResourceType": None,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": _cut(f"{who} models"),
        "ServiceSubcategory": "Generative AI",
        "SkuId": _cut(sku),
        "SkuMeter": meter.name,
        "SkuPriceDetails": _details(price),
        "SkuPriceId": f"{use.price_id}/{meter.name}",
        "SubAccountId": use.workflow,
        "SubAccountName": use.workflow,
        "Tags": _tags(use, own),
        "x_Kind": use.kind,
        "x_Model": use.model,
        "x_PriceSource": price.source or None,
        "x_UnpricedCallsOfDay": unpriced,
        "x_Workflow": use.workflow,
    }


def _details(price: Price) -> str | None:
    """What the price depended on; ours alone, so each with the prefix."""
    said: dict[str, object] = {
        "x_Tier": price.tier,
        "x_ValidFrom": price.valid_from and price.valid_from.isoformat(),
        "x_ValidTo": price.valid_to and price.valid_to.isoformat(),
        "x_FromInputTokens": price.from_input_tokens,
        "x_ToInputTokens": price.to_input_tokens,
    }
    known = {name: value for name, value in said.items() if value}
    return json.dumps(known, ensure_ascii=False) if known else None


def _tags(use: DayUse, own: Owned) -> str:
    named = {"workflow": use.workflow, "team": own.team, "owner": own.owner, "kind": use.kind, "model": use.model}
    return json.dumps({name: value for name, value in named.items() if value}, ensure_ascii=False)


def _midnight(day: date, zone: str) -> datetime:
    """The first moment of a day of a calendar, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _cut(text: str) -> str:
    return text[:_MOST_TEXT]

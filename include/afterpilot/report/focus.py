"""Metered calls as rows of the FinOps Open Cost and Usage Specification (:mod:`afterpilot.report.focus_columns`).

A row is what one meter (:mod:`afterpilot.report.meters`) cost a workflow on one day. Calls whose cost is not known make no row:
the specification lets no cost be empty, and 0 would be wrong. Each row says how many of them its workflow had on its day.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from afterpilot.domain.prices import Price
from afterpilot.report.focus_columns import Row
from afterpilot.report.meters import DayUse, Meter, meters

NOT_DECLARED = "not-declared"  # the billing account of a workflow that names none, or several
UNKNOWN_PROVIDER = "Unknown"  # who made the model: nobody said, and no price list knows

_MOST_TEXT = 256
_KINDS = {"production": "production", "eval": "evals", "judge": "judges"}


@dataclass(frozen=True, slots=True)
class Owned:
    """What is said of a workflow beside each of its costs. ``account`` is the one billing account that is its own, or empty."""

    zone: str = "UTC"
    team: str = ""
    owner: str = ""
    account: str = ""


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

"""The team's own prices: contracts, and machines of its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from afterpilot.domain.prices import CallDetails, Price, tier_of
from afterpilot.domain.workflow import ModelPrice
from afterpilot.spend.brackets import Span, midnight, span_of

OWN = "own price list"
_DATE = re.compile(r"[-@]([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})\Z")


class OwnPrices:
    """Finds the price that holds: that of the exact name before that of the name without its date or what was fine-tuned, and of
    one name that of the call's tier before the one of all tiers.
    """

    def __init__(self, own: Sequence[ModelPrice]) -> None:
        self._own: dict[str, list[ModelPrice]] = defaultdict(list)
        for price in own:
            self._own[price.model].append(price)

    def find(self, model: str, how: CallDetails, at: datetime) -> tuple[Price | None, Span]:
        """The price at that time, None where there is none, and the stretch of time for which that is so."""
        given = list(self._entries(model))
        bounds = [midnight(day) for one in given for day in (one.valid_from, one.valid_to) if day is not None]
        span = span_of(bounds, at)
        day, tier = at.astimezone(UTC).date(), tier_of(how.tier)
        for entry in given:
            begun = entry.valid_from is None or entry.valid_from <= day
            if (
                begun
                and (entry.valid_to is None or day < entry.valid_to)
                and (not entry.tier or tier_of(entry.tier) == tier)
            ):
                return _price(model, how, entry), span
        return None, span

    def _entries(self, model: str) -> Iterator[ModelPrice]:
        for name in dict.fromkeys(_names(model)):
            yield from sorted(self._own.get(name, ()), key=lambda entry: entry.tier == "")


def _names(model: str) -> Iterator[str]:
    """By which a model may be priced: ``ft:gpt-4o-mini-2024-07-18:acme::x1`` as ``ft:gpt-4o-mini`` too."""
    base = ":".join(model.split(":", 2)[:2]) if model.startswith("ft:") else model
    for name in (model, base):
        yield name
        yield _DATE.sub("", name)


def _price(model: str, how: CallDetails, entry: ModelPrice) -> Price:
    return Price(
        model,
        OWN,
        entry.currency,
        entry.rates,
        tier=tier_of(how.tier),
        region=how.region,
        provider=how.provider,
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
        note=entry.note,
    )

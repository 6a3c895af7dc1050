"""The arithmetic of prices, in whole numbers from the rates to the last digit: what a call costs at a price.

Cost = the sum over all sorts of (how many were used) x (what one costs), plus the fee for the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from afterpilot.domain.prices import COUNTS, OF_INPUT, OF_OUTPUT, SECONDS, TOKENS, CallDetails, Price
from afterpilot.domain.record import PricedUsage, Usage

SHOWN = 100  # characters of a name that a server gave, in a reason


class Linear(NamedTuple):
    """A price with its id, and for which calls it holds: from ``since`` to before ``until`` (None: open), of ``least_input`` to
    ``most_input`` input tokens.
    """

    price: Price
    price_id: int
    since: datetime | None = None
    until: datetime | None = None
    least_input: int = 0
    most_input: int | None = None


@dataclass(frozen=True, slots=True)
class _Whole:
    """Rates as whole numbers of ``10 ** -digits``."""

    rates: Mapping[str, int]
    digits: int


@lru_cache(maxsize=1_000)
def _whole(rates: tuple[tuple[str, Decimal], ...]) -> _Whole:
    digits = max((_digits(rate) for _, rate in rates), default=0)
    return _Whole({sort: int(rate.scaleb(digits)) for sort, rate in rates}, digits)


def _digits(rate: Decimal) -> int:
    exponent = rate.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def charge(price: Price, usage: Usage) -> PricedUsage:
    """What the call costs at the price, or the reason why nobody can say; a sort that was used and has no rate is never free.

    Image tokens of the request without a rate of their own cost what other input costs. How long a call took matters to a
    price by the hour alone.
    """
    reason = price.reason or _flaw(price, usage)
    if not reason:
        used = _used(usage)
        rates = dict(price.rates)
        if "input_image_tokens" not in rates and (images := used.pop("input_image_tokens", 0)):
            used["input_tokens"] += images
        if "seconds" not in rates:
            used.pop("seconds", None)
        lacking = [sort for sort, count in used.items() if count and sort not in rates]
        if not lacking:
            whole = _whole(price.rates)
            total = sum(int(count * 1_000) * whole.rates[sort] for sort, count in used.items() if count)
            total += 1_000 * whole.rates.get("call", 0)  # in thousandths, as are seconds
            units, rest = divmod(total, 1_000)
            cost = Decimal(f"{total}E-{whole.digits + 3}" if rest else f"{units}E-{whole.digits}")
            return PricedUsage(cost, price.currency, price.source, "", price)
        reason = _lacks(lacking[0], price.model)
    return PricedUsage(None, "", price.source, reason, unpriced(price, reason))


def unpriced(price: Price, reason: str) -> Price:
    """The price of calls that have no cost at ``price``, for the reason; it keeps model, time, size and way of calling."""
    return price if price.reason == reason else replace(price, rates=(), currency="", note="", reason=reason)


def linear(price: Price, since: datetime | None = None, until: datetime | None = None) -> Linear:
    """The price, with where it holds."""
    most = None if price.to_input_tokens is None else price.to_input_tokens - 1
    return Linear(price, price.id, since, until, price.from_input_tokens, most)


def stays(price: Price, now: Price) -> bool:
    """Whether calls that were priced by one price cost the same by the other one, or have no cost for the same reason."""
    if not price.reason:
        return (price.currency, price.rates, now.reason) == (now.currency, now.rates, "")
    seconds = tuple((sort, 1) for sort in durations(dict(now.rates)))
    calls = (call for timed in {(), seconds} for call in _calls(price.model, timed))
    return any(charge(now, call).unpriced_reason == price.reason for call in calls)


def _calls(model: str, timed: tuple[tuple[str, int], ...]) -> Iterator[Usage]:
    """One call for each reason for which a call may have no cost; all of them say how many seconds they took, as ``timed``."""
    for given, answered, cached in ((None, None, 0), (-1, 0, 0), (0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 0, 2)):
        yield Usage(model, given, answered, cached, CallDetails(timed))
    for sort in COUNTS:
        details = CallDetails((*timed, (sort, 1)))
        yield Usage(model, int(sort in OF_INPUT), int(sort in OF_OUTPUT), 0, details)
        yield Usage(model, 0, 0, 0, details)


def _used(usage: Usage) -> dict[str, int | Decimal]:
    """How many of each sort; no token twice."""
    counts = dict(usage.details.counts)
    of_input = sum(counts.get(sort, 0) for sort in OF_INPUT)
    of_output = sum(counts.get(sort, 0) for sort in OF_OUTPUT)
    return {
        "input_tokens": (usage.input_tokens or 0) - usage.cached_tokens - of_input,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": (usage.output_tokens or 0) - of_output,
        **counts,
    }


def durations(rates: Mapping[str, Decimal]) -> tuple[str, ...]:
    """The sorts of which a call at these rates must say how many seconds there were."""
    needed = {"seconds": True, "audio_seconds": "input_tokens" not in rates}  # with both, sound and text are apart
    return tuple(sort for sort in SECONDS if rates.get(sort) and needed[sort])


def _flaw(price: Price, usage: Usage) -> str:
    """Why the call cannot be priced whatever it costs, or empty."""
    name = usage.model[:SHOWN]
    counts = dict(usage.details.counts)
    billed = any(rate for sort, rate in price.rates if sort in TOKENS) or not price.rates
    if billed and (usage.input_tokens is None or usage.output_tokens is None):
        return f"the call to {name} does not say how many tokens it used"
    if min(usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_tokens, *counts.values()) < 0:
        return f"the call to {name} tells a count that is none: below 0, too large or no whole number"
    for sort in durations(dict(price.rates)):
        if not counts.get(sort):
            return f"the call to {name} does not say how many seconds {'of sound it had' if 'audio' in sort else 'it took'}"
    used = _used(usage) if billed else {}
    if usage.cached_tokens > (usage.input_tokens or 0) and billed:
        return f"the call to {name} has more cached tokens than input tokens: the input must include them"
    if min(used.values(), default=0) < 0:
        return f"the call to {name} has more tokens of single sorts than in all: input and output must include them"
    return ""


def _lacks(sort: str, model: str) -> str:
    return f"no price is known for the {sort.replace('_', ' ')} of {model[:SHOWN]}"

"""Prices the calls of lines that are written many at once: in whole numbers, and with as few objects as can be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from afterpilot.domain.charging import Linear
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.record_lines import values_of
from afterpilot.record.pricing import Pricing
from afterpilot.record.quarters import quarter_of

_HOUR = timedelta(hours=1)
_NULL = b"\\N"
_UTC = (b"+00", b"+00:00")
_UNPRICED = b"\t%b\t%b\t%b\t%b\t%b\t\\N\t\\N"
_PRICED = b"\t%%b\t%%b\t%%b\t%%b\t\\N\t%d\t%%de-%d"  # id and digits of the price
_MOST = 1 << 63
_PLAIN = ("input_tokens", "cached_tokens", "output_tokens")


class _Rates(NamedTuple):
    """A price by which plain calls of ``least`` to ``most`` input tokens cost a sum of products; ``line`` takes the sum last."""

    line: bytes
    least: int
    most: int
    fresh: int
    cached: int
    output: int
    fee: int


class _Hour(NamedTuple):
    """An hour (UTC) of calls: the rates that hold all through it by model, and whether it is late; None: a part of it is."""

    rates: dict[bytes, _Rates]
    late: bool | None


class PricedLines:
    """The calls of one batch. ``late`` counts those before ``since``; without ``pricing`` none gets a price."""

    def __init__(self, pricing: Pricing | None, since: datetime | None) -> None:
        self._pricing = pricing
        self._since = since
        self._hours: dict[bytes, _Hour] = {}
        self._minutes: set[bytes] = set()
        self.late = 0

    @property
    def quarters(self) -> frozenset[datetime]:
        """The quarters of an hour in which the calls so far lie."""
        return frozenset(quarter_of(_moment(minute + b"+00")) for minute in self._minutes)

    def call(self, at: bytes, model: bytes, given: bytes, answered: bytes, cached: bytes, details: bytes) -> bytes:
        """The line of a call from its model on, a tab before it, with price and cost."""
        when = at if at.endswith(_UTC) else _moment(at).isoformat().encode()
        self._minutes.add(when[:16])
        hour = self._hours.get(when[:13]) or self._hour(when)
        if hour.late is not False:
            self.late += hour.late or (self._since is not None and _moment(at) < self._since)
        rates = hour.rates.get(model)
        if rates is not None and details == _NULL:
            try:
                line, least, most, fresh, read, output, fee = rates
                tokens, old, new = int(given), int(cached), int(answered)
            except ValueError:  # one of them is not known
                return self._looked_up(when, hour, model, given, answered, cached, details)
            if least <= tokens <= most and 0 <= old <= tokens and new >= 0:
                cost = (tokens - old) * fresh + old * read + new * output + fee
                return line % (model, given, answered, cached, cost)
        return self._looked_up(when, hour, model, given, answered, cached, details)

    def _looked_up(
        self, at: bytes, hour: _Hour, model: bytes, given: bytes, answered: bytes, cached: bytes, details: bytes
    ) -> bytes:
        """The same for a call that the rates at hand do not hold for."""
        line = _UNPRICED % (model, given, answered, cached, details)
        if self._pricing is None:
            return line
        name, *counts, more = values_of(b"\t".join((model, given, answered, cached, details)))
        tokens, new, old = (None if count is None else int(count) for count in counts)
        usage = Usage(name or "", tokens, new, old or 0, CallDetails.of(json.loads(more) if more else None))
        moment = _moment(at)
        price, cost = self._pricing.of(usage, moment)
        if usage.details.plain and cost is not None:
            self._remember(hour, model, usage, moment)
        return b"%b%d\t%b" % (line[:-5], price, _NULL if cost is None else format(cost, "f").encode())

    def _remember(self, hour: _Hour, model: bytes, usage: Usage, moment: datetime) -> None:
        """Keep the price for what is like this call, where it holds all through the hour."""
        found = self._pricing.linear(usage.model, moment, usage.input_tokens or 0) if self._pricing else None
        begins = moment.replace(minute=0, second=0, microsecond=0)
        if found and (not found.since or found.since <= begins) and (not found.until or begins + _HOUR <= found.until):
            rates = _rates(found)
            if rates is not None:
                hour.rates[model] = rates

    def _hour(self, at: bytes) -> _Hour:
        begins = _moment(at[:13] + b":00+00")
        late: bool | None = False
        if self._since is not None:
            late = True if begins + _HOUR <= self._since else None if begins < self._since else False
        hour = self._hours[at[:13]] = _Hour({}, late)
        return hour


def _moment(at: bytes) -> datetime:
    return datetime.fromisoformat(at.decode()).astimezone(UTC)


def _rates(found: Linear) -> _Rates | None:
    """The price in whole numbers; None where it has no rate for one of the plain sorts."""
    rates = dict(found.price.rates)
    if not all(sort in rates for sort in _PLAIN) or found.cost(1, 1, 1) is None:
        return None
    exponents = [rate.normalize().as_tuple().exponent for rate in rates.values()]
    digits = max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))
    fresh, cached, output, fee = (int(rates.get(sort, 0) * 10**digits) for sort in (*_PLAIN, "call"))
    most = _MOST if found.most_input is None else found.most_input
    return _Rates(_PRICED % (found.price_id, digits), found.least_input, most, fresh, cached, output, fee)

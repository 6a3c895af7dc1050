"""Prices the calls of lines that are written many at once: in whole numbers, and with as few objects as can be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from afterpilot.domain.charging import Linear, durations
from afterpilot.domain.prices import CallDetails
from afterpilot.domain.record import Usage
from afterpilot.domain.record_lines import values_of
from afterpilot.record.spend.pricing import Pricing

_HOUR = timedelta(hours=1)
_NULL = b"\\N"
_UTC = (b"+00", b"+00:00")
_UNPRICED = b"\t%b\t%b\t%b\t%b\t%b\t"  # price and cost follow
_NOBODY_LOOKED = b"\\N\t\\N"
_PRICED = b"\t%%b\t%%b\t%%b\t%%b\t\\N\t%d\t%%de-%d"  # id and digits of the price
_QUARTERS = {b"%02d" % minute: b"%02d+00" % (minute - minute % 15) for minute in range(60)}
_NO_COST = b"\t%%b\t%%b\t%%b\t%%b\t\\N\t%d\t\\N"
_MOST = 1 << 63
_PLAIN = ("input_tokens", "cached_tokens", "output_tokens")


class _Rates(NamedTuple):
    """A price by which plain calls of ``least`` to ``most`` input tokens cost a sum of products; ``line`` takes the sum last.
    ``most`` is below 0 where nobody knows the price: then ``line`` takes none.
    """

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
        self._rates: dict[int, _Rates] = {}
        self.late = 0

    @property
    def quarters(self) -> frozenset[datetime]:
        """The quarters of an hour in which the calls so far lie."""
        quarters = {minute[:14] + _QUARTERS[minute[14:]] for minute in self._minutes}
        return frozenset(map(_moment, quarters))

    def call(self, at: bytes, model: bytes, given: bytes, answered: bytes, cached: bytes, details: bytes) -> bytes:
        """The line of a call from its model on, a tab before it, with price and cost."""
        when = at if at.endswith(_UTC) else _moment(at).isoformat().encode()
        self._minutes.add(when[:16])
        hour = self._hours.get(when[:13]) or self._hour(when)
        if hour.late is not False:
            self.late += hour.late or (self._since is not None and _moment(at) < self._since)
        if details == _NULL and (rates := hour.rates.get(model) or self._learnt(hour, model, given, when)):
            line, least, most, fresh, read, output, fee = rates
            if most < 0:
                return line % (model, given, answered, cached)
            try:
                tokens, old, new = int(given), int(cached), int(answered)
            except ValueError:
                tokens = old = new = -1  # nobody knows one of them
            if least <= tokens <= most and 0 <= old <= tokens and new >= 0:
                cost = (tokens - old) * fresh + old * read + new * output + fee
                return line % (model, given, answered, cached, cost)
        return self._looked_up(when, model, given, answered, cached, details)

    def _looked_up(self, at: bytes, *call: bytes) -> bytes:
        """The same for a call that no rates at hand hold for."""
        line = _UNPRICED % call
        if self._pricing is None:
            return line + _NOBODY_LOOKED
        model, *counts, more = values_of(b"\t".join(call))
        given, answered, cached = (None if count is None else int(count) for count in counts)
        details = CallDetails.of(json.loads(more) if more else None)
        price, cost = self._pricing.of(Usage(model or "", given, answered, cached or 0, details), _moment(at))
        return line + b"%d\t%b" % (price, _NULL if cost is None else format(cost, "f").encode())

    def _learnt(self, hour: _Hour, model: bytes, given: bytes, at: bytes) -> _Rates | None:
        """The rates for what is like this call, kept for the hour; None where none hold all through it."""
        if self._pricing is None or not model:
            return None
        name, tokens = values_of(model + b"\t" + given)
        found = self._pricing.linear(name or "", _moment(at), int(tokens or 0))
        begins = _moment(at[:13] + b":00+00")
        if (found.since and begins < found.since) or (found.until and found.until < begins + _HOUR):
            return None
        rates = self._rates.get(found.price_id)
        if rates is None and (rates := _rates(found)) is not None:
            self._rates[found.price_id] = rates
        if rates is not None:
            hour.rates[model] = rates
        return rates

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
    """The price in whole numbers; None where it has no rate for one of the plain sorts, or asks how long a call took."""
    most = _MOST if found.most_input is None else found.most_input
    if found.price.reason:
        of_all = not found.least_input and found.most_input is None
        return _Rates(_NO_COST % found.price_id, 0, -1, 0, 0, 0, 0) if of_all else None
    rates = dict(found.price.rates)
    if not all(sort in rates for sort in _PLAIN) or durations(rates):
        return None
    exponents = [rate.normalize().as_tuple().exponent for rate in rates.values()]
    digits = max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))
    fresh, cached, output, fee = (int(rates.get(sort, Decimal(0)).scaleb(digits)) for sort in (*_PLAIN, "call"))
    return _Rates(_PRICED % (found.price_id, digits), found.least_input, most, fresh, cached, output, fee)

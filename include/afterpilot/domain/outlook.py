"""How spend goes on: the pace at which a cap is used up, and what is expected by the end of its period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from afterpilot.domain.money import Money


@dataclass(frozen=True, slots=True)
class Burn:
    """A cap that is used up faster than it lasts: over ``window`` and over its last part alike, at least ``factor`` times as fast.

    ``rate`` is what was spent in the window over what the cap allows for it. ``usual`` is what such a window costs at its dearest
    otherwise; None where too little is known of earlier days. ``fast`` is a runaway, else a leak.
    """

    window: timedelta
    factor: float
    rate: float
    spent: Money
    usual: Money | None
    fast: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will have been spent by the end of a cap's period (of a rolling one: in the stretch that ends a week from now), and the
    day on which the cap is reached.

    ``low`` to ``high`` is an 80 % interval, and ``earliest`` to ``latest`` that of the day: None where it lies behind the period.
    ``reason`` says why there is no forecast: then all the rest is None.
    """

    days: int  # of history that it rests on
    expected: Money | None = None
    low: Money | None = None
    high: Money | None = None
    crosses: date | None = None
    earliest: date | None = None
    latest: date | None = None
    reason: str = ""

"""What will have been spent by the end of a cap's period, and when the cap is reached, with 80 % intervals.

Each day's spend is its weekday's weight (:mod:`afterpilot.spend.seasons`) times a level that may rise or fall. Level and slope
come from a regression of the last eight weeks whose older days count less (discounted least squares: Brown, "Smoothing,
Forecasting and Prediction of Discrete Time Series", 1963; Harrison and West, "Bayesian Forecasting and Dynamic Models", 1997),
the slope drawn towards none as far as it may be chance. The interval holds the scatter of single days, what is not known of level
and slope, and that both may change: days that are dear together (correlated residuals) widen it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import NormalDist

from afterpilot.domain.money import Money
from afterpilot.domain.outlook import Forecast
from afterpilot.spend.seasons import LEAST_DAYS, MOST_WEEKS, season

_DAY = timedelta(days=1)
_KEPT = 0.5 ** (1 / 14)  # a day counts half as much as one of two weeks later
_Z = NormalDist().inv_cdf(0.9)
_MOST_CORRELATION = 0.9
_DAMPED = 0.98  # of a slope, from day to day: no growth goes on for ever
_WITHIN_A_DAY = "it counts whole days, and this cap is of one; see the burn rate"


@dataclass(frozen=True, slots=True)
class Model:
    """What past days say of coming ones. ``scatter`` is a single day's relative standard deviation, ``widening`` by how much the
    variance of a sum grows because days are not independent; the three variances are of level and slope, relative to the level.
    """

    weights: tuple[float, ...]
    level: float
    slope: float
    scatter: float
    widening: float
    level_variance: float
    slope_variance: float
    covariance: float
    last: date  # the day that ``level`` is of
    days: int

    def expected(self, day: date) -> float:
        """The spend of a day to come; never below 0."""
        return max(self.level + self.slope * self._reach(day), 0.0) * self.weights[day.weekday()]

    def spread(self, days: Sequence[date]) -> float:
        """The standard deviation of the sum of coming days."""
        own = sum((self.scatter * self.expected(day)) ** 2 for day in days) * self.widening
        weight = sum(self.weights[day.weekday()] for day in days)
        moved = sum(self.weights[day.weekday()] * self._reach(day) for day in days)
        fit = (
            weight**2 * self.level_variance + 2 * weight * moved * self.covariance + moved**2 * self.slope_variance
        ) * self.widening
        return math.sqrt(max(own + fit, 0.0))

    def _reach(self, day: date) -> float:
        """For how many days the slope goes on, damped."""
        ahead = (day - self.last).days
        return (1 - _DAMPED**ahead) / (1 - _DAMPED)


def fitted(days: Mapping[date, float], *, today: date) -> Model | str:
    """The model of the days before ``today``, or why there is none. A day that is missing between others cost nothing."""
    spent = [day for day, cost in days.items() if cost > 0 and day < today]
    if not spent:
        return "nothing was spent on a whole day yet"
    first = max(min(spent), today - timedelta(weeks=MOST_WEEKS))
    count = (today - first).days
    if count < LEAST_DAYS:
        return f"spend is known for {count} of the {LEAST_DAYS} days that a forecast needs"
    dates = [first + at * _DAY for at in range(count)]
    weights = season({day: days.get(day, 0.0) for day in dates}, until=today)
    return _regressed([(day, days.get(day, 0.0)) for day in dates], weights)


def _regressed(days: Sequence[tuple[date, float]], weights: tuple[float, ...]) -> Model:
    """Discounted weighted least squares of spend / weight on time; time is 0 on the last day."""
    last = days[-1][0]
    points = [
        (float((day - last).days), cost / weights[day.weekday()], weights[day.weekday()] ** 2)
        for day, cost in days
        if weights[day.weekday()] > 0
    ]
    masses = [_KEPT**-time * weight for time, _, weight in points]
    total = sum(masses)
    mean_time = sum(mass * time for mass, (time, _, _) in zip(masses, points, strict=True)) / total
    mean = sum(mass * value for mass, (_, value, _) in zip(masses, points, strict=True)) / total
    spread = sum(mass * (time - mean_time) ** 2 for mass, (time, _, _) in zip(masses, points, strict=True))
    slope = (
        sum(mass * (time - mean_time) * (value - mean) for mass, (time, value, _) in zip(masses, points, strict=True))
        / spread
    )
    residuals = [value - mean - slope * (time - mean_time) for time, value, _ in points]
    effective = total**2 / sum(mass**2 for mass in masses)
    variance = sum(mass * rest**2 for mass, rest in zip(masses, residuals, strict=True)) / total
    variance *= effective / max(effective - 2, 1.0)
    slope_variance = (
        variance
        * sum(mass**2 * (time - mean_time) ** 2 for mass, (time, _, _) in zip(masses, points, strict=True))
        / spread**2
    )
    # As James and Stein draw an estimate in: by the share of it that chance alone would give.
    kept = max(1 - slope_variance / slope**2, 0.0) if slope else 0.0
    slope *= kept
    level = max(mean - slope * mean_time, 0.0)
    mean_variance = variance / effective
    return Model(
        weights=weights,
        level=level,
        slope=slope,
        scatter=math.sqrt(variance) / level if level else 0.0,
        widening=_widening([rest * math.sqrt(weight) for rest, (_, _, weight) in zip(residuals, points, strict=True)]),
        level_variance=mean_variance + mean_time**2 * slope_variance,
        slope_variance=slope_variance,
        covariance=-mean_time * slope_variance,
        last=last,
        days=len(days),
    )


def _widening(residuals: Sequence[float]) -> float:
    """(1 + r) / (1 - r) of the correlation r from one day to the next: by how much it raises the variance of long sums."""
    square = sum(rest**2 for rest in residuals)
    if not square:
        return 1.0
    r = sum(a * b for a, b in pairwise(residuals)) / square + 1 / len(residuals)
    r = min(max(r, 0.0), _MOST_CORRELATION)
    return (1 + r) / (1 - r)


def forecast(
    days: Mapping[date, float], *, limit: Money, spent: Money, first: date, until: date, today: date
) -> Forecast:
    """The forecast of a period from ``first`` to before ``until`` with ``spent`` so far. ``days`` holds earlier days' spend, in
    the cap's currency, and today's so far.

    A period of a day has none: days are all that it knows.
    """
    if (until - first).days < 2:  # noqa: PLR2004 - a day alone
        return Forecast(0, reason=_WITHIN_A_DAY)
    model = fitted(days, today=today)
    if isinstance(model, str):
        return Forecast(sum(1 for day in days if day < today), reason=model)
    ahead = [today + at * _DAY for at in range((until - today).days)]
    return _crossed(model, ahead, limit, [float(spent.amount)] * len(ahead), days.get(today, 0.0))


def rolling_forecast(
    days: Mapping[date, float], *, limit: Money, spent: Money, length: int, today: date, horizon: int = 7
) -> Forecast:
    """The same for a rolling cap over so many days: what leaves the stretch is taken off, day by day."""
    if length < 2:  # noqa: PLR2004 - as above
        return Forecast(0, reason=_WITHIN_A_DAY)
    model = fitted(days, today=today)
    if isinstance(model, str):
        return Forecast(sum(1 for day in days if day < today), reason=model)
    ahead = [today + at * _DAY for at in range(min(horizon, length))]
    left, base = float(spent.amount), []
    for day in ahead:
        left -= days.get(day - length * _DAY, 0.0)
        base.append(max(left, 0.0))
    return _crossed(model, ahead, limit, base, days.get(today, 0.0))


def _crossed(model: Model, ahead: Sequence[date], limit: Money, base: Sequence[float], today_so_far: float) -> Forecast:
    """Sum the days ahead on top of what stands on each, and find where the cap lies in between."""
    most = float(limit.amount)
    reached: dict[str, date] = {}
    added, middle, low, high = 0.0, base[0], base[0], base[0]
    for at, day in enumerate(ahead):
        # What today will still cost: what such a day costs, less what it has cost.
        added += max(model.expected(day) - today_so_far, 0.0) if at == 0 else model.expected(day)
        spread = _Z * model.spread(ahead[: at + 1])
        middle = base[at] + added
        low, high = max(middle - spread, base[at]), middle + spread
        for name, value in (("earliest", high), ("crosses", middle), ("latest", low)):
            if value >= most:
                reached.setdefault(name, day)
    return Forecast(
        model.days,
        expected=Money.estimated(middle, limit.currency),
        low=Money.estimated(low, limit.currency),
        high=Money.estimated(high, limit.currency),
        crosses=reached.get("crosses"),
        earliest=reached.get("earliest"),
        latest=reached.get("latest"),
    )

"""How sure a counted share is."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054  # of 95 %, two-sided
# Quantiles 0.975 of Student's t by degrees of freedom, 1 to 30; beyond it the normal one is near enough.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its 95 % interval, all from 0 to 1."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{percent(self.value)} ({self.span})"

    @property
    def span(self) -> str:
        """``95 % interval 77 % to 93 %``."""
        return f"95 % interval {percent(self.low)} to {percent(self.high)}"


def wilson(hits: int, trials: int) -> Interval:
    """Wilson's score interval for a share (E. B. Wilson, 1927, JASA 22, formula without continuity correction).

    Raises:
        ValueError: there were no trials, or not 0 ≤ hits ≤ trials.
    """
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"{hits} of {trials} is not a share")
    return wilson_of(hits / trials, trials)


def wilson_of(share: float, trials: float) -> Interval:
    """Wilson's interval for a share that is as sure as one of so many trials: they need not be a whole number."""
    square = Z95**2 / trials
    centre = (share + square / 2) / (1 + square)
    half = Z95 * math.sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    # At the ends the interval touches the share itself, which rounding must not hide.
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return Interval(share, low, high)


def student(free: int) -> float:
    """How many standard errors a 95 % interval reaches to each side, by so many degrees of freedom (at least 1)."""
    return _T[free - 1] if free <= len(_T) else Z95


def percent(share: float) -> str:
    """A share of 0 to 1 in whole per cent; what is not all is never shown as 100, what is something never as 0."""
    if 0 < share < 0.01:  # noqa: PLR2004 - one per cent
        return "under 1 %"
    if 0.99 < share < 1:  # noqa: PLR2004 - as above
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")

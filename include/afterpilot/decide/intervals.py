"""Small exact statistics: how sure a share is, and whether two runs over the same cases differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its 95 % interval, all from 0 to 1."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.0%} (95 % interval {self.low:.0%} to {self.high:.0%})"


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval for a share (E. B. Wilson, 1927, JASA 22, formula without continuity correction).

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is no share")
    share, square = successes / trials, _Z95**2
    centre = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z95 / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value of McNemar's test: the binomial tail of the changed cases at one half (Q. McNemar, 1947,
    Psychometrika 12). 1 where nothing changed.
    """
    changed = fixed + broken
    tail = sum(math.comb(changed, k) for k in range(min(fixed, broken) + 1)) / 2**changed
    return float(min(1.0, 2 * tail))

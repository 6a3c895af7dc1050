"""Spot checks of what was released alone: what a sample holds, and what it says of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from afterpilot.domain.intervals import Interval


@dataclass(frozen=True, slots=True)
class Stratum:
    """The released outputs of one slice in one period.

    Of ``population`` outputs ``picked`` went to people as spot checks; ``checked`` of those were decided on, ``errors`` of them
    corrected or rejected.
    """

    name: str
    population: int
    picked: int
    checked: int
    errors: int


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The share of automatic decisions that were wrong (0 to 1), of all and by slice, each with its 95 % interval.

    ``covered`` is the share of the population whose slices were looked at: the rate speaks for those alone.
    """

    whole: Interval
    slices: dict[str, Interval]
    population: int
    checked: int
    errors: int
    covered: float

    @property
    def half_width(self) -> float:
        """Of the interval: what the owner's precision asks for."""
        return (self.whole.high - self.whole.low) / 2


@dataclass(frozen=True, slots=True)
class Reviewing:
    """What one person decided since ``since``: how many, accepted how many, and how many faster than they can be read.

    ``timed`` are those of which both the time on the screen and the length of the text are known.
    """

    reviewer: str
    since: datetime
    decided: int
    accepted: int
    timed: int
    too_fast: int


@dataclass(frozen=True, slots=True)
class Overrides:
    """Of released outputs that people looked at, how many they changed: in the latest days, and before them."""

    judged: int
    overridden: int
    judged_before: int
    overridden_before: int

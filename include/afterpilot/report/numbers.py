"""Intervals, and numbers as people read them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from afterpilot.domain import intervals
from afterpilot.domain.money import Money

_TINY = Decimal("0.001")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval."""

    low: Decimal
    high: Decimal


def wilson(hits: int, trials: int) -> Interval:
    """The Wilson score interval of a share, 0 to 1, to six digits.

    Raises:
        ValueError: there were no trials, or not 0 ≤ hits ≤ trials.
    """
    found = intervals.wilson(hits, trials)
    return Interval(Decimal(repr(round(found.low, 6))), Decimal(repr(round(found.high, 6))))


def mean_interval(values: Sequence[Decimal]) -> tuple[Decimal, Interval]:
    """The mean and its interval by Student's t.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:  # noqa: PLR2004 - two values are the least that have a spread
        raise ValueError("an interval needs at least two values")
    mean = statistics.mean(values)
    half = Decimal(repr(intervals.student(len(values) - 1))) * statistics.stdev(values) / Decimal(len(values)).sqrt()
    return mean, Interval(mean - half, mean + half)


def number(value: Decimal) -> str:
    """About three significant digits, thousands separated, never in powers of ten."""
    size = abs(value)
    if 0 < size < _CENT:
        return f"{Decimal(f'{value:.1e}').normalize():f}"
    if size >= 100:  # noqa: PLR2004
        digits = 0
    elif size >= 10:  # noqa: PLR2004
        digits = 1
    else:
        digits = 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Decimal) -> str:
    """A share of 0 to 1 in whole per cent; what is not all is never shown as 100, what is something never as 0."""
    if 0 < share < _CENT:
        return "under 1 %"
    if Decimal("0.99") < share < 1:
        return "over 99 %"
    return f"{share * 100:.0f} %"


def fine_percent(share: float) -> str:
    """A small share of 0 to 1 with one digit: rates of errors differ below one per cent."""
    return f"{share * 100:.1f} %" if 0 < share < 0.1 else f"{share * 100:.0f} %"  # noqa: PLR2004 - ten per cent


def part(hits: int, whole: int) -> str:
    """``171 of 203 (84 %)``; of nothing there is no share."""
    return f"{hits:,} of {whole:,} ({percent(Decimal(hits) / whole)})" if whole else f"{hits:,} of {whole:,}"


def each(amount: Money, items: int) -> str:
    """The cost of one item, or of a thousand where one costs next to nothing."""
    one = amount.amount / items
    if 0 < one < _TINY:
        return f"{Money(one * 1000, amount.currency)} for 1,000 items"
    return f"{Money(one, amount.currency)} an item"


def minutes(value: Decimal) -> str:
    """Minutes, in hours where there are many."""
    return f"{value:,.0f} minutes" if abs(value) < 120 else f"about {value / 60:,.0f} hours"  # noqa: PLR2004


def day(when: date | datetime) -> str:
    """``16 November``."""
    return f"{when.day} {when:%B}"


def weekday(when: date | datetime) -> str:
    """``Tuesday 17 November``."""
    return f"{when:%A} {day(when)}"

"""Spend that is made up: ordinary workflows by quarters of an hour and by days, runaways and leaks among them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import date

MONDAY = date(2026, 1, 5)
QUARTERS = 96
FIRST = (MONDAY - date(1970, 1, 1)).days * QUARTERS
OFFICE = (1.0, 1.1, 1.05, 1.0, 0.9, 0.08, 0.05)  # Monday to Sunday
EVERY_DAY = (1.0,) * 7
Shape = Callable[[int], float]  # quarter of a day → its share, unscaled


def office_hours(quarter: int) -> float:
    """From eight to six, with a dip at noon; a little at night."""
    hour = quarter / 4
    if not 8 <= hour < 18:
        return 0.05
    return 0.6 if 12 <= hour < 13 else 1.0


def nightly(quarter: int) -> float:
    """A batch at two, done in three quarters of an hour."""
    return 1.0 if 8 <= quarter < 11 else 0.002


def around_the_clock(quarter: int) -> float:
    """More by day than by night."""
    return 1.0 + 0.5 * math.sin(2 * math.pi * (quarter - 32) / QUARTERS)


def quarters(
    rng: random.Random, *, monthly: float, days: int, shape: Shape, week: tuple[float, ...], scatter: float = 0.4
) -> dict[int, float]:
    """An ordinary workflow that spends about ``monthly`` in 30 days: each day and each quarter with its own chance."""
    whole = sum(shape(at) for at in range(QUARTERS))
    level = monthly / 30 / (sum(week) / 7)
    found: dict[int, float] = {}
    for day in range(days):
        busy = math.exp(rng.gauss(0, 0.2))
        for at in range(QUARTERS):
            chance = rng.gammavariate(1 / scatter**2, scatter**2)
            found[FIRST + day * QUARTERS + at] = level * week[day % 7] * busy * shape(at) / whole * chance
    return found


def days(
    rng: random.Random, *, level: float, count: int, week: tuple[float, ...], scatter: float = 0.15
) -> list[float]:
    """An ordinary workflow's days."""
    return [level * week[at % 7] * math.exp(rng.gauss(0, scatter) - scatter**2 / 2) for at in range(count)]

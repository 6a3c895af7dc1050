"""Agreement of two raters who put each thing into one class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from afterpilot.domain.intervals import Interval, wilson

_Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its 95 % interval; ``value`` is None where chance alone agrees always (one class)."""

    value: float | None
    low: float
    high: float


def observed(table: Mapping[tuple[str, str], int]) -> Interval:
    """The share on which both agree, with Wilson's interval.

    Raises:
        ValueError: the table is empty.
    """
    return wilson(sum(count for (one, other), count in table.items() if one == other), sum(table.values()))


def kappa(table: Mapping[tuple[str, str], int]) -> Kappa:
    """Cohen's kappa (J. Cohen, 1960, Educational and Psychological Measurement 20, 37-46) with the large-sample standard
    error of Fleiss, Cohen & Everitt (1969, Psychological Bulletin 72, 323-327).

    Raises:
        ValueError: the table is empty.
    """
    total = sum(table.values())
    if not total:
        raise ValueError("there is nothing to agree on")
    part = {pair: count / total for pair, count in table.items()}
    classes = {name for pair in part for name in pair}
    rows = {name: sum(share for (one, _), share in part.items() if one == name) for name in classes}
    columns = {name: sum(share for (_, other), share in part.items() if other == name) for name in classes}
    agreed = sum(share for (one, other), share in part.items() if one == other)
    chance = sum(rows[name] * columns[name] for name in classes)
    if math.isclose(chance, 1.0):
        return Kappa(None, -1.0, 1.0)
    value = (agreed - chance) / (1 - chance)
    diagonal = sum(
        part.get((name, name), 0.0) * ((1 - chance) - (rows[name] + columns[name]) * (1 - agreed)) ** 2
        for name in classes
    )
    beside = (1 - agreed) ** 2 * sum(
        share * (columns[one] + rows[other]) ** 2 for (one, other), share in part.items() if one != other
    )
    rest = (agreed * chance - 2 * chance + agreed) ** 2
    error = math.sqrt(max(0.0, diagonal + beside - rest) / total) / (1 - chance) ** 2
    return Kappa(value, max(-1.0, value - _Z95 * error), min(1.0, value + _Z95 * error))

"""Whether two runs over the same cases differ by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs, case by case: how many ``cases`` both have, and which of them were broken or fixed since the first."""

    cases: int
    broken: tuple[str, ...]
    fixed: tuple[str, ...]

    @property
    def drop(self) -> float:
        """The share of cases lost, less those gained; below 0 where it got better, 0 where nothing can be compared."""
        return (len(self.broken) - len(self.fixed)) / self.cases if self.cases else 0.0

    @property
    def p_value(self) -> float:
        """How often chance alone would change so many cases so unevenly."""
        return mcnemar(len(self.fixed), len(self.broken))

    @property
    def significant(self) -> bool:
        """Whether it got worse by more than chance explains (5 %)."""
        return len(self.broken) > len(self.fixed) and self.p_value < _SIGNIFICANT


def compare(passed: Mapping[str, bool], baseline: Mapping[str, bool]) -> Compared:
    """Pair two runs by case; what only one of them has is left out."""
    both = [case for case in passed if case in baseline]
    return Compared(
        cases=len(both),
        broken=tuple(case for case in both if baseline[case] and not passed[case]),
        fixed=tuple(case for case in both if passed[case] and not baseline[case]),
    )


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value of McNemar's test: the binomial tail of the changed cases at one half (Q. McNemar, 1947,
    Psychometrika 12). 1 where nothing changed.

    Raises:
        ValueError: a count is below zero.
    """
    if min(fixed, broken) < 0:
        raise ValueError(f"{fixed} fixed and {broken} broken cases cannot be counted")
    changed = fixed + broken
    ways = tail = 1  # in whole numbers, exactly: ways to choose k of the changed cases, and their sum
    for k in range(min(fixed, broken)):
        ways = ways * (changed - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**changed))

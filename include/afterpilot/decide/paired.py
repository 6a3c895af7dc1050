"""Whether two runs over the same cases differ by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import wilson

_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Bounds:
    """The ends of a 95 % interval for a drop: a share from -1 to 1, below 0 where it got better."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two runs, case by case: how many ``cases`` both have, which of them were broken or fixed since the first, how many
    passed in both (``kept``).
    """

    cases: int
    broken: tuple[str, ...]
    fixed: tuple[str, ...]
    kept: int = 0

    @property
    def drop(self) -> float:
        """The share of cases lost, less those gained; below 0 where it got better, 0 where nothing can be compared."""
        return (len(self.broken) - len(self.fixed)) / self.cases if self.cases else 0.0

    @property
    def interval(self) -> Bounds:
        """Newcombe's 95 % interval for the drop, from Wilson's for each run and how alike they are (R. G. Newcombe, 1998,
        Statistics in Medicine 17, 2635, method 10). -1 to 1 where nothing can be compared.
        """
        return newcombe(self.kept, len(self.broken), len(self.fixed), self.cases)

    @property
    def p_value(self) -> float:
        """How often chance alone would change so many cases so unevenly."""
        return mcnemar(len(self.fixed), len(self.broken))

    @property
    def p_worse(self) -> float:
        """How often chance alone would break at least so many of the cases that changed."""
        return mcnemar_worse(len(self.fixed), len(self.broken))

    @property
    def significant(self) -> bool:
        """Whether it got worse by more than chance explains (5 %, one-sided: nobody asks whether it got better)."""
        return self.p_worse < _SIGNIFICANT


def report(compared: Compared) -> str:
    """An A/B comparison in one sentence: the drop with its interval, the exact test, and what changed."""
    if not compared.cases:
        return "The two runs have no scored case in common: nothing can be compared."
    points, bounds = round(100 * compared.drop, 1), compared.interval
    moved = f"{abs(points):g} points {'worse' if points > 0 else 'better'}" if points else "No difference"
    span = f"95 % interval {_points(-bounds.high)} to {_points(-bounds.low)} points"
    chance = f"exact McNemar p {compared.p_value:.2g}"
    changed = f"{len(compared.broken)} broke, {len(compared.fixed)} were fixed"
    verdict = "more than chance" if compared.p_value < _SIGNIFICANT else "chance explains it"
    return f"{moved} over {plural(compared.cases, 'case')} ({span}; {chance}: {verdict}); {changed}."


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def compare(passed: Mapping[str, bool], baseline: Mapping[str, bool]) -> Compared:
    """Pair two runs by case; what only one of them has is left out."""
    both = [case for case in passed if case in baseline]
    return Compared(
        cases=len(both),
        broken=tuple(case for case in both if baseline[case] and not passed[case]),
        fixed=tuple(case for case in both if passed[case] and not baseline[case]),
        kept=sum(passed[case] and baseline[case] for case in both),
    )


def newcombe(kept: int, broken: int, fixed: int, cases: int) -> Bounds:
    """The 95 % interval of (passed before - passed now) / cases for paired runs; source: `Compared.interval`.

    Raises:
        ValueError: a count is below zero, or they are more than the cases.
    """
    neither = cases - kept - broken - fixed
    if min(kept, broken, fixed, neither) < 0:
        raise ValueError(f"{kept} kept, {broken} broken and {fixed} fixed are no split of {cases} cases")
    if cases == 0:
        return Bounds(-1.0, 1.0)
    before, now = wilson(kept + broken, cases), wilson(kept + fixed, cases)
    alike = _correlation(kept, broken, fixed, neither)
    down, up = before.value - before.low, before.high - before.value
    now_down, now_up = now.value - now.low, now.high - now.value
    drop = before.value - now.value
    low = drop - sqrt(max(down**2 - 2 * alike * down * now_up + now_up**2, 0.0))
    high = drop + sqrt(max(up**2 - 2 * alike * up * now_down + now_down**2, 0.0))
    return Bounds(max(low, -1.0), min(high, 1.0))


def _correlation(kept: int, broken: int, fixed: int, neither: int) -> float:
    """The phi coefficient of two paired runs, with the continuity correction of Newcombe's method 10."""
    square = (kept + broken) * (fixed + neither) * (kept + fixed) * (broken + neither)
    if square == 0:
        return 0.0
    product, half = kept * neither - broken * fixed, (kept + broken + fixed + neither) / 2
    return (max(product - half, 0.0) if product > 0 else product) / sqrt(square)


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided exact p-value of McNemar's test: the binomial tail of the changed cases at one half (Q. McNemar, 1947,
    Psychometrika 12). 1 where nothing changed.

    Raises:
        ValueError: a count is below zero.
    """
    changed = fixed + broken
    return min(1.0, float(2 * _tail(fixed, broken, up_to=min(fixed, broken)) / 2**changed))


def mcnemar_worse(fixed: int, broken: int) -> float:
    """One-sided exact p-value of the same test: of at most so many fixed cases among those that changed. Half of the two-sided one
    where more broke than were fixed.

    Raises:
        ValueError: a count is below zero.
    """
    return float(_tail(fixed, broken, up_to=fixed) / 2 ** (fixed + broken))


def _tail(fixed: int, broken: int, *, up_to: int) -> int:
    """Ways to choose so many or fewer of the changed cases: in whole numbers, exactly."""
    if min(fixed, broken) < 0:
        raise ValueError(f"{fixed} fixed and {broken} broken cases cannot be counted")
    changed = fixed + broken
    ways = tail = 1
    for k in range(up_to):
        ways = ways * (changed - k) // (k + 1)
        tail += ways
    return tail

"""How much the days of real models differ: measured on runs that were approved as unchanged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from math import sqrt
from typing import TYPE_CHECKING

from afterpilot.decide.alarm.outcomes import RunOutcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_DAYS = 200  # over all workflows: fewer tell noise from wobble too badly
_LEAST_OF_ONE = 5
_MOST_DOUBT = 0.01  # squared logits: the standard error of the wobble's variance, which is 0.04 by default


def pooled_wobble(baselines: Iterable[Sequence[RunOutcome]]) -> float | None:
    """The standard deviation, in logits, of what a day does to all cases alike.

    None from fewer than 200 days in all, and where chance hides it since too few cases waver: the standard error of its square
    is above 0.01.

    One workflow alone cannot tell (its sampling error is larger), so workflows of one provider are pooled. By moments: the
    covariances of different cases over days, over the products of their slopes p (1 - p); chance is independent between
    cases and drops out. Only cases scored on every day of their baseline count.
    """
    excess, slopes, noise, days = 0.0, 0.0, 0.0, 0
    for runs in baselines:
        shares = _daily(runs)
        if shares is None:
            continue
        days += len(shares)
        means = shares.mean(0)
        slope = means * (1 - means)
        chance = shares.var(0, ddof=1)
        excess += float(shares.sum(1).var(ddof=1) - chance.sum())
        slopes += float(slope.sum() ** 2 - (slope**2).sum())
        noise += 2 * float(chance.sum() ** 2 - (chance**2).sum()) / (len(shares) - 1)  # the variance of the covariances
    if days < LEAST_DAYS or slopes <= 0 or sqrt(noise) > _MOST_DOUBT * slopes:
        return None
    return sqrt(max(excess / slopes, 0.0))


def _daily(runs: Sequence[RunOutcome]) -> NDArray[np.float64] | None:
    """Pass shares (days, cases) of a baseline; None where it has too few days."""
    import numpy as np

    counts: dict[date, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for run in runs:
        for case, (passed, scored) in run.outcomes.items():
            counts[run.day][case][0] += passed
            counts[run.day][case][1] += scored
    if len(counts) < _LEAST_OF_ONE:
        return None
    always = set.intersection(*({case for case, (_, of) in day.items() if of} for day in counts.values()))
    if not always:
        return None
    return np.array([[day[case][0] / day[case][1] for case in sorted(always)] for day in counts.values()])

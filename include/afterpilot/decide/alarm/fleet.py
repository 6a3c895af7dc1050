"""Which of a fleet's alarms are confirmed: the false ones among them are a tenth at most, on average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

FALSE_SHARE = 0.10
QUARTER = 92  # run-days, at most


def e_value(evidence: Sequence[float], *, before: float = 0.0, days: int = QUARTER, stop: float = math.inf) -> float:
    """A workflow's e-value for a quarter, from its ``evidence`` after each day of it and that ``before`` its first day.

    Less the number of days, the evidence R is a martingale while nothing changes (`AlarmSettings.threshold`), so at any
    stopping time in a quarter of ``days`` its mean is at most ``before`` + ``days``: R at that time over this sum is an
    e-value. The peak itself would not be one, as one stops at the peak only with hindsight; the first day on which the
    e-value reaches ``stop``, fixed beforehand, is a stopping time, and so is today. Take ``stop`` = `stop_for` the fleet: one
    that gets there is confirmed by itself and stays so for the quarter, and one that does not is taken as it stands today.

    The evidence is as good as the model behind it (the wobble above all): docs/benchmarks-alarm.md has what simulation says.

    Raises:
        ValueError: the quarter has fewer days than values, or a value is below 0 or not a number.
    """
    if len(evidence) > days:
        raise ValueError(f"{len(evidence)} days of evidence do not fit into a quarter of {days} days")
    if not all(value >= 0 for value in (*evidence, before)):
        raise ValueError("evidence is a number of at least 0")
    values = [value / (before + days) for value in evidence]
    return next((value for value in values if value >= stop), values[-1] if values else 0.0)


def stop_for(workflows: int, *, share: float = FALSE_SHARE) -> float:
    """The e-value that confirms a workflow whatever the others of the fleet show."""
    return max(workflows, 1) / share


def confirmed(e_values: Mapping[str, float], *, share: float = FALSE_SHARE) -> tuple[str, ...]:
    """The workflows whose regression is confirmed, strongest first, so that on average at most ``share`` of them are false.

    e-BH: of K e-values, the k largest where the k-th is at least K / (share k), for the largest such k. It bounds the false
    discovery rate under any dependence between workflows, such as one provider's bad day (R. Wang and A. Ramdas, 2022,
    Journal of the Royal Statistical Society B 84).

    Raises:
        ValueError: an e-value is below 0 or not a number, or ``share`` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share of false discoveries is {share}; it must lie between 0 and 1")
    if wrong := [name for name, value in e_values.items() if not value >= 0]:
        raise ValueError(f"the e-value of {', '.join(sorted(wrong))} is no number of at least 0")
    ranked = sorted(e_values, key=lambda name: (-e_values[name], name))
    passing = [k for k, name in enumerate(ranked, 1) if e_values[name] * share * k >= len(ranked)]
    return tuple(ranked[: max(passing, default=0)])

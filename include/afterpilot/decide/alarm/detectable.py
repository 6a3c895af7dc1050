"""What a suite can find, and how fast: said before anyone relies on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from afterpilot.decide.alarm.outcomes import AlarmSettings, RunOutcome
from afterpilot.domain.counting import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DAYS = 60
_DRAWS = 60
_DAILY = 350  # run-days of a year; a suite that runs as often may miss a night now and then
_SEED = 20_260_101
_TYPICAL_CASES = 200  # a larger suite is judged as this many of its cases


@dataclass(frozen=True, slots=True)
class Detectable:
    """How many days until the smallest drop that matters is found, and a slice of 5 % broken cases; None: not in 60 days.

    ``median`` and ``most`` (90 %) are of a drop of the whole suite, ``slice_most`` (90 %) of the slice. All count run-days from
    the change, for a change on day ``after`` since the approval, without confirming re-runs (which only make it faster).
    ``run_days`` is on how many days of a year the suite runs.
    """

    cases: int
    smallest_drop: float
    after: int
    median: int | None
    most: int | None
    slice_most: int | None
    run_days: float = 365.0

    def __str__(self) -> str:
        points, suite = f"{self.smallest_drop * 100:g} points", f"this suite of {plural(self.cases, 'case')}"
        when = "" if self.run_days >= _DAILY else " on which it runs,"
        if self.median is None:
            whole = f"A drop of {points} is not found within {_DAYS} days{when} by {suite}: add cases"
        else:
            most = f"9 of 10 within {self.most}" if self.most is not None else f"1 in 10 or more takes over {_DAYS}"
            whole = (
                f"A drop of {points} is found in a median of {plural(self.median, 'day')}{when} with {suite}, {most}"
            )
        if self.slice_most is None:
            return f"{whole}; one case in twenty breaking may go unnoticed."
        return f"{whole}; one case in twenty breaking, 9 times of 10 within {self.slice_most}."


def detectable(baseline: Sequence[RunOutcome], settings: AlarmSettings, *, after: int = 14) -> Detectable:
    """What the suite of ``baseline`` can find, by a seeded simulation of 60 changes of each kind (about a second).

    Suites are drawn from what the approved runs say about each case; more than 200 cases are thinned to 200, which makes the
    answer careful. The same arguments give the same answer.

    Raises:
        ValueError: the baseline has no scored sample.
    """
    import numpy as np

    from afterpilot.decide.alarm.judging import counted
    from afterpilot.decide.alarm.reference import refer
    from afterpilot.decide.alarm.simulate import Suite, run_suite, watch, wobble

    cases, passed, scored = counted(baseline)
    days = len({run.day for run in baseline})
    random = np.random.default_rng(_SEED)
    kept = np.sort(random.permutation(len(cases))[:_TYPICAL_CASES])
    reference = refer(passed[:, kept], scored[:, kept], days, settings)
    truth = random.beta(np.repeat(reference.passes, _DRAWS, 0), np.repeat(reference.fails, _DRAWS, 0))
    runs = max(len(baseline), 1)
    suite = Suite(np.clip(truth, 1e-4, 1 - 1e-4), epochs=max(round(float(scored.sum()) / (runs * len(cases))), 1))

    def delays(changed: Suite) -> NDArray[np.float64]:
        levels = wobble(random, _DRAWS, days + after + _DAYS, deviation=settings.wobble)
        change = days + after
        taken = run_suite(changed, levels, random=random, change=change)
        watched = watch(changed, settings, levels, taken, baseline=days, random=random, change=change, reruns=0)
        return watched.first

    whole = delays(suite.uniform(settings.smallest_drop))
    part = delays(suite.slice(max(round(0.05 * len(kept)), 1)))
    return Detectable(
        cases=len(cases),
        smallest_drop=settings.smallest_drop,
        after=after,
        median=_days(float(np.quantile(whole, 0.5, method="higher"))),
        most=_days(float(np.quantile(whole, 0.9, method="higher"))),
        slice_most=_days(float(np.quantile(part, 0.9, method="higher"))),
        run_days=settings.run_days,
    )


def _days(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None

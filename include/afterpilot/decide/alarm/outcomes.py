"""What the regression alarm reads and says: plain values, standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

RERUNS = 4  # of the suspicious cases on one day, at most
RERUN_FROM = 0.05  # probability that a case broke, from which it is run again


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A valid run on ``day``: case id → (passed, scored) samples. A case that the harness could not score is left out.

    Raises:
        ValueError: a case has more passed than scored samples, or fewer than none.
    """

    day: date
    outcomes: Mapping[str, tuple[int, int]]

    def __post_init__(self) -> None:
        for case, (passed, scored) in self.outcomes.items():
            if not 0 <= passed <= scored:
                raise ValueError(f"{self.day}: case {case!r}: {passed} passed of {scored} scored samples cannot be")


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """How often the alarm may be wrong, and what it looks for.

    ``smallest_drop`` is a share of the cases (0.05 is 5 points). ``wobble`` is the standard deviation, in logits, of what all
    cases share on one day (provider load, a silent patch that is gone tomorrow); `pooled_wobble` measures it. ``run_days`` is
    on how many days of a year the suite runs.

    Raises:
        ValueError: a value is out of its range.
    """

    false_alarms_per_year: float = 0.1
    smallest_drop: float = 0.05
    wobble: float = 0.2
    run_days: float = 365.0

    def __post_init__(self) -> None:
        bounds = {
            "false_alarms_per_year": (self.false_alarms_per_year, 0.001, 12.0),
            "smallest_drop": (self.smallest_drop, 0.005, 0.4),
            "wobble": (self.wobble, 0.0, 1.0),
            "run_days": (self.run_days, 1.0, 366.0),
        }
        for name, (value, low, high) in bounds.items():
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name} is {value}; it must lie between {low:g} and {high:g}")

    @property
    def threshold(self) -> float:
        """The evidence that raises the alarm: run-days between two false alarms, by design.

        A Shiryaev-Roberts statistic less the number of days is a martingale while nothing changes, so the mean time to a
        false alarm is at least the threshold (M. Pollak, 1987, Annals of Statistics 15).
        """
        return max(self.run_days / self.false_alarms_per_year, 20.0)

    @property
    def watch(self) -> float:
        """The evidence from which suspicious cases are run again on the same day."""
        return max(self.threshold / 120.0, 5.0)


class State(StrEnum):
    """What the evidence asks for."""

    NONE = "none"
    WATCH = "watch"  # run suspicious cases again the same day; nobody is told
    ALARM = "alarm"


class Kind(StrEnum):
    """Which of the alternatives carries the evidence."""

    UNIFORM = "uniform"  # all cases slipped
    SLICE = "slice"  # a few cases broke


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the runs since the approval say against the approved baseline.

    ``evidence`` is the mean over start dates and alternatives of how many times better a drop explains the runs than none,
    times the days: an alarm at ``threshold``. ``drop`` is the share of cases lost, with ``low`` and ``high`` (95 %), over the
    runs since ``since``, the likeliest day of the change (``earliest`` to ``latest``: 80 %); None without evidence of one.
    ``broken`` is case → probability that it broke (over one half, likeliest first). ``raised`` is the day on which an open
    alarm was raised; ``recovered`` the day on which the last one was over. ``history`` is day → evidence.
    """

    state: State
    evidence: float
    threshold: float
    false_alarms_per_year: float
    kind: Kind | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    since: date | None = None
    earliest: date | None = None
    latest: date | None = None
    broken: tuple[tuple[str, float], ...] = ()
    rerun: tuple[str, ...] = ()
    raised: date | None = None
    recovered: date | None = None
    cases: int = 0
    days: int = 0
    history: tuple[tuple[date, float], ...] = ()

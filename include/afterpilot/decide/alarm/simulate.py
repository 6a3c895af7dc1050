"""Years of a suite whose truth is known, watched by the very test that ships: what the stated figures rest on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from afterpilot.decide.alarm.estimates import slice_share, suspects
from afterpilot.decide.alarm.outcomes import RERUN_FROM, RERUNS, AlarmSettings
from afterpilot.decide.alarm.reference import Floats, Reference, refer, shift_of
from afterpilot.decide.alarm.sequential import Belief, begin, recover, step, watching

_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Suite:
    """The true pass probabilities (B, C) of B workflows' cases, before a change and (``changed``) after it."""

    truth: Floats
    changed: Floats | None = None
    epochs: int = 1

    def uniform(self, drop: float) -> Suite:
        """All cases slip by one logit shift, so that the mean falls by ``drop``."""
        shift = shift_of(self.truth, self.truth.mean(-1) - drop)
        return replace(self, changed=1 / (1 + (1 / self.truth - 1) * np.exp(-shift[:, None])))

    def slice(self, cases: int, *, to: float = 0.05) -> Suite:
        """The first ``cases`` of each suite whose truth is at least 0.9 (or the best ones) fall to ``to``."""
        order = np.argsort(-np.minimum(self.truth, 0.9), axis=-1, kind="stable")[:, :cases]
        changed = self.truth.copy()
        np.put_along_axis(changed, order, to, -1)
        return replace(self, changed=changed)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the alarm did: ``alarms`` (B,) raised, ``first`` (B,) run-days from the change to the first alarm after it
    (infinite: none), ``extra`` re-runs as a share of the runs, ``evidence`` (B, T) after each day.
    """

    alarms: NDArray[np.int64]
    first: Floats
    extra: float
    evidence: Floats


def wobble(random: Generator, workflows: int, days: int, *, deviation: float, persistence: float = 0.5) -> Floats:
    """Day levels (B, T) in logits: an AR(1) of standard deviation ``deviation``."""
    shocks = random.normal(0.0, 1.0, (workflows, days))
    levels = shocks.copy()
    for day in range(1, days):
        levels[:, day] = persistence * levels[:, day - 1] + np.sqrt(1 - persistence**2) * shocks[:, day]
    return deviation * levels


def draw(random: Generator, truth: Floats, level: Floats, epochs: int) -> Floats:
    """Passed samples (B, C) of one run on a day of ``level`` (B,)."""
    chance = 1 / (1 + (1 / truth - 1) * np.exp(-level[:, None]))
    if epochs == 1:
        return np.asarray((random.random(truth.shape) < chance).astype(float))
    return random.binomial(epochs, chance).astype(float)


def run_suite(suite: Suite, levels: Floats, *, random: Generator, change: int | None = None) -> NDArray[np.int16]:
    """Passed samples (B, T, C) of a run on each day of ``levels`` (B, T); ``suite.changed`` holds from day ``change``."""
    days = range(levels.shape[1])
    return np.stack([draw(random, _truth(suite, day, change), levels[:, day], suite.epochs) for day in days], 1).astype(
        np.int16
    )


def _truth(suite: Suite, day: int, change: int | None) -> Floats:
    return suite.changed if suite.changed is not None and change is not None and day >= change else suite.truth


def watch(
    suite: Suite,
    settings: AlarmSettings,
    levels: Floats,
    runs: NDArray[np.int16],
    *,
    baseline: int,
    random: Generator,
    change: int | None = None,
    reruns: int = RERUNS,
) -> Watched:
    """Watch every workflow over ``runs`` (B, T, C): ``baseline`` approved days, then the rest; re-runs are drawn as needed.

    ``change`` is the day, counted from the first of the baseline, from which ``suite.changed`` holds.
    """
    workflows, days, cases = runs.shape
    scored = np.full((workflows, cases), float(baseline * suite.epochs))
    reference = refer(runs[:, :baseline].sum(1).astype(float), scored, baseline, settings)
    belief = begin(reference)
    alarms, first = np.zeros(workflows, np.int64), np.full(workflows, np.inf)
    evidence, extra = np.zeros((workflows, days - baseline)), 0.0
    for day in range(baseline, days):
        was_open, truth = belief.open, _truth(suite, day, change)
        belief, more = _day(
            suite, reference, belief, settings, truth, levels[:, day], runs[:, day].astype(float), random, reruns
        )
        extra += more
        evidence[:, day - baseline] = belief.evidence
        raised = belief.open & ~was_open
        alarms += raised
        if change is not None and day >= change:
            first[raised & np.isinf(first)] = day - change + 1
        recover(reference, belief)
    return Watched(alarms, first, extra / evidence.size, np.exp(np.minimum(evidence, 690.0)))


def _day(
    suite: Suite,
    reference: Reference,
    before: Belief,
    settings: AlarmSettings,
    truth: Floats,
    level: Floats,
    passed: Floats,
    random: Generator,
    reruns: int,
) -> tuple[Belief, float]:
    """A day's run and, while there is something to confirm, its re-runs, counted in whole runs."""
    scored = np.full(passed.shape, float(suite.epochs))
    after, extra = step(reference, before, passed, scored, threshold=settings.threshold), 0.0
    for _ in range(reruns):
        rows = np.flatnonzero(watching(before, after, settings.watch))
        if not rows.size:
            break
        part = after.rows(rows)
        chosen = np.where((slice_share(part) > _EVEN)[:, None], suspects(part) > RERUN_FROM, True)
        chosen |= ~chosen.any(-1, keepdims=True)
        extra += float(chosen.mean(-1).sum())
        passed[rows] += draw(random, truth[rows], level[rows], suite.epochs) * chosen
        scored[rows] += suite.epochs * chosen
        again = step(reference.rows(rows), before.rows(rows), passed[rows], scored[rows], threshold=settings.threshold)
        after.put(rows, again)
    return after, extra

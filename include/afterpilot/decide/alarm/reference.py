"""What the approved runs say about each case, and what a drop would look like: arrays over workflows."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from afterpilot.decide.alarm.outcomes import AlarmSettings

Floats = NDArray[np.float64]

CONCENTRATION = 1.5  # samples that the prior of a case is worth: cases mostly pass always or fail often
_LEAST_FAILS = 0.4  # of the prior's: a case that never failed may still fail once in a hundred runs
_MOST_PERFECT = 0.995  # a pass rate is never believed to be higher: some failure always comes
DROPS = (0.6, 1.0, 2.0, 4.0, 8.0)  # of the smallest drop that matters: 3, 5, 10, 20 and 40 points for 5
LEVELS = np.linspace(-3.5, 3.5, 57)  # of the baseline's unknown level, in its standard deviations
DAY_LEVELS = np.arange(-6.0, 2.01, 0.25)  # a day's level against the baseline, in logits
_SHARED = {"wobble"}  # by all workflows
_MARGIN = 1.2  # on the wobble: a bad spell of days looks like a drop
_MARGIN_GROWS = 1.75  # a logit of wobble above 0.2
_MARGIN_SHORT, _SHORT = 0.15, 14  # more for a baseline of fewer days, which hardly knows its cases
_LEAST_WOBBLE = 0.12  # the grid of day levels carries nothing narrower; no model is steadier


@dataclass(frozen=True, slots=True)
class Reference:
    """The baseline of B workflows of C cases each.

    ``passes`` and ``fails`` (B, C) are the posterior Beta's; ``level`` (B,) the mean pass rate; ``shifts`` (B, 5) the logit
    shift of each uniform drop; ``prior`` (B, U) the log weights of the unknown level; ``kernel`` (B, 6, U, G) how likely a day
    is at each day level, where nothing changed (first) and after each drop; ``wobble`` in logits; ``doubt`` (B,) the standard
    deviation of the baseline's level, in logits.
    """

    passes: Floats
    fails: Floats
    offset: Floats
    level: Floats
    shifts: Floats
    prior: Floats
    kernel: Floats
    doubt: Floats
    wobble: float

    def rows(self, index: NDArray[np.intp]) -> Reference:
        """The baseline of some of the workflows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Reference(**{name: value if name in _SHARED else value[index] for name, value in values.items()})


def refer(passed: Floats, scored: Floats, days: int, settings: AlarmSettings) -> Reference:
    """The reference from counts (B, C) summed over the approved runs of ``days`` different days.

    A case's prior is a Beta around the workflow's own pass rate, worth 1.5 samples: its posterior predicts the case, so no
    estimate is ever taken for the truth. What the runs leave open about the level itself (its sampling error and the wobble
    of its days) is a normal with deviation ``doubt``, shared by all later days.
    """
    rate = np.minimum((passed.sum(-1) + 0.5) / (scored.sum(-1) + 1.0), _MOST_PERFECT)
    passes = passed + CONCENTRATION * rate[..., None]
    fails = scored - passed + np.maximum(CONCENTRATION * (1 - rate[..., None]), _LEAST_FAILS)
    offset = shift_of(passes / (passes + fails), rate)
    means = 1 / (1 + fails / passes * np.exp(-offset[..., None]))
    wobble = max(_margin(settings.wobble, days) * settings.wobble, _LEAST_WOBBLE)
    information = (np.maximum(scored, 0) * means * (1 - means)).sum(-1)
    days_doubt = wobble * np.sqrt(_persistence(max(days, 1)) / max(days, 1))
    doubt = np.sqrt(days_doubt**2 + 1 / np.maximum(information, 0.5))
    shifts = np.stack([shift_of(means, np.maximum(rate - settings.smallest_drop * part, 0.02)) for part in DROPS], -1)
    levels = np.concatenate([np.zeros_like(shifts[..., :1]), shifts], -1)[..., None] + LEVELS * doubt[..., None, None]
    kernel = np.exp(-0.5 * ((DAY_LEVELS - levels[..., None]) / wobble) ** 2) + 1e-300
    return Reference(
        passes=passes,
        fails=fails,
        offset=offset,
        level=rate,
        shifts=shifts,
        prior=_level_prior(passes, fails, scored, LEVELS * doubt[..., None], days_doubt),
        kernel=kernel / kernel.sum(-1, keepdims=True),
        doubt=doubt,
        wobble=wobble,
    )


def _level_prior(passes: Floats, fails: Floats, scored: Floats, levels: Floats, days_doubt: float) -> Floats:
    """Log weights (B, U) of ``levels`` (B, U): the likelihood of the approved samples, spread by the wobble of their days.

    A normal would do for thirty runs. For one, a suite that passed 24 of 24 may well be better than it looks, hardly worse.
    """
    means = passes / (passes + fails)
    moved = (np.log(passes) - np.log(fails))[:, None] + levels[..., None]
    lost = np.log1p(np.exp(-np.abs(moved))) + np.maximum(moved, 0)
    sampling = (scored[:, None] * (means[:, None] * moved - lost)).sum(-1)
    sampling -= sampling.max(-1, keepdims=True)
    apart = (levels[:, :, None] - levels[:, None]) / days_doubt
    weights = (np.exp(-0.5 * apart**2) @ np.exp(sampling)[..., None])[..., 0] + 1e-300
    return np.asarray(np.log(weights / weights.sum(-1, keepdims=True)))


def _persistence(days: int) -> float:
    """How much more the mean of ``days`` wobbles than that of strangers: neighbours resemble each other (AR(1), one half)."""
    return 3 - 4 * (1 - 0.5**days) / days


def _margin(wobble: float, days: int) -> float:
    """What the wobble is multiplied by, set by simulation: days are neighbours (AR(1), one half), not strangers."""
    return _MARGIN + _MARGIN_GROWS * max(wobble - 0.2, 0.0) + _MARGIN_SHORT * max(1 - days / _SHORT, 0.0)


def shift_of(means: Floats, wanted: Floats) -> Floats:
    """The logit shift (B,) that brings the mean of ``means`` (B, C) to ``wanted`` (B,); by bisection, -6 to 6."""
    logits = np.log(means) - np.log1p(-means)
    low, high = np.full(wanted.shape, -6.0), np.full(wanted.shape, 6.0)
    for _ in range(30):
        middle = (low + high) / 2
        too_low = (1 / (1 + np.exp(-logits - middle[..., None]))).mean(-1) < wanted
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return np.asarray((low + high) / 2)

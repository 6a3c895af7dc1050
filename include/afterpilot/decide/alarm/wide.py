"""A large part of the suite broke at once: the alternative that keeps the level of the whole suite and the broken apart.

A narrow slice is weighed at the level that the day has where nothing changed. With half of the suite broken and a short
baseline that level explains the day by a suite that was never as good as it looked; here the level is integrated anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from afterpilot.decide.alarm.likelihood import beta_binomial, log_sum
from afterpilot.decide.alarm.reference import DAY_LEVELS, Floats, Reference

SPAN = 3  # days back that it may have begun: it is found at once or not by this
SHARE = 1 / 3  # of the cases: a quarter and a half are near enough
ODDS = np.log(SHARE / (1 - SHARE))
BAD = 0.04  # the pass rate that a day must lack; on a better day the alternative is given up, which costs evidence only
WATCH = 0.8  # the log likelihood ratio from which the day is run again
_NEGLIGIBLE = 12.0  # log: a start that carries so little of an open alarm says nothing about its end
_AT_ONCE = 8  # cases multiplied before a logarithm is taken


def weighed(
    reference: Reference,
    logits: Floats,
    worth: Floats,
    sound: Floats,
    began: tuple[Floats, Floats],
    since: tuple[Floats, Floats],
    day: tuple[Floats, Floats],
    alive: NDArray[np.bool_],
    beta: tuple[float, float],
) -> tuple[Floats, Floats]:
    """What a day adds: its log likelihood (B, V, U) by start and level of the baseline, and the new odds (B, V, C).

    ``sound`` (B, G, C) is `by_case`; ``began`` the log weights (B, V, U) and odds (B, V, C) before the day; ``since`` and
    ``day`` passed and scored samples; ``alive`` (B, V) the starts that are worth it (the others: -inf); ``beta`` a broken
    case's prior.
    """
    starts, odds = began
    added, after = np.full(starts.shape, -np.inf), odds.copy()
    if not alive.any():
        return added, after
    row = np.nonzero(alive)[0]  # all that follows is by pair of workflow and start
    starts, odds, kernel = starts[alive], odds[alive], reference.kernel[row, 0]
    passed, scored = (count[row] for count in day)
    trials = since[1][alive] + sum(beta)
    broken = beta_binomial((since[0][alive] + beta[0]) / trials, trials, passed, scored)
    share = 1 / (1 + np.exp(-odds))
    likelihood = _log_product(np.exp(sound)[row] * (1 - share)[:, None] + (share * np.exp(broken))[:, None])
    peak = likelihood.max(-1, keepdims=True)
    weights = np.exp(likelihood - peak)
    added[alive] = np.log((kernel @ weights[..., None])[..., 0] + 1e-300) + peak
    level = np.exp(starts - log_sum(starts)[:, None])
    density = (level[:, None] @ kernel)[:, 0] * weights
    mean = np.asarray(density @ DAY_LEVELS) / np.asarray(density.sum(-1) + 1e-300)
    lasts = beta_binomial(1 / (1 + np.exp(-logits[row] - mean[:, None])), worth[row], passed, scored)
    after[alive] = np.clip(odds + broken - lasts, -40.0, 40.0)
    return added, after


def alive(
    starts: Floats, unchanged: Floats, evidence: Floats, *, is_open: NDArray[np.bool_], bad: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which starts (B, V) are worth a day's work: those on a bad day, and of an open alarm those that carry some of it."""
    weight = log_sum(starts) - log_sum(unchanged)[:, None]
    carries = weight > np.where(np.isfinite(evidence), evidence, 0.0)[:, None] - _NEGLIGIBLE
    return np.asarray(np.isfinite(weight) & np.where(is_open[:, None], carries, bad[:, None]))


def _log_product(values: Floats) -> Floats:
    """The log of the product over the last axis."""
    short = -values.shape[-1] % _AT_ONCE
    if short:
        values = np.concatenate([values, np.ones((*values.shape[:-1], short))], -1)
    few = values.reshape(*values.shape[:-1], -1, _AT_ONCE).prod(-1)
    return np.asarray(np.log(np.maximum(few, 1e-300)).sum(-1))

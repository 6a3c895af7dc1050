"""How likely a day's counts are at each level of the day: Beta-binomial per case, cases independent given the level."""

from __future__ import annotations

import numpy as np

from afterpilot.decide.alarm.reference import DAY_LEVELS, Floats


def by_case(logits: Floats, worth: Floats, passed: Floats, scored: Floats) -> Floats:
    """Log likelihood (B, G, C) of each case's counts at each day level."""
    moved = logits[:, None] + DAY_LEVELS[:, None]
    if scored.size and scored.max() <= 1:
        lost = np.log1p(np.exp(-np.abs(moved))) + np.maximum(moved, 0)  # -log P(fail)
        return np.asarray(passed[:, None] * moved - scored[:, None] * lost)
    return beta_binomial(1 / (1 + np.exp(-moved)), worth[:, None], passed[:, None], scored[:, None])


def beta_binomial(means: Floats, worth: Floats, passed: Floats, scored: Floats) -> Floats:
    """Log probability of one order of ``passed`` of ``scored`` for a Beta of mean ``means`` worth ``worth`` samples."""
    total = np.zeros(np.broadcast_shapes(means.shape, passed.shape))
    failed = scored - passed
    for i in range(int(scored.max(initial=0))):
        total += np.where(passed > i, np.log(means * worth + i), 0.0)
        total += np.where(failed > i, np.log((1 - means) * worth + i), 0.0)
        total -= np.where(scored > i, np.log(worth + i), 0.0)
    return total


def log_sum(logs: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis; -inf where all are."""
    peak = logs.max(-1, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - peak).sum(-1)) + peak[..., 0])

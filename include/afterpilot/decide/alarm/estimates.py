"""How large a suspected drop is, when it began, and which cases broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from afterpilot.decide.alarm.likelihood import by_case, log_sum
from afterpilot.decide.alarm.reference import DROPS, Floats, Reference
from afterpilot.decide.alarm.sequential import NARROW, WEIGHTS, WIDE, WINDOW, Belief

_Z = 1.959964  # 95 %
_MASS = 0.8


@dataclass(frozen=True, slots=True)
class Drop:
    """A share of the cases lost, with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Start:
    """Indices of days: the likeliest on which the change began, and the ends of the 80 % that are likeliest."""

    likely: int
    earliest: int
    latest: int


def slice_share(belief: Belief) -> Floats:
    """How much of the evidence (B,) speaks for a slice, 0 to 1."""
    return np.asarray(np.exp(log_sum(belief.parts[:, NARROW:]) - belief.evidence))


def suspects(belief: Belief) -> Floats:
    """The probability (B, C) that a case broke, where a slice did: averaged over start dates."""
    starts = np.concatenate([belief.starts + WEIGHTS[NARROW], wide_starts(belief) + WEIGHTS[WIDE]], 1)
    weight = np.exp(starts - log_sum(starts)[:, None])
    odds = np.concatenate([belief.odds, belief.wide_odds], 1)
    return np.asarray((weight[..., None] / (1 + np.exp(-odds))).sum(1))


def wide_starts(belief: Belief) -> Floats:
    """The evidence (B, V) of a wide slice by start date, today first."""
    return log_sum(belief.wide) - log_sum(belief.unchanged)[:, None]


def broken(belief: Belief) -> Floats:
    """The probability (C,) of the first workflow's cases to have broken."""
    return np.asarray(suspects(belief)[0])


def start(reference: Reference, belief: Belief, counts: Sequence[tuple[Floats, Floats]], *, newest: int) -> Start:
    """The posterior of the start date, over uniform drops and slices, each date as likely beforehand.

    ``newest`` is the index of the last day on which a change could begin: today, or the day of an open alarm.
    """
    levels = [day_levels(reference, passed, scored) for passed, scored in counts]
    unchanged = np.array([level[0] for level in levels])  # (T, U)
    before = reference.prior[0] + np.cumsum(unchanged, 0) - unchanged
    logs = []
    for drop in range(1, len(DROPS) + 1):
        dropped = np.array([level[drop] for level in levels])
        after = np.cumsum(dropped[::-1], 0)[::-1]
        logs.append(WEIGHTS[drop - 1] + np.logaddexp.reduce(before + after, axis=-1))
    null = np.logaddexp.reduce(reference.prior[0] + unchanged.sum(0))
    by_start = np.logaddexp.reduce(np.array(logs), axis=0) - null
    held = min(newest + 1, WINDOW)
    slices = np.full(len(counts), -np.inf)
    slices[newest + 1 - held : newest + 1] = belief.starts[0, :held][::-1] + WEIGHTS[NARROW]
    wide = wide_starts(belief)[0, :held]
    last = slice(newest + 1 - len(wide), newest + 1)
    slices[last] = np.logaddexp(slices[last], wide[::-1] + WEIGHTS[WIDE])
    both = np.logaddexp(by_start, slices)[: newest + 1]
    mass = np.exp(both - both.max())
    order = np.argsort(-mass)
    enough = int(np.searchsorted(np.cumsum(mass[order]) / mass.sum(), _MASS)) + 1
    kept = order[:enough]
    return Start(likely=int(order[0]), earliest=int(kept.min()), latest=int(kept.max()))


def day_levels(reference: Reference, passed: Floats, scored: Floats) -> Floats:
    """Log likelihood (6, U) of one workflow's day, without a change and after each drop, at each level of the baseline."""
    logits = np.log(reference.passes) - np.log(reference.fails) + reference.offset[:, None]
    likelihood = by_case(logits, reference.passes + reference.fails, passed, scored)[0].sum(-1)
    return np.asarray(np.log(reference.kernel[0] @ np.exp(likelihood - likelihood.max()) + 1e-300))


def drop(reference: Reference, counts: Sequence[tuple[Floats, Floats]]) -> Drop:
    """The mean drop since the start, case by case against the baseline: (expected - passed) / scored, days weighing alike.

    The interval holds the samples' chance, the days' wobble, and what the baseline leaves open. The start was chosen by the
    same runs, so an early estimate tends to be too large; it settles as runs come in.
    """
    logits = np.log(reference.passes) - np.log(reference.fails) + reference.offset[:, None]
    means = 1 / (1 + np.exp(-logits[0]))
    slope = float((means * (1 - means)).mean())
    losses, chance = [], []
    for passed, scored in counts:
        seen = scored[0] > 0
        observed = passed[0, seen] / scored[0, seen]
        # A re-run of a part of the cases must not weigh more than the whole: each case counts once a day.
        losses.append(float((means[seen] - observed).mean()))
        share = (passed[0, seen] + 0.5) / (scored[0, seen] + 1.0)
        chance.append(float((share * (1 - share) / scored[0, seen]).sum()) / int(seen.sum()) ** 2)
    days = len(losses)
    value = float(np.mean(losses))
    wobble = (slope * reference.wobble) ** 2 / days
    spread = float(np.sqrt(np.sum(chance) / days**2 + wobble + (slope * reference.doubt[0]) ** 2))
    return Drop(value, max(value - _Z * spread, -1.0), min(value + _Z * spread, 1.0))

"""One day's step of the sequential test, for many workflows at once: the simulation runs what ships.

While nothing has changed, a case passes with its own probability, moved in logits by the day's level; the day's level is
normal around the baseline's own, which is known as well as the approved runs tell. After a change the level is lower by one
of five shifts, or each case is broken with probability 5 %, or one in three (`wide`). The evidence is a Shiryaev-Roberts statistic: the sum over all
days on which the change could have begun of likelihood with the change over likelihood without, mixed over the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from afterpilot.decide.alarm import wide
from afterpilot.decide.alarm.likelihood import beta_binomial, by_case, log_sum
from afterpilot.decide.alarm.reference import DAY_LEVELS, DROPS, Floats, Reference

WINDOW = 10  # days back that a slice may have broken; an older start is in the uniform drops
WEIGHTS = np.log(
    [0.01, 0.43, 0.08, 0.02, 0.02, 0.27, 0.17]
)  # of the alternatives: five uniform drops, a slice, a wide one
NARROW, WIDE = len(DROPS), len(DROPS) + 1  # where the slices stand among them
BROKE = 0.05  # the share of cases that a slice breaks
BROKEN = (0.15, 0.85)  # the Beta of a broken case's pass probability
_NODES = np.array([-np.sqrt(3.0), 0.0, np.sqrt(3.0)])  # Gauss-Hermite, for the day's level
_NODE_WEIGHTS = np.log([1 / 6, 2 / 3, 1 / 6])
_ODDS = np.log(BROKE / (1 - BROKE))
RECOVERED = np.log(100.0)  # how many times better "over" must explain the latest days than "still there"
CALM = 2  # days for which it must; one good day after a bad one is no recovery


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of B workflows at the end of a day; logarithms throughout.

    ``passes``, ``fails`` (B, C): each case's counts, learned while there is no alarm; ``offset`` (B,) keeps their mean at the
    baseline's, so that learning which cases are hard never moves the bar. ``unchanged`` (B, U) and ``dropped`` (B, 5, U): the
    likelihood at each level of the baseline, without a change and summed over start dates; ``wide`` (B, V, U) by start date. ``starts`` (B, W): evidence of a
    slice by start date, today first; ``odds`` (B, W, C) that a case broke, and ``wide_odds`` (B, V, C); ``since_passed``, ``since_scored`` (B, W, C).
    ``open`` (B,): alarm raised; ``over`` (B,): evidence that it is over, for ``calm`` (B,) days on end. ``evidence`` (B,), ``parts`` (B, 7).
    """

    passes: Floats
    fails: Floats
    offset: Floats
    unchanged: Floats
    dropped: Floats
    wide: Floats
    wide_odds: Floats
    starts: Floats
    odds: Floats
    since_passed: Floats
    since_scored: Floats
    open: NDArray[np.bool_]
    over: Floats
    calm: Floats
    evidence: Floats
    parts: Floats

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Belief:
        """The belief about some of the workflows."""
        return Belief(*(getattr(self, field.name)[index] for field in fields(self)))

    def put(self, index: NDArray[np.intp] | NDArray[np.bool_], rows: Belief) -> None:
        """Write ``rows`` over some of the workflows, in place."""
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(rows, field.name)


def begin(reference: Reference) -> Belief:
    """The belief at the approval: nothing has been seen."""
    workflows, cases = reference.passes.shape
    levels = reference.prior.shape[-1]
    return Belief(
        passes=reference.passes.copy(),
        fails=reference.fails.copy(),
        offset=reference.offset.copy(),
        unchanged=reference.prior.copy(),
        dropped=np.full((workflows, len(DROPS), levels), -np.inf),
        wide=np.full((workflows, wide.SPAN, levels), -np.inf),
        wide_odds=np.full((workflows, wide.SPAN, cases), wide.ODDS),
        starts=np.full((workflows, WINDOW), -np.inf),
        odds=np.full((workflows, WINDOW, cases), _ODDS),
        since_passed=np.zeros((workflows, WINDOW, cases)),
        since_scored=np.zeros((workflows, WINDOW, cases)),
        open=np.zeros(workflows, dtype=bool),
        over=np.zeros(workflows),
        calm=np.zeros(workflows),
        evidence=np.full(workflows, -np.inf),
        parts=np.full((workflows, len(WEIGHTS)), -np.inf),
    )


@np.errstate(divide="ignore", invalid="ignore", under="ignore")  # -inf is the log of nothing yet seen
def step(reference: Reference, before: Belief, passed: Floats, scored: Floats, *, threshold: float) -> Belief:
    """The belief after a day with ``passed`` of ``scored`` samples (B, C), all runs of the day together.

    ``before`` is the belief at the end of the day before: with a further run of the same day, the day is counted anew from
    there, so that its runs share one wobble.
    """
    before = _opened(before)
    logits = np.log(before.passes) - np.log(before.fails) + before.offset[:, None]
    worth = before.passes + before.fails
    sound = by_case(logits, worth, passed, scored)
    likelihood = sound.sum(-1)
    peak = likelihood.max(-1, keepdims=True)
    weights = np.exp(likelihood - peak)
    levels = np.log((reference.kernel @ weights[:, None, :, None])[..., 0] + 1e-300) + peak[..., None]
    unchanged = before.unchanged + levels[:, 0]
    began = np.where(before.open[:, None], -np.inf, before.unchanged)[:, None]
    dropped = np.logaddexp(before.dropped, began) + levels[:, 1:]
    null = log_sum(unchanged)
    uniform = log_sum(dropped) - null[:, None]
    day = _day_level(reference, before, weights)
    starts, odds = _slices(before, logits, worth, day, passed, scored)
    bad = _lack(logits, passed, scored) > wide.BAD
    alive = wide.alive(before.wide, before.unchanged, before.evidence, is_open=before.open, bad=bad)
    broke, wide_odds = wide.weighed(
        reference,
        logits,
        worth,
        sound,
        (before.wide, before.wide_odds),
        (before.since_passed[:, : wide.SPAN], before.since_scored[:, : wide.SPAN]),
        (passed, scored),
        alive,
        BROKEN,
    )
    wider = before.wide + broke
    parts = np.stack([*uniform.T, log_sum(starts), log_sum(_flat(wider)) - null], -1) + WEIGHTS
    evidence, over = log_sum(parts), _over(before, levels, starts, broke)
    scale = unchanged.max(-1)
    after = replace(
        before,
        unchanged=unchanged - scale[:, None],
        dropped=dropped - scale[:, None, None],
        wide=wider - scale[:, None, None],
        wide_odds=wide_odds,
        starts=starts,
        odds=odds,
        since_passed=before.since_passed + passed[:, None],
        since_scored=before.since_scored + scored[:, None],
        evidence=evidence,
        parts=parts,
        over=over,
        calm=np.where(over >= RECOVERED, before.calm + 1, 0.0),
        open=before.open | (evidence >= np.log(threshold)),
    )
    return _learned(reference, after, passed, scored)


def _opened(before: Belief) -> Belief:
    """A new day: a slice may begin today (and the oldest start is forgotten), unless an alarm is open."""
    shut = before.open[:, None]
    moved = {
        name: np.where(
            shut[..., None] if getattr(before, name).ndim == 3 else shut,  # noqa: PLR2004
            getattr(before, name),
            np.concatenate([np.full_like(getattr(before, name)[:, :1], fresh), getattr(before, name)[:, :-1]], 1),
        )
        for name, fresh in (
            ("starts", 0.0),
            ("odds", _ODDS),
            ("since_passed", 0.0),
            ("since_scored", 0.0),
            ("wide_odds", wide.ODDS),
        )
    }
    begun = np.concatenate([before.unchanged[:, None], before.wide[:, :-1]], 1)
    moved["wide"] = np.where(shut[..., None], before.wide, begun)
    return replace(before, **moved)


def _lack(logits: Floats, passed: Floats, scored: Floats) -> Floats:
    """By how much (B,) a day's pass rate stays below what its cases promised."""
    expected = scored / (1 + np.exp(-logits))
    return np.asarray((expected - passed).sum(-1) / np.maximum(scored.sum(-1), 1.0))


def _flat(values: Floats) -> Floats:
    """All but the first axis as one."""
    return values.reshape(len(values), -1)


def _day_level(reference: Reference, before: Belief, weights: Floats) -> Floats:
    """Three nodes (B, 3) of the posterior of today's level where nothing changed."""
    level = np.exp(before.unchanged - before.unchanged.max(-1, keepdims=True))
    density = (level[:, None] @ reference.kernel[:, 0])[:, 0] * weights
    density /= density.sum(-1, keepdims=True) + 1e-300
    mean = density @ DAY_LEVELS
    deviation = np.sqrt(np.maximum(density @ DAY_LEVELS**2 - mean**2, 1e-6))
    return np.asarray(mean[:, None] + deviation[:, None] * _NODES)


def _slices(
    before: Belief, logits: Floats, worth: Floats, day: Floats, passed: Floats, scored: Floats
) -> tuple[Floats, Floats]:
    """The evidence of a slice that broke on each start date (B, W), and each case's odds of being in it (B, W, C)."""
    sound_means = 1 / (1 + np.exp(-logits[:, None] - day[..., None]))
    sound = beta_binomial(sound_means, worth[:, None], passed[:, None], scored[:, None])
    trials = before.since_scored + sum(BROKEN)
    broken = beta_binomial((before.since_passed + BROKEN[0]) / trials, trials, passed[:, None], scored[:, None])
    share = 1 / (1 + np.exp(-before.odds))
    ratio = np.exp(np.clip(broken, -200.0, 0.0))[:, :, None] * np.exp(np.clip(-sound, 0.0, 200.0))[:, None]
    gain = np.log(np.maximum(1 + share[:, :, None] * (ratio - 1), 1e-300)).sum(-1)
    odds = np.clip(before.odds + broken - sound[:, None, 1], -40.0, 40.0)
    return before.starts + log_sum(gain + _NODE_WEIGHTS), odds


def _over(before: Belief, levels: Floats, starts: Floats, broke: Floats) -> Floats:
    """Page's cumulative sum (B,) of how much better "over" explains the days of an open alarm than "still there"."""
    shares = before.parts - before.evidence[:, None]
    level = before.dropped - log_sum(before.dropped)[..., None]
    still = np.concatenate(
        [
            log_sum(level + levels[:, 1:]) - log_sum(level + levels[:, :1]),
            (log_sum(starts) - log_sum(before.starts))[:, None],
            (log_sum(_flat(before.wide + broke)) - log_sum(_flat(before.wide + levels[:, :1])))[:, None],
        ],
        -1,
    )
    gain = -log_sum(np.where(np.isfinite(shares), shares + still, -np.inf))
    return np.where(before.open, np.clip(before.over + np.where(np.isfinite(gain), gain, 0.0), 0.0, 2 * RECOVERED), 0.0)


def _learned(reference: Reference, after: Belief, passed: Floats, scored: Floats) -> Belief:
    """Counts learned from the day where no alarm is open, with their mean held at the baseline's; recovery starts anew."""
    learn = (~after.open)[:, None]
    passes = after.passes + np.where(learn, passed, 0.0)
    fails = after.fails + np.where(learn, scored - passed, 0.0)
    means = 1 / (1 + np.exp(np.log(fails) - np.log(passes) - after.offset[:, None]))
    slope = (means * (1 - means)).mean(-1) + 1e-9
    offset = np.clip(after.offset - np.clip((means.mean(-1) - reference.level) / slope, -0.5, 0.5), -4.0, 4.0)
    return replace(after, passes=passes, fails=fails, offset=np.where(after.open, after.offset, offset))


def watching(before: Belief, after: Belief, watch: float) -> NDArray[np.bool_]:
    """Which workflows (B,) should be run again today: suspected, not yet alarmed, and today made it worse.

    Old suspicion that no longer grows has nothing to confirm. A wide slice is suspected early: after one approved run the
    runs of two days hardly tell it from a suite that was never so good, while one more run of the same day does.
    """
    grown = (after.evidence >= np.log(watch)) & (after.evidence > before.evidence)
    broke = after.parts[:, WIDE] - WEIGHTS[WIDE]
    wider = (broke >= wide.WATCH) & (after.parts[:, WIDE] > before.parts[:, WIDE])
    return np.asarray((grown | wider) & ~after.open)


def recover(reference: Reference, belief: Belief) -> NDArray[np.bool_]:
    """Which alarms (B,) are over; their workflows start anew from the baseline, in place."""
    done = belief.open & (belief.calm >= CALM)
    if done.any():
        fresh = begin(reference)
        belief.put(done, fresh.rows(done))
    return np.asarray(done)

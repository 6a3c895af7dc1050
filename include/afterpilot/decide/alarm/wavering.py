"""Cases that waver by themselves, and judges that moved: two causes that are not the model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb
from typing import Any

from afterpilot.decide.paired import mcnemar
from afterpilot.domain.intervals import Interval, wilson

LEAST_SAMPLES = 8
FLAKY_BETWEEN = (0.05, 0.95)
MOVED_AT = 0.01


@dataclass(frozen=True, slots=True)
class Flaky:
    """A case that both passes and fails under one fingerprint: its pass share with a 95 % interval."""

    case: str
    passed: int
    scored: int
    share: Interval


def answerer(fingerprint: Mapping[str, Any]) -> tuple[object, ...]:
    """What must be the same for a case to waver by itself: prompt, model named, model that answered. Servers that answer in turn are
    one model.
    """
    answered = fingerprint.get("answered")
    model = answered.get("model") if isinstance(answered, Mapping) else None
    return fingerprint.get("prompt"), fingerprint.get("model"), model


def flaky(history: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[Flaky, ...]:
    """The flaky cases of ``history``, worst first: case id → (passed, scored) of each run under one fingerprint.

    While prompt, model, cases and judge stay the same, a case's runs are draws with one pass probability, and with a Beta for
    that probability its count is Beta-binomial: only the sums matter. A case is flaky where the whole 95 % interval of its
    probability lies above 5 % and below 95 %, from at least 8 samples; a single slip in a few runs is no evidence. A case
    that passed up to a day and failed ever since did not waver, it changed: where the order of its runs is more clustered
    than chance explains (one change of outcome, exact, below 5 %), it is left out.
    """
    found = [
        Flaky(case, passed, scored, wilson(passed, scored))
        for case, runs in history.items()
        if (scored := sum(of for _, of in runs)) >= LEAST_SAMPLES
        and 0 < (passed := sum(good for good, _ in runs)) < scored
        and not _changed_once(runs)
    ]
    low, high = FLAKY_BETWEEN
    kept = [case for case in found if case.share.low > low and case.share.high < high]
    return tuple(sorted(kept, key=lambda case: (abs(case.passed / case.scored - 0.5), case.case)))


def _changed_once(runs: Sequence[tuple[int, int]]) -> bool:
    """Whether all passing runs stand on one side of all failing ones, and that is no chance: 2 of n-choose-k orders."""
    whole = [good == of for good, of in runs if of]
    changes = sum(a != b for a, b in pairwise(whole))
    return changes == 1 and 2 / comb(len(whole), sum(whole)) < 0.05  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Moved:
    """What re-judging frozen answers showed: how many, which verdicts turned, and how often chance alone does as much."""

    answers: int
    to_fail: tuple[str, ...]
    to_pass: tuple[str, ...]
    p_value: float

    @property
    def moved(self) -> bool:
        """Whether the judge, rather than the model, is the cause to name (below 1 %)."""
        return self.p_value < MOVED_AT


def moved(then: Mapping[str, bool], now: Mapping[str, bool], *, noise: float = 0.02) -> Moved:
    """Whether a judge moved: its verdicts on the same frozen answers ``then`` and ``now`` (answer id → passed).

    The answers did not change, so each verdict that turned is the judge's. Two exact tests share the 1 % (Bonferroni): whether
    the turns lean to one side (McNemar), and whether there are more of them than ``noise``, the share of verdicts that the
    same judge turns between two readings, explains (upper binomial tail). Answers that only one reading has are left out.

    Raises:
        ValueError: ``noise`` is not between 0 and 1.
    """
    if not 0 <= noise < 1:
        raise ValueError(f"the noise of a judge is a share of verdicts, not {noise}")
    both = [answer for answer in then if answer in now]
    to_fail = tuple(answer for answer in both if then[answer] and not now[answer])
    to_pass = tuple(answer for answer in both if now[answer] and not then[answer])
    many = _upper_tail(len(to_fail) + len(to_pass), len(both), noise)
    return Moved(len(both), to_fail, to_pass, min(1.0, 2 * min(mcnemar(len(to_pass), len(to_fail)), many)))


def _upper_tail(turned: int, answers: int, noise: float) -> float:
    """The chance of at least ``turned`` of ``answers`` at probability ``noise`` each."""
    below = sum(comb(answers, k) * noise**k * (1 - noise) ** (answers - k) for k in range(turned))
    return max(0.0, 1.0 - below)

"""Whether a judge may decide: its agreement with people's own decisions, and whether it has moved on answers that did not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from afterpilot.decide.alarm import Moved
from afterpilot.decide.eval_words import short
from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import percent, wilson
from afterpilot.domain.judging import FLOOR, LEAST_LABELS, Judgement, Standing
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity, StageResult
from afterpilot.domain.workflow import Workflow

DRIFTED = "evals.judge_drifted"
MOST_UNUSABLE = 0.05  # of a judge's words; one that often has none cannot be relied on
_Z95 = 1.959963984540054  # of 95 %, two-sided
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa with its 95 % interval, from -1 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Drift:
    """A judge that says otherwise than at the approval on answers that did not change; its words are its own no more ``since`` then."""

    scorer: str
    judge: str
    moved: Moved
    since: datetime

    @property
    def line(self) -> str:
        """The drift as a cause."""
        turned = len(self.moved.to_fail) + len(self.moved.to_pass)
        return (
            f"the judge {self.scorer} drifted: of {self.moved.answers} answers that did not change it now judges {turned} "
            f"otherwise than at the approval ({len(self.moved.to_fail)} fail now, {len(self.moved.to_pass)} pass now)"
        )


def kappa(both: int, judge_only: int, people_only: int, neither: int) -> Kappa | None:
    """Agreement beyond chance (J. Cohen, 1960, Educ. Psychol. Meas. 20), of judge and people saying "right"; None where one
    class of words is all there is, of both.

    kappa = (p_o - p_e) / (1 - p_e). The interval is the large-sample one of J. L. Fleiss, J. Cohen and B. S. Everitt (1969,
    Psychol. Bull. 72), with half a count added to each of the four cells, and reaching to kappa itself: without that it has no
    width where both always agree, however few of one class there are.
    """
    value = _kappa(both, judge_only, people_only, neither)
    if value is None:
        return None
    cells = [count + 0.5 for count in (both, judge_only, people_only, neither)]
    centre, half = _kappa(*cells) or 0.0, _Z95 * _standard_error(*cells)
    low, high = max(-1.0, min(value, centre - half)), min(1.0, max(value, centre + half))
    return Kappa(value, low, high)


def standing(judge: str, scorer: str, judgements: Iterable[Judgement], floor: float | None = None) -> Standing:
    """Where a judge stands by its words on answers that people have decided on, oldest first; the latest on each counts.

    It may decide from 50 labels on, where the lower end of kappa's interval is not below the floor (0.6 unless given). A word
    that could not be used counts for nothing; with more than 5 % of these it may not decide. Other judges' words, and those
    without a label, are left out.
    """
    floor = FLOOR if floor is None else floor
    own = {one.subject: one for one in judgements if one.judge == judge and one.label is not None}
    pairs = [(one.passed, bool(one.label)) for one in own.values() if one.passed is not None]
    here = Standing(judge, scorer, len(pairs), trusted=False, why="", floor=floor)
    if not pairs:
        asked = f" It was asked {plural(len(own), 'time')} and gave no usable word." if own else ""
        return replace(here, why=f"No person's decision has been compared with its word yet.{asked}")
    agreed = wilson(sum(said == label for said, label in pairs), len(pairs))
    found = _of(pairs)
    here = replace(
        here,
        agreement=agreed.value,
        agreement_interval=(agreed.low, agreed.high),
        kappa=found.value if found else None,
        kappa_interval=(found.low, found.high) if found else None,
    )
    if why := _why_not(pairs, len(own), found, floor):
        return replace(here, why=why)
    return replace(
        here,
        trusted=True,
        why=f"It agrees with people on {percent(agreed.value)} of {len(pairs)} decisions, and {_beyond(found)}: it decides.",
    )


def after_drift(here: Standing, drift: Drift) -> Standing:
    """The standing of a judge that drifted, as counted from its words since then."""
    day = f"{drift.since:%Y-%m-%d}"
    if here.trusted:
        return replace(here, why=f"It drifted on {day} and was measured anew since. {here.why}")
    return replace(here, why=f"It drifted on {day}: only what it said since then counts. {here.why}")


def with_judges(
    result: StageResult,
    workflow: Workflow,
    standings: Sequence[Standing],
    drifts: Sequence[Drift],
    *,
    looked: bool,
) -> StageResult:
    """A run's result with where its judges stood as it began, and a finding for each of ``drifts``; ``looked`` is whether any could
    be seen.
    """
    decided = {(one.scorer, one.judge) for one in standings if one.trusted}
    found = [judge_drifted(workflow, drift, decided=(drift.scorer, drift.judge) in decided) for drift in drifts]
    return replace(
        result,
        findings=(*result.findings, *found),
        evidence={**result.evidence, **({"judges": [as_evidence(one) for one in standings]} if standings else {})},
        covered=(*result.covered, DRIFTED) if looked or not standings else result.covered,
    )


def judge_drifted(workflow: Workflow, drift: Drift, *, decided: bool) -> Finding:
    """A warning: the judge is not the one that was measured, whatever it is called; ``decided`` is whether it did in this run."""
    moved = drift.moved
    now = (
        "From the next run on its scores are advisory." if decided else "Its scores are advisory: they decide nothing."
    )
    turned = [f"now fails: {one}" for one in moved.to_fail] + [f"now passes: {one}" for one in moved.to_pass]
    return Finding(
        workflow=workflow.slug,
        stage=Stage.EVALUATE,
        kind=DRIFTED,
        severity=Severity.WARNING,
        title=f"The judge {short(drift.scorer)} judges {len(turned)} of {moved.answers} unchanged answers otherwise than before",
        about=short(drift.scorer),
        detail="The answers are those of the approved baseline, so the judge has changed, not the model under test. "
        f"{now}",
        evidence={
            "certainty": f"as many turns happen by chance with a probability of {max(moved.p_value, 1e-6):.1g}",
            "cost": "a case that this judge decides may pass or fail for the judge's own reasons"
            if decided
            else "nothing is decided by this judge until it is measured anew",
            "to_do": "See whether the judge's model was changed behind its name. It decides again once 50 labels judged since "
            "then agree, or a new baseline is approved.",
            "examples": [short(line) for line in turned[:_NAMED]],
            "answers": moved.answers,
            "to_fail": list(moved.to_fail),
            "to_pass": list(moved.to_pass),
            "p_value": moved.p_value,
        },
    )


def as_evidence(here: Standing) -> dict[str, Any]:
    """A standing as JSON-serialisable data."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(here).items()}


def _why_not(pairs: Sequence[tuple[bool, bool]], asked: int, found: Kappa | None, floor: float) -> str:
    """Why a judge may not decide; empty where it may."""
    labels = {label for _, label in pairs}
    if len(pairs) < LEAST_LABELS:
        return f"Its word was compared with {len(pairs)} of the {LEAST_LABELS} decisions of people that it takes."
    if asked - len(pairs) > MOST_UNUSABLE * asked:
        return f"It gave no usable word on {asked - len(pairs)} of {asked} answers; at most {percent(MOST_UNUSABLE)} may be so."
    if len(labels) == 1 or found is None:
        word, other = ("accepted", "corrected or rejected") if True in labels else ("corrected or rejected", "accepted")
        return (
            f"People {word} all {len(pairs)} answers that it judged: kappa says nothing until some were {other} "
            "and judged too."
        )
    if found.low < floor:
        return (
            f"Its agreement with people is too weak: {_beyond(found)}, of which the lower end must reach {floor:.2f}."
        )
    return ""


def _beyond(found: Kappa | None) -> str:
    return (
        "kappa is not known"
        if found is None
        else f"kappa is {found.value:.2f} (95 % {found.low:.2f} to {found.high:.2f})"
    )


def _of(pairs: Sequence[tuple[bool, bool]]) -> Kappa | None:
    counts: Mapping[tuple[bool, bool], int] = {
        (said, label): sum(pair == (said, label) for pair in pairs) for said in (True, False) for label in (True, False)
    }
    return kappa(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def _kappa(both: float, judge_only: float, people_only: float, neither: float) -> float | None:
    total = both + judge_only + people_only + neither
    if not total:
        return None
    observed = (both + neither) / total
    judge, people = (both + judge_only) / total, (both + people_only) / total
    chance = judge * people + (1 - judge) * (1 - people)
    return None if chance >= 1 else (observed - chance) / (1 - chance)


def _standard_error(both: float, judge_only: float, people_only: float, neither: float) -> float:
    """Equation 13 of Fleiss, Cohen and Everitt for two classes."""
    total = both + judge_only + people_only + neither
    a, b, c, d = (count / total for count in (both, judge_only, people_only, neither))
    judge, people = (a + b, c + d), (a + c, b + d)
    observed, chance = a + d, judge[0] * people[0] + judge[1] * people[1]
    value = (observed - chance) / (1 - chance)
    same = sum(share * (1 - (judge[i] + people[i]) * (1 - value)) ** 2 for i, share in ((0, a), (1, d)))
    other = (1 - value) ** 2 * (b * (people[0] + judge[1]) ** 2 + c * (people[1] + judge[0]) ** 2)
    variance = (same + other - (value - chance * (1 - value)) ** 2) / (total * (1 - chance) ** 2)
    return math.sqrt(max(0.0, variance))

"""What an eval run measured: which cases pass, which are waived, and the figures by scorer, slice, class and field."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median, quantiles
from typing import Any

from afterpilot.domain.evals import Case, Sample, Waiver
from afterpilot.domain.workflow import Evals

LEAST_SCORED = 0.95  # of samples and of cases; below it nothing is said about the model
_PERCENTILE_CASES = 2
_MOST_CLASSES = 50  # more different answers are free text, not classes
_MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Measured:
    """A run before it is judged.

    ``scored`` are the samples of the suite's own epochs that say something. ``passed`` is case → passed by the suite's reducer,
    without waived cases; ``waived`` holds those with their waiver. ``outcomes`` is case → (samples passed, samples scored) of
    all cases that are not waived. ``expired`` are waivers that hold no more.
    """

    evals: Evals
    expected: int
    samples: tuple[Sample, ...]
    scored: tuple[Sample, ...]
    passed: Mapping[str, bool]
    waived: Mapping[str, tuple[Waiver, bool | None]]
    outcomes: Mapping[str, tuple[int, int]]
    expired: tuple[Waiver, ...]
    valid: bool
    figures: Mapping[str, Any]

    @property
    def verdicts(self) -> dict[str, bool | None]:
        """The cases of which the suite's reducer says otherwise than that all their epochs passed; None where it cannot say."""
        plain = {case: passed == scored for case, (passed, scored) in self.outcomes.items()}
        return {case: self.passed.get(case) for case, passed in plain.items() if self.passed.get(case) is not passed}


def measure(evals: Evals, samples: Sequence[Sample], *, today: date) -> Measured:
    """Put a run's samples together; those of later epochs than the suite's own (re-runs to confirm) are left out."""
    own = tuple(sample for sample in samples if sample.epoch < evals.epochs)
    by_case: dict[str, list[Sample]] = {case.id: [] for case in evals.cases}
    for sample in own:
        by_case.setdefault(sample.case_id, []).append(sample)
    scored = tuple(sample for sample in own if sample.scored)
    reduced = {case: evals.reducer.passes(found) for case, found in by_case.items()}
    waivers = {case.id: waiver for case in evals.cases if (waiver := _waiver(evals, case, today)) is not None}
    passed = {case: good for case, good in reduced.items() if good is not None and case not in waivers}
    expected = len(evals.cases) * evals.epochs
    said = sum(good is not None for good in reduced.values())
    valid = bool(scored) and len(scored) >= LEAST_SCORED * expected and said >= LEAST_SCORED * len(evals.cases)
    figures = _figures(evals, own, scored, passed)
    return Measured(
        evals=evals,
        expected=expected,
        samples=own,
        scored=scored,
        passed=passed,
        waived={case: (waiver, reduced.get(case)) for case, waiver in waivers.items()},
        outcomes=outcomes(scored, without=waivers),
        expired=tuple(waiver for waiver in evals.waivers if waiver.until < today and _covers_any(evals, waiver)),
        valid=valid,
        figures=figures | ({"waived": _waived(waivers, reduced)} if waivers else {}),
    )


def outcomes(samples: Iterable[Sample], *, without: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Case → (samples passed, samples scored); a case that could not be scored is left out."""
    counts: dict[str, tuple[int, int]] = {}
    for sample in samples:
        if sample.scored and sample.case_id not in without:
            passed, scored = counts.get(sample.case_id, (0, 0))
            counts[sample.case_id] = (passed + sample.passed, scored + 1)
    return counts


def _waiver(evals: Evals, case: Case, today: date) -> Waiver | None:
    return next((waiver for waiver in evals.waivers if waiver.until >= today and waiver.covers(case)), None)


def _covers_any(evals: Evals, waiver: Waiver) -> bool:
    return any(waiver.covers(case) for case in evals.cases)


def _waived(waivers: Mapping[str, Waiver], reduced: Mapping[str, bool | None]) -> list[dict[str, Any]]:
    return [
        {
            "case": case,
            "passed": reduced.get(case),
            "until": waiver.until.isoformat(),
            "by": waiver.by,
            "why": waiver.why,
            **({"tag": waiver.tag} if waiver.tag else {}),
        }
        for case, waiver in list(waivers.items())[:_MOST_LISTED]
    ]


def _figures(
    evals: Evals, samples: Sequence[Sample], scored: Sequence[Sample], passed: Mapping[str, bool]
) -> dict[str, Any]:
    """Everything that the run measured; costs are None where any call has no price."""
    asked = [sample for sample in samples if sample.attempts]
    costs = [sample.cost for sample in asked]
    latencies = sorted(sample.latency_ms for sample in scored if sample.latency_ms is not None)
    fields = _by_field(samples)
    return {
        "samples": len(samples),
        "scored": len(scored),
        "errors": sum(bool(sample.error) for sample in samples),
        **({"unusable": unusable} if (unusable := _unusable(samples)) else {}),
        "by_scorer": _by_scorer(samples),
        "by_tag": _by_tag(evals, passed),
        "by_class": _by_class(evals, scored),
        **({"by_field": fields} if fields else {}),
        "cost": None
        if None in costs or not costs
        else str(sum((cost for cost in costs if cost is not None), Decimal(0))),
        "unpriced_calls": costs.count(None),
        "latency_ms_p50": median(latencies) if latencies else None,
        "latency_ms_p95": quantiles(latencies, n=20, method="inclusive")[-1]
        if len(latencies) >= _PERCENTILE_CASES
        else None,
        "input_tokens": sum(sample.usage.input_tokens or 0 for sample in asked if sample.usage),
        "output_tokens": sum(sample.usage.output_tokens or 0 for sample in asked if sample.usage),
    }


def _unusable(samples: Iterable[Sample]) -> dict[str, int]:
    """How many judgements of each advisory judge could not be used; those that all could are left out."""
    return dict(Counter(score.scorer for sample in samples for score in sample.scores if score.unusable))


def _by_scorer(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Share and mean value of each scorer; one that is advisory says so."""
    found: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    advisory: set[str] = set()
    for sample in samples:
        for score in sample.scores if not sample.error else ():
            if score.unusable:
                continue
            found[score.scorer].append((score.passed, score.value))
            if score.advisory:
                advisory.add(score.scorer)
    return {
        name: {
            **_share([passed for passed, _ in pairs]),
            "mean": sum(value for _, value in pairs) / len(pairs),
            **({"advisory": True} if name in advisory else {}),
        }
        for name, pairs in sorted(found.items())
    }


def _by_tag(evals: Evals, passed: Mapping[str, bool]) -> dict[str, dict[str, Any]]:
    """The slices: cases by tag, waived ones apart."""
    return _shares((tag, passed[case.id]) for case in evals.cases if case.id in passed for tag in case.tags)


def _by_class(evals: Evals, scored: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Recall of each class where the whole answer is a class: a model that always says the same looks good on average only."""
    if not any(spec.field == "" and spec.name in {"exact", "one_of"} for spec in evals.scorers):
        return {}
    classes = {case.id: str(case.expected[""]) for case in evals.cases if "" in case.expected}
    if len(set(classes.values())) > _MOST_CLASSES:
        return {}
    return _shares((classes[sample.case_id], sample.passed) for sample in scored if sample.case_id in classes)


def _by_field(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Precision and recall of each field over all answers that were compared field by field; list places count together.

    Precision is right / given, recall is right / expected; None without any.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for score in sample.scores if not sample.error else ():
            for kind in ("right", "wrong", "missing", "extra") if "f1" in score.details else ():
                for path in score.details.get(kind, ()):
                    counts[re.sub(r"\[\d+\]", "[]", str(path))][kind] += 1
    told: dict[str, dict[str, Any]] = {}
    for name, found in sorted(counts.items())[:_MOST_LISTED]:
        given = found["right"] + found["wrong"] + found["extra"]
        expected = found["right"] + found["wrong"] + found["missing"]
        told[name] = {
            "right": found["right"],
            "given": given,
            "expected": expected,
            "precision": found["right"] / given if given else None,
            "recall": found["right"] / expected if expected else None,
        }
    return told


def _shares(pairs: Iterable[tuple[str, bool]]) -> dict[str, dict[str, Any]]:
    counts: dict[str, list[bool]] = defaultdict(list)
    for name, passed in pairs:
        counts[name].append(passed)
    return {name: _share(found) for name, found in sorted(counts.items())}


def _share(found: Sequence[bool]) -> dict[str, Any]:
    return {"passed": sum(found), "of": len(found), "share": sum(found) / len(found)}

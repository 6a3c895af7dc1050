"""Where the judges of a suite stand, and which may decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from afterpilot.decide.alarm import moved
from afterpilot.decide.judging import Drift, after_drift, standing
from afterpilot.domain.evals import Case, ScorerSpec
from afterpilot.domain.judging import FLOOR, Standing, is_judge, judge_sha256
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.evals.suites import suite_of
from afterpilot.record.evals.judgements import FROZEN
from afterpilot.record.ops import Unit


@dataclass(frozen=True, slots=True)
class Frozen:
    """The answers of the approved run ``run`` that a judge can be asked about again, by subject: case, answer, its word then."""

    run: str
    answers: Mapping[str, tuple[Case, str, bool]]


def judges_of(evals: Evals) -> tuple[ScorerSpec, ...]:
    """The judges of a suite and of its cases, each once."""
    specs = (*evals.scorers, *(spec for case in evals.cases for spec in case.scorers))
    return tuple({(spec.label, judge_sha256(spec)): spec for spec in specs if is_judge(spec)}.values())


def advisory(unit: Unit, workflow: Workflow, *, before: datetime | None = None) -> frozenset[str]:
    """The labels of the scorers that decide nothing: judges on probation, by what was known ``before`` a moment."""
    return frozenset(one.scorer for one in standings(unit, workflow, before=before) if not one.trusted)


def standings(unit: Unit, workflow: Workflow, *, before: datetime | None = None) -> Sequence[Standing]:
    """Where each judge of the suite stands, by what was known ``before`` a moment.

    Of a judge that drifted, only what it said since counts.
    """
    if workflow.evals is None:
        return ()
    found = []
    for spec in judges_of(workflow.evals):
        sha256 = judge_sha256(spec)
        floor = float(spec.params.get("floor", FLOOR))
        drift = drift_of(unit, workflow, spec, before=before)
        words = unit.judgements.labelled(workflow.slug, sha256, before=before, since=drift.since if drift else None)
        here = standing(sha256, spec.label, words, floor)
        found.append(after_drift(here, drift) if drift else here)
    return found


def drifted(unit: Unit, workflow: Workflow, *, deciding: Collection[str]) -> Sequence[str]:
    """Which judges drifted, each as a cause: they say otherwise of the approved run's answers than they did then.

    One that does not decide breaks no case, and is no cause.
    """
    return [drift.line for drift in drifts(unit, workflow) if drift.scorer in deciding]


def drifts(unit: Unit, workflow: Workflow) -> Sequence[Drift]:
    """The judges that drifted, as far as is known now."""
    specs = judges_of(workflow.evals) if workflow.evals else ()
    return [drift for spec in specs if (drift := drift_of(unit, workflow, spec)) is not None]


def drift_of(unit: Unit, workflow: Workflow, spec: ScorerSpec, *, before: datetime | None = None) -> Drift | None:
    """How a judge drifted since the approval, by its latest words on the frozen answers; None where it did not, as far as is known.

    It drifted at the moment from which on its words have shown so: being asked about the same answers again moves that not.
    """
    frozen = frozen_of(unit, workflow, spec)
    baseline = unit.baselines.newest(workflow.slug)
    if frozen is None or baseline is None:
        return None
    sha256 = judge_sha256(spec)
    then = {subject: passed for subject, (_, _, passed) in frozen.answers.items()}
    now: dict[str, bool] = {}
    drift = None
    for words in unit.judgements.frozen_by_moment(workflow.slug, sha256, baseline.run_id, before=before):
        now |= words.passed
        found = moved(then, now)
        if not found.answers or not found.moved:
            drift = None
        else:
            drift = Drift(spec.label, sha256, found, drift.since if drift else words.at)
    return drift


def frozen_of(unit: Unit, workflow: Workflow, spec: ScorerSpec) -> Frozen | None:
    """The approved run's answers to cases that are still the same; None without an approval, or where another judge judged them."""
    baseline = unit.baselines.newest(workflow.slug)
    result = next(iter(unit.eval_results.of_runs([baseline.run_id])), None) if baseline else None
    if baseline is None or result is None or workflow.evals is None:
        return None
    said = str(result.fingerprint.get("judges", {}).get(spec.label, ""))
    if not said.startswith(judge_sha256(spec)[:12]):
        return None
    _, then = unit.eval_results.suites(workflow.slug, [result.suite]).get(result.suite, ("", {}))
    now = suite_of(workflow.evals, ()).digests
    cases = {case.id: case for case in workflow.evals.cases if then.get(case.id) == now[case.id]}
    answers = unit.judgements.frozen_answers(baseline.run_id, result.at, spec.label)
    return Frozen(
        str(baseline.run_id),
        {
            f"{FROZEN}{baseline.run_id}/{one.case}/{one.epoch}": (cases[one.case], one.output, one.passed)
            for one in answers
            if one.case in cases
        },
    )

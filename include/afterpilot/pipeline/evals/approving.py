"""Approves the runs that later ones are compared with: a recorded decision of a person."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from afterpilot.decide.alarm import RunOutcome, State, answerer, detectable
from afterpilot.decide.paired import Compared, compare
from afterpilot.decide.paired import report as compared_in_words
from afterpilot.domain.errors import CheckError
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.evals.alarming import Terms, terms_held, terms_of
from afterpilot.pipeline.services import Services
from afterpilot.record.evals.baselines import Baseline
from afterpilot.record.evals.results import EvalResult
from afterpilot.record.ops import Unit

MOST_RUNS = 30


@dataclass(frozen=True, slots=True)
class Approval:
    """What was approved: the run with its result, how many ``runs`` with it, and how it stands against the ``former`` baseline."""

    run: Run
    result: EvalResult
    runs: tuple[uuid.UUID, ...]
    former: Baseline | None
    compared: Compared | None

    @property
    def report(self) -> str:
        """The A/B report against the former baseline, in words."""
        if self.former is None:
            return "There was no baseline before."
        if self.compared is None:
            return "The results of the baseline before are not kept: nothing can be compared."
        return f"Against the baseline before (run {self.former.run_id}): {compared_in_words(self.compared)}"


@dataclass(frozen=True, slots=True)
class Standing:
    """The baseline that holds: how many of its run's cases passed, and what the suite ``detects`` against it, in words.

    ``terms`` are what the alarm is told; None where the workflow declares no evals.
    """

    baseline: Baseline
    passed: int
    cases: int
    detects: str
    terms: Terms | None = None


def standing(services: Services, workflow: Workflow) -> Standing | None:
    """The approved baseline of a workflow, or None; it takes a second to simulate what it detects."""
    with services.ops.begin() as unit:
        baseline = unit.baselines.newest(workflow.slug)
        results = unit.eval_results.of_runs(baseline.runs) if baseline else ()
    if baseline is None:
        return None
    runs = [RunOutcome(result.at.astimezone(UTC).date(), result.outcomes) for result in results]
    detects = "Its results are not kept: nothing is compared with it. Approve a newer run."
    terms = None if workflow.evals is None else terms_held(services, workflow, workflow.evals, baseline)
    if terms is not None and any(run.outcomes for run in runs):
        detects = str(detectable(runs, terms.settings))
    cases = results[-1].passes if results else {}
    return Standing(baseline, sum(cases.values()), len(cases), detects, terms)


def approve(
    services: Services, workflow: Workflow, *, by: str, note: str = "", run_id: uuid.UUID | None = None
) -> Approval:
    """Approve a run, the newest one unless said; with it count earlier valid runs of the same suite, prompt and model.

    They reach back to the last change of any of these or of what answered, at most 30 in all: the more there are, the better
    the alarm knows which cases waver. What the alarm is told is fixed here, until the next approval.

    Raises:
        CheckError: there is no such run, or it could not be judged.
    """
    terms = None if workflow.evals is None else terms_of(services, workflow, workflow.evals).as_kept()
    with services.ops.begin() as unit:
        run, result = _run(unit, workflow, run_id)
        runs = tuple(one.run_id for one in _alike(unit, result))
        former = unit.baselines.newest(workflow.slug)
        compared = _against(unit, result, former)
        unit.baselines.approve(workflow.slug, runs, by=by, note=note, at=services.now(), terms=terms)
    return Approval(run, result, runs, former, compared)


def _run(unit: Unit, workflow: Workflow, run_id: uuid.UUID | None) -> tuple[Run, EvalResult]:
    run = unit.runs.latest(workflow.slug, Stage.EVALUATE) if run_id is None else unit.runs.get(run_id)
    if run is None or run.workflow != workflow.slug or run.stage is not Stage.EVALUATE:
        wanted = f"no eval run {run_id}" if run_id else "no eval run"
        raise CheckError(f"{workflow.slug} has {wanted}: run `afterpilot run {workflow.slug} --stage evaluate`")
    result = next(iter(unit.eval_results.of_runs([run.id])), None)
    if run.verdict is Verdict.UNKNOWN or result is None or not result.valid:
        raise CheckError(f"the run {run.id} of {workflow.slug} could not be judged ({run.summary}): it is no baseline")
    return run, result


def _alike(unit: Unit, result: EvalResult) -> Sequence[EvalResult]:
    """The run and the earlier valid ones that say the same, oldest first."""
    kept = [result]
    for earlier in reversed(unit.eval_results.before(result.workflow, result.at, limit=MOST_RUNS - 1)):
        if _marks(earlier) != _marks(result):
            break
        kept.append(earlier)
    return kept[::-1]


def _marks(result: EvalResult) -> tuple[object, ...]:
    """What must be the same; an alarm parts the runs before it from those since."""
    marks = result.fingerprint
    return (result.suite, marks.get("declaration"), *answerer(marks), result.alarm == str(State.ALARM))


def _against(unit: Unit, result: EvalResult, former: Baseline | None) -> Compared | None:
    """The run against the former baseline's, case by case; None where there is none to compare with."""
    then = next(iter(unit.eval_results.of_runs([former.run_id])), None) if former else None
    compared = compare(result.passes, then.passes) if then else None
    return compared if compared is not None and compared.cases else None

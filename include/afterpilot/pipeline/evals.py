"""The stage of evals."""

from __future__ import annotations

from collections.abc import Sequence

from afterpilot.decide.evals import judge_evals
from afterpilot.domain.errors import CheckError, ConfigurationError
from afterpilot.domain.evals import Sample
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Evals, Workflow
from afterpilot.pipeline.conclude import concluded, crashed, finished
from afterpilot.pipeline.services import Services


def evaluate(services: Services, workflow: Workflow, *, trigger: Trigger) -> Run:
    """Run the eval suite against the live model, and compare with the approved baseline.

    Samples are kept as they come; an attempt that was cut off goes on where it stopped.
    """
    if (done := finished(services, workflow, Stage.EVALUATE, trigger)) is not None:
        return done
    if workflow.evals is None:
        raise CheckError(f"{workflow.slug} declares no evals")
    try:
        runner = services.runner(workflow)
    except ConfigurationError as error:  # nobody can be asked; a retry cannot help
        return crashed(services, workflow, Stage.EVALUATE, error, trigger=trigger)
    started = services.now()
    run_id = Run.identity(workflow.slug, Stage.EVALUATE, trigger)
    with services.ops.begin() as unit:
        began = unit.samples.began_at(run_id) or started
        earlier = unit.samples.scored(run_id)
        failed = unit.samples.failed(run_id)
        baseline = unit.samples.baseline(workflow.slug)

    def keep(sample: Sample) -> None:
        with services.ops.begin() as unit:
            unit.samples.add(sample, workflow=workflow.slug, run_id=run_id, began_at=began)
            if sample.attempts:
                # Each attempt of the run pays for its own calls, also where an earlier one asked the same case in vain.
                ref = f"{run_id}/{sample.case_id}/{sample.epoch}/{started:%Y%m%dT%H%M%S.%f}"
                unit.records.write_usage([(workflow.slug, "eval", ref, began, sample.usage)])

    samples = runner.run(workflow.evals, keep=keep, done=earlier, failed=failed)
    baseline_run, passed = baseline or (None, None)
    result = judge_evals(workflow, samples, passed, baseline_of=str(baseline_run or ""))
    window = Window(began, services.now())
    versions = _eval_versions(workflow.evals, samples)
    return concluded(services, result, workflow, window, trigger, started, versions=versions)


def _eval_versions(evals: Evals, samples: Sequence[Sample]) -> dict[str, str]:
    """The fingerprint of what was tested: model asked and answered, prompt and cases."""
    answered = sorted({sample.usage.model for sample in samples if sample.usage and sample.usage.model})
    return {
        "model": evals.target.name,
        "model_answered": ", ".join(answered),
        "prompt": evals.target.prompt.sha256,
        "cases": evals.sha256,
    }

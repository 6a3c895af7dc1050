"""What came of it: spot checks and the report of the week."""

from __future__ import annotations

from airflow.sdk import task

from afterpilot import pipeline
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context
from afterpilot.orchestration.batches import Batch
from afterpilot.orchestration.tasks.results import verdicts_of
from afterpilot.wiring import Wired


@task
def judge_review() -> dict[str, str]:
    """Look at what people decided: how often workflows are wrong when nobody looks, and how well people look."""
    trigger = context.trigger()
    slugs = [workflow.slug for workflow in context.wired().declarations.workflows if workflow.stage != "retired"]

    def work(wired: Wired, workflow: Workflow) -> Run:
        return pipeline.judge_review(wired.services, workflow, trigger=trigger)

    return verdicts_of(batches.each({"label": "the fleet", "workflows": slugs}, Stage.REVIEW, work))


@task(map_index_template="{{ batch_label }}")
def report(batch: Batch) -> dict[str, str]:
    """Put the week's outcomes together, one message for each owner; earlier weeks whose figures have changed are corrected."""
    trigger, at = context.trigger(), context.until()

    def work(wired: Wired, workflow: Workflow) -> Run:
        run = pipeline.report(wired.services, workflow, at=at, trigger=trigger)
        pipeline.correct_reports(wired.services, workflow, trigger=trigger)
        return run

    return verdicts_of(batches.each(batch, Stage.REPORT, work))

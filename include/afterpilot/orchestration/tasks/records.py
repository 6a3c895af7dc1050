"""The path of the records: pull, check, route; and the outputs that wait for their release."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import AssetAlias, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from afterpilot import pipeline
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context
from afterpilot.orchestration.batches import Batch
from afterpilot.orchestration.tasks.results import announce_assets, verdicts_of
from afterpilot.wiring import Wired

RECORDS_ALIAS = "afterpilot.records"


@task
def plan(kind: str, schedule: str) -> list[Batch]:
    """Decide which workflows this DAG run covers."""
    return batches.plan(kind, schedule)


@task(map_index_template="{{ batch_label }}")
def pull(batch: Batch) -> Batch:
    """Bring production records into the ops database."""
    until, trigger = context.until(), context.trigger()

    def work(wired: Wired, workflow: Workflow) -> Run:
        return pipeline.pull(wired.services, workflow, until=until, trigger=trigger)

    runs = batches.each(batch, Stage.PULL, work, others_wait=True)
    windows = {slug: [run.window.start.isoformat(), run.window.end.isoformat()] for slug, run in runs.items()}
    unread = [slug for slug, run in runs.items() if run.verdict is Verdict.UNKNOWN]
    broken = batches.broken(batch, runs)
    return {**batch, "workflows": list(runs), "windows": windows, "unread": unread, "broken": broken}


@task(map_index_template="{{ batch_label }}", outlets=[AssetAlias(RECORDS_ALIAS)])
def check(batch: Batch) -> Batch:
    """Judge the quality expectations over what was pulled, of all workflows of the batch together."""
    trigger = context.trigger()
    outcomes: dict[str, Run | Exception] = {}

    def together(wired: Wired) -> None:
        loaded = {workflow.slug: workflow for workflow in wired.declarations.workflows}
        read = [slug for slug in batch["workflows"] if slug in loaded and slug not in batch["unread"]]
        windows = [(loaded[slug], _window(batch, slug)) for slug in read]
        outcomes.update(pipeline.check_all(wired.services, windows, trigger=trigger))

    def work(wired: Wired, workflow: Workflow) -> Run:
        if workflow.slug in batch["unread"]:
            return pipeline.not_run(
                wired.services,
                workflow,
                Stage.CHECK,
                "the source could not be read",
                window=_window(batch, workflow.slug),
                trigger=trigger,
            )
        if not outcomes:
            together(wired)
        if isinstance(outcome := outcomes[workflow.slug], Exception):
            raise outcome
        return outcome

    runs = batches.each(batch, Stage.CHECK, work, others_wait=True)
    announce_assets(RECORDS_ALIAS, "records", runs)
    return {**batch, "workflows": list(runs), "broken": batches.broken(batch, runs)}


@task(map_index_template="{{ batch_label }}")
def route(batch: Batch) -> dict[str, str]:
    """Release each output that passes its checks, and send the others to people; then correct the reported weeks that late rows
    or late decisions have changed.

    Raises:
        AirflowFailException: an earlier stage broke for some workflow of the batch; the others are done.
    """
    trigger = context.trigger()

    def work(wired: Wired, workflow: Workflow) -> Run:
        run = pipeline.gate(wired.services, workflow, window=_window(batch, workflow.slug), trigger=trigger)
        pull = Run.identity(workflow.slug, Stage.PULL, trigger)
        pipeline.correct_reports(wired.services, workflow, trigger=trigger, pull=pull)
        return run

    verdicts = verdicts_of(batches.each(batch, Stage.GATE, work))
    if batch["broken"]:
        raise AirflowFailException(f"an earlier stage broke for {', '.join(batch['broken'])}; see the run history")
    return verdicts


@task
def plan_gates() -> list[Batch]:
    """Decide which workflows have outputs that wait for release: all that declare `release`."""
    planned = batches.plan_gates()
    context.wired().passed(context.trigger().dag_id)
    return planned


@task(map_index_template="{{ batch_label }}")
def gate(batch: Batch) -> dict[str, str]:
    """Decide on outputs that wait for release, and tell production."""
    trigger, until = context.trigger(), datetime.now(UTC)

    def work(wired: Wired, workflow: Workflow) -> Run | None:
        return pipeline.gate_waiting(wired.services, workflow, until=until, trigger=trigger)

    return verdicts_of(batches.each(batch, Stage.GATE, work))


@task_group
def records_path(batch: Batch) -> None:
    """One batch of workflows goes pull → check → route."""
    route(check(pull(batch)))


def _window(batch: Batch, slug: str) -> Window:
    start, end = batch["windows"][slug]
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))

"""The tasks of all DAGs. Each is thin: it finds its workflows and calls the stage of :mod:`afterpilot.pipeline`."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, get_current_context, task, task_group
from airflow.sdk.exceptions import AirflowFailException

from afterpilot import pipeline
from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET, Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context
from afterpilot.orchestration.batches import Batch
from afterpilot.wiring import Wired

log = logging.getLogger(__name__)
RECORDS_ALIAS = "afterpilot.records"
EVALS_ALIAS = "afterpilot.evals"
LONGEST_WAIT = timedelta(minutes=30)  # of a message, before the task that delivers turns red


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
    _announce_assets(RECORDS_ALIAS, "records", runs)
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

    verdicts = _verdicts(batches.each(batch, Stage.GATE, work))
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

    return _verdicts(batches.each(batch, Stage.GATE, work))


@task_group
def records_path(batch: Batch) -> None:
    """One batch of workflows goes pull → check → route."""
    route(check(pull(batch)))


@task(map_index_template="{{ batch_label }}", outlets=[AssetAlias(EVALS_ALIAS)])
def evaluate(batch: Batch) -> dict[str, str]:
    """Measure the judges on what people have decided since, then run the eval suites against the live models."""
    trigger = context.trigger()
    # A workflow that waits for its turn in a batch may be found changed by the next probe too: one suite is enough.
    since = context.until() if trigger.dag_id == pipeline.PROBE else None

    def work(wired: Wired, workflow: Workflow) -> Run:
        if (done := pipeline.evaluated_since(wired.services, workflow, since)) is not None:
            return done
        try:
            pipeline.calibrate(wired.services, workflow)
        except Exception:  # a judge that is not measured stays as it was; the suite runs all the same
            log.exception("%s: the judges could not be measured", workflow.slug)
        return pipeline.evaluate(wired.services, workflow, trigger=trigger, since=since)

    runs = batches.each(batch, Stage.EVALUATE, work)
    _announce_assets(EVALS_ALIAS, "evals", runs)
    return _verdicts(runs)


@task
def plan_probes() -> list[Batch]:
    """Decide which workflows are probed: all with an eval suite."""
    return batches.plan_probes()


@task(map_index_template="{{ batch_label }}")
def probe(batch: Batch) -> Batch:
    """See what has changed, and what answers; returns what must be evaluated at once, and which workflows could not be probed.

    One that cannot be probed holds up no other of its batch: :func:`all_probed` tells of it.
    """
    trigger = context.trigger()
    changed: list[str] = []
    done: set[str] = set()

    def work(wired: Wired, workflow: Workflow) -> Run | None:
        found = pipeline.probe(wired.services, workflow, trigger=trigger)
        if found.starts:
            changed.append(workflow.slug)
        done.add(workflow.slug)
        return found.run

    batches.each(batch, Stage.EVALUATE, work, others_wait=True)
    return {**batch, "workflows": changed, "broken": [slug for slug in batch["workflows"] if slug not in done]}


@task(trigger_rule="all_done")
def all_probed(probed: Any) -> None:  # noqa: ANN401 - what the mapped task returned, None where it failed
    """See that no probe broke.

    Raises:
        AirflowFailException: the probe broke for some workflow; the others are probed, and evaluated where they changed.
    """
    if troubled := [slug for batch in probed or () if batch for slug in batch.get("broken", ())]:
        raise AirflowFailException(f"the probe broke for {', '.join(troubled)}; see the log of its task")


@task(trigger_rule="all_done")
def changed(probed: Any) -> list[Batch]:  # noqa: ANN401 - what the mapped task returned, None where it failed
    """Plan the suites that start now; where there are none, nothing is evaluated."""
    return batches.nonempty(list(probed or ()))


@task
def spend() -> dict[str, str]:
    """Sum what is new and hold it against the caps, for the whole fleet at once; then its own caps.

    Raises:
        AirflowFailException: the fleet's own caps could not be judged; the workflows' are.
    """
    trigger = context.trigger()
    outcomes: dict[str, Run | Exception | None] = {}
    used = [workflow for workflow in context.wired().declarations.workflows if workflow.stage != "retired"]
    slugs = [workflow.slug for workflow in used]

    def work(wired: Wired, workflow: Workflow) -> Run | None:
        if not outcomes:
            try:
                outcomes.update(pipeline.spend_all(wired.services, used, trigger=trigger))
            except Exception as error:  # it broke for all of them, once
                log.exception("the fleet's spend could not be judged")
                outcomes.update(dict.fromkeys([FLEET, *slugs], error))
        if isinstance(outcome := outcomes[workflow.slug], Exception):
            raise outcome
        return outcome

    verdicts = _verdicts(batches.each({"label": "the fleet", "workflows": slugs}, Stage.SPEND, work))
    if isinstance(outcomes.get(FLEET), Exception):
        raise AirflowFailException("the caps of the fleet could not be judged; see the log above")
    return verdicts


@task
def provider_bills() -> dict[str, str]:
    """Read the providers' bills, and hold them against what was metered.

    A bill that cannot be read is no failure of this task: the fleet's run is UNKNOWN, with an incident of its own.
    """
    wired, trigger = context.wired(), context.trigger()
    with wired.telling():
        try:
            done = pipeline.bills(wired.services, wired.declarations.workflows, trigger=trigger)
        except Exception as error:
            if context.is_last_try():
                pipeline.bills_crashed(wired.services, error, trigger=trigger)
            raise
    if done is None or done.run is None:
        log.info("_fleet.yaml declares no account under spend.bills")
        return {}
    log.info("%s: %s", done.run.verdict, done.run.summary)
    return _verdicts({done.run.workflow: done.run})


@task
def judge_review() -> dict[str, str]:
    """Look at what people decided: how often workflows are wrong when nobody looks, and how well people look."""
    trigger = context.trigger()
    slugs = [workflow.slug for workflow in context.wired().declarations.workflows if workflow.stage != "retired"]

    def work(wired: Wired, workflow: Workflow) -> Run:
        return pipeline.judge_review(wired.services, workflow, trigger=trigger)

    return _verdicts(batches.each({"label": "the fleet", "workflows": slugs}, Stage.REVIEW, work))


@task(map_index_template="{{ batch_label }}")
def report(batch: Batch) -> dict[str, str]:
    """Put the week's outcomes together, one message for each owner; earlier weeks whose figures have changed are corrected."""
    trigger, at = context.trigger(), context.until()

    def work(wired: Wired, workflow: Workflow) -> Run:
        run = pipeline.report(wired.services, workflow, at=at, trigger=trigger)
        pipeline.correct_reports(wired.services, workflow, trigger=trigger)
        return run

    return _verdicts(batches.each(batch, Stage.REPORT, work))


@task
def sync_declarations() -> dict[str, str]:
    """Load every folder, keep each version, and tell of the broken ones."""
    wired = context.wired()
    with wired.telling():
        runs = pipeline.declare(wired.services, wired.declarations, trigger=context.trigger())
    for problem in wired.declarations.problems:
        log.error("%s", problem)
    return _verdicts({run.workflow: run for run in runs})


@task
def look_after_reviews() -> dict[str, int]:
    """Give review items their due time, take overdue ones to the deputy, and write decisions back to their sources.

    A source that cannot be written to is no failure of this task: it has an incident of its own, and is tried again.

    Raises:
        AirflowFailException: the queue of some workflow could not be looked after; the others are done.
    """
    swept = context.wired().sweep_reviews()
    log.info("%s", swept)
    if swept.broken:
        raise AirflowFailException(f"the review queue of {', '.join(swept.broken)} could not be looked after")
    return {"written": swept.written, "failed": swept.failed, "escalated": swept.escalated}


@task(trigger_rule="all_done")
def carry_out_stops() -> dict[str, int]:
    """End the stops whose period is over, and tell gateways which workflows are to stop or may go on.

    A gateway that does not take an order is no failure of this task: it has an incident of its own, and is told again.
    """
    swept = context.wired().sweep_stops()
    log.info("%s", swept)
    return {"ended": swept.ended, "done": swept.done, "not_done": swept.not_done}


@task(trigger_rule="all_done")
def look_after_alerts() -> dict[str, int]:
    """Tell what is still there after its waiver or its silence is over, call whoever is next, and send what waited for its day.

    Raises:
        AirflowFailException: some of it broke; the rest is done.
    """
    swept = context.wired().sweep_alerts()
    log.info("%s", swept)
    if swept.broken:
        raise AirflowFailException(
            f"{swept.broken} could not be looked after; the others are done, and the log says why"
        )
    return asdict(swept)


@task(trigger_rule="all_done")
def deliver() -> dict[str, int]:
    """Send what waits in the outbox.

    Raises:
        AirflowFailException: some message could not be delivered anywhere or has waited for too long, or the installation
            must be mended first.
    """
    wired = context.wired()
    delivered = wired.deliver()
    wired.passed(context.trigger().dag_id)
    waited = wired.oldest_waiting()
    log.info("%s, the oldest waiting for %s", delivered, waited)
    if delivered.blocked:
        raise AirflowFailException(f"nothing can be delivered until this is mended: {delivered.blocked}")
    if delivered.dead:
        raise AirflowFailException(
            f"{plural(delivered.dead, 'message')} refused for good; see Messages in the run history"
        )
    if waited is not None and waited > LONGEST_WAIT:
        raise AirflowFailException(f"a message has waited for {waited}: Slack is out of reach or refuses for now")
    return {"sent": delivered.sent, "deferred": delivered.deferred}


@task(trigger_rule="one_failed", retries=0)
def red() -> None:
    """Make the DAG run red where any task of it failed: Airflow itself looks at the last task alone, which delivers."""
    raise AirflowFailException("a task of this run failed: see the red ones")


def told(*path: Any) -> None:  # noqa: ANN401 - whatever Airflow can chain: a task, a mapped task, a task group
    """Deliver after the path, whatever became of it; the DAG run is red where a part of the path or the delivery failed.

    The last part is the path's end; others are named where their failure must be seen although the end goes on without them.
    """
    sent = deliver()
    path[-1] >> sent
    [*path, sent] >> red()


def _window(batch: Batch, slug: str) -> Window:
    start, end = batch["windows"][slug]
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _verdicts(runs: dict[str, Run]) -> dict[str, str]:
    return {slug: str(run.verdict) for slug, run in runs.items()}


def _announce_assets(alias: str, stage: str, runs: dict[str, Run]) -> None:
    """Update each workflow's asset with the verdict, so that a team's own DAGs can wait for "checked and good"."""
    events = get_current_context()["outlet_events"][AssetAlias(alias)]
    for slug, run in runs.items():
        extra: dict[str, Any] = {
            "verdict": str(run.verdict),
            "run": str(run.id),
            "window_end": run.window.end.isoformat(),
        }
        events.add(Asset(f"afterpilot://{slug}/{stage}"), extra=extra)

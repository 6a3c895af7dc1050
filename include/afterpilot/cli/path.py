"""``afterpilot run`` and ``afterpilot deliver``: the path without Airflow."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline import Services
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

_PATH = (Stage.PULL, Stage.CHECK, Stage.GATE, Stage.REVIEW, Stage.EVALUATE, Stage.SPEND)
_STAGES = (*_PATH, Stage.REPORT)  # the report only where it is asked for: it is a message to the owner


def run(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    stage: Annotated[
        list[Stage] | None, typer.Option("--stage", help="Only this stage; may be given several times.")
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Run a workflow's path here and now: pull, check, gate, review, evaluate, spend; --stage report puts the week's report together.

    It writes the same runs, incidents and messages as the DAGs do; `afterpilot deliver` sends the messages.
    Example: afterpilot run invoice_matching --stage check
    """
    asked = tuple(stage or _PATH)
    if Stage.DECLARE in asked:
        raise typer.BadParameter("declare reads all folders at once: use `afterpilot validate`", param_hint="--stage")
    wired = wire(Settings.from_environment(), EnvConnections())
    has_evals = wired.workflow(workflow).evals is not None
    if stage and Stage.EVALUATE in stage and not has_evals:
        raise CheckError(f"{workflow} declares no evals")
    runs: list[Run] = []
    for wanted in [known for known in _STAGES if known in asked and (has_evals or known is not Stage.EVALUATE)]:
        with console.status(f"{workflow}: {wanted} …"):
            done = _stage(wired, workflow, wanted, runs)
        runs.append(done)
        if not json:
            console.print(verdict(done.verdict), f"{wanted}: {done.summary}", highlight=False, markup=False)
            for reason in done.reasons:
                console.print(f"    {reason}", highlight=False, markup=False)
    if json:
        as_json([run_as_dict(done) for done in runs])
    raise typer.Exit(exit_status([done.verdict for done in runs]))


def deliver(*, json: AsJson = False) -> None:
    """Send what waits in the outbox, to Slack where SLACK_BOT_TOKEN is set, else to the preview.

    Before that, the review queue is looked after: overdue items go to the deputy, decisions are written back to their sources;
    gateways are told which workflows are to stop at their cap, or may go on; and what is still there after its waiver or its
    silence is over is told, the deputy is called about what nobody has taken up, and what could wait for its digest goes out.
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    swept, stops, alerts = wired.sweep_reviews(), wired.sweep_stops(), wired.sweep_alerts()
    with console.status("delivering …"):
        delivered = wired.deliver()
    if json:
        as_json({**asdict(delivered), "reviews": asdict(swept), "stops": asdict(stops), "alerts": asdict(alerts)})
    else:
        if swept.written or swept.failed or swept.escalated:
            console.print(
                f"{plural(swept.written, 'decision')} written back, {swept.failed} could not be, "
                f"{plural(swept.escalated, 'item')} to the deputy"
            )
        if stops.done or stops.not_done:
            console.print(
                f"{plural(stops.done, 'order')} to stop or to go on carried out, {stops.not_done} could not be"
            )
        if alerts.called or alerts.digests:
            console.print(
                f"somebody else is called about {plural(alerts.called, 'incident')}, {plural(alerts.digests, 'digest')} queued"
            )
        if alerts.broken:
            console.print(f"{plural(alerts.broken, 'alert')} could not be looked after; the log says why")
        console.print(f"{delivered.sent} sent, {delivered.deferred} deferred, {delivered.dead} refused for good")
        if delivered.blocked:
            console.print(f"Nothing more can be sent until this is mended: {delivered.blocked}", markup=False)
    if delivered.dead or alerts.broken:
        raise typer.Exit(1)
    if delivered.blocked:
        raise typer.Exit(2)


def _stage(wired: Wired, slug: str, stage: Stage, runs: list[Run]) -> Run:
    workflow, services = wired.workflow(slug), wired.services
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    if stage is Stage.PULL:
        return pipeline.pull(services, workflow, until=datetime.now(UTC), trigger=trigger)
    if stage is Stage.EVALUATE:
        return pipeline.evaluate(services, workflow, trigger=trigger)
    if stage is Stage.REVIEW:
        return pipeline.judge_review(services, workflow, trigger=trigger)
    if stage is Stage.SPEND:
        return pipeline.spend(services, workflow, trigger=trigger)
    if stage is Stage.REPORT:
        reported = pipeline.report(services, workflow, at=datetime.now(UTC), trigger=trigger)
        pipeline.correct_reports(services, workflow, trigger=trigger)
        return reported
    return _over_records(services, workflow, stage, runs, trigger)


def _over_records(services: Services, workflow: Workflow, stage: Stage, runs: list[Run], trigger: Trigger) -> Run:
    pulled = _pulled(services, workflow.slug, runs)
    if stage is Stage.GATE:
        decided = pipeline.gate(services, workflow, window=pulled.window, trigger=trigger)
        pipeline.correct_reports(services, workflow, trigger=trigger, pull=pulled.id)
        return decided
    if pulled.verdict is not Verdict.UNKNOWN:
        return pipeline.check(services, workflow, window=pulled.window, trigger=trigger)
    why = "the source could not be read"
    return pipeline.not_run(services, workflow, stage, why, window=pulled.window, trigger=trigger)


def _pulled(services: Services, slug: str, runs: list[Run]) -> Run:
    """The pull of this command, or else the newest one."""
    pulled = next((done for done in runs if done.stage is Stage.PULL), None)
    if pulled is None:
        with services.ops.begin() as unit:
            pulled = unit.runs.latest(slug, Stage.PULL)
    if pulled is None:
        raise CheckError(f"{slug} was never pulled: run `afterpilot run {slug} --stage pull` first")
    return pulled

"""``afterpilot run`` and ``afterpilot deliver``: the path without Airflow."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

_STAGES = (Stage.PULL, Stage.CHECK, Stage.GATE, Stage.EVALUATE, Stage.SPEND)


def run(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    stage: Annotated[
        list[Stage] | None, typer.Option("--stage", help="Only this stage; may be given several times.")
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Run a workflow's path here and now: pull, check, gate, evaluate, spend.

    It writes the same runs, incidents and messages as the DAGs do. Example: afterpilot run invoice_matching --stage check
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    runs: list[Run] = []
    for wanted in [known for known in _STAGES if stage is None or known in stage]:
        if wanted is Stage.EVALUATE and wired.workflow(workflow).evals is None:
            continue
        with console.status(f"{workflow}: {wanted} …"):
            done = _stage(wired, workflow, wanted, runs)
        runs.append(done)
        if not json:
            console.print(verdict(done.verdict), f"{wanted}: {done.summary}", highlight=False)
            for reason in done.reasons:
                console.print(f"    {reason}", highlight=False, markup=False)
    if json:
        as_json([run_as_dict(done) for done in runs])
    raise typer.Exit(exit_status([done.verdict for done in runs]))


def deliver(*, json: AsJson = False) -> None:
    """Send what waits in the outbox, to Slack where SLACK_BOT_TOKEN is set, else to the preview."""
    delivered = wire(Settings.from_environment(), EnvConnections()).deliver()
    if json:
        as_json({"sent": delivered.sent, "deferred": delivered.deferred, "dead": delivered.dead})
    else:
        console.print(f"{delivered.sent} sent, {delivered.deferred} deferred, {delivered.dead} refused for good")
    if delivered.dead:
        raise typer.Exit(1)


def _stage(wired: Wired, slug: str, stage: Stage, runs: list[Run]) -> Run:
    workflow, services = wired.workflow(slug), wired.services
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    if stage is Stage.PULL:
        return pipeline.pull(services, workflow, until=datetime.now(UTC), trigger=trigger)
    if stage is Stage.EVALUATE:
        return pipeline.evaluate(services, workflow, trigger=trigger)
    if stage is Stage.SPEND:
        return pipeline.spend(services, workflow, trigger=trigger)
    window = next((done.window for done in runs if done.stage is Stage.PULL), None)
    if window is None:
        with services.ops.begin() as unit:
            pulled = unit.runs.latest(slug, Stage.PULL)
        if pulled is None:
            console.print(f"{slug} was never pulled: run the stage pull first")
            raise typer.Exit(2)
        window = pulled.window
    step = pipeline.check if stage is Stage.CHECK else pipeline.gate
    return step(services, workflow, window=window, trigger=trigger)

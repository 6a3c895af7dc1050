"""``afterpilot release``: decide on what waits and tell production, without Airflow."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.counting import plural
from afterpilot.domain.run import Trigger
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire


def release(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Try once more what production has refused for good, after it was mended.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Decide on outputs that wait for release and tell production, as the DAG `gate` does every two minutes.

    Example: afterpilot release invoice_matching --again
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    declared, services = wired.workflow(workflow), wired.services
    taken_up = 0
    if again:
        with services.ops.begin() as unit:
            taken_up = unit.releases.again(workflow)
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    done = pipeline.gate_waiting(services, declared, until=datetime.now(UTC), trigger=trigger, said_again=timedelta(0))
    with services.ops.begin() as unit:
        pending = unit.releases.standing(workflow).pending
    if json:
        as_json({"again": taken_up, "pending": pending, "run": run_as_dict(done) if done else None})
    elif done is None:
        later = f"nothing is due; {plural(pending, 'decision')} will be told to production later"
        console.print(later if pending else "nothing waits", highlight=False)
    else:
        console.print(verdict(done.verdict), f"gate: {done.summary}", highlight=False, markup=False)
        for reason in done.reasons:
            console.print(f"    {reason}", highlight=False, markup=False)
    raise typer.Exit(exit_status([done.verdict]) if done else 0)

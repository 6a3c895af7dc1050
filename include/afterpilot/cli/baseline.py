"""``afterpilot baseline``: which eval run later ones are compared with."""

from __future__ import annotations

from typing import Annotated

import typer

from afterpilot.cli.output import console
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

app = typer.Typer(help="The eval run that later ones are compared with.", no_args_is_help=True)


@app.command()
def approve(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    by: Annotated[str, typer.Option(help="Who approves it; kept on record.")],
    note: Annotated[str, typer.Option(help="Why.")] = "",
) -> None:
    """Approve the newest eval run of a workflow as its baseline. A run that is UNKNOWN is no baseline."""
    wired = wire(Settings.from_environment(), EnvConnections())
    wired.workflow(workflow)
    with wired.services.ops.begin() as unit:
        run = unit.runs.latest(workflow, Stage.EVALUATE)
        if run is None or run.verdict is Verdict.UNKNOWN:
            console.print(
                f"{workflow} has no eval run that could be judged: run `afterpilot run {workflow} --stage evaluate`"
            )
            raise typer.Exit(2)
        unit.samples.approve_baseline(workflow, run.id, by=by, note=note)
    text = f"Run {run.id} ({run.summary}) is the baseline of {workflow} from now on."
    console.print(text, highlight=False, markup=False)


@app.command()
def show(workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")]) -> None:
    """Show the approved baseline of a workflow."""
    wired = wire(Settings.from_environment(), EnvConnections())
    wired.workflow(workflow)
    with wired.services.ops.begin() as unit:
        baseline = unit.samples.baseline(workflow)
    if baseline is None:
        console.print(f"{workflow} has no approved baseline: `afterpilot baseline approve {workflow} --by NAME`")
        raise typer.Exit(1)
    run_id, cases = baseline
    console.print(f"Run {run_id}: {sum(cases.values())} of {len(cases)} cases passed.", highlight=False)

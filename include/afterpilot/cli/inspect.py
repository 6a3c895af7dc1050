"""``afterpilot status``."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.run import FLEET, OF_WORKFLOWS, Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Loaded
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire


def status(*, json: AsJson = False) -> None:
    """Show the newest verdict of every stage of every workflow. A stage that never ran is UNKNOWN."""
    wired = wire(Settings.from_environment(), EnvConnections())
    stages = {folder.slug: _stages(folder) for folder in wired.declarations.folders}
    if of_fleet := _of_fleet(wired):
        stages[FLEET] = of_fleet
    with wired.services.ops.begin() as unit:
        latest = {slug: {stage: unit.runs.latest(slug, stage) for stage in own} for slug, own in stages.items()}
    if json:
        as_json(
            {
                slug: {stage: run_as_dict(run) if run else None for stage, run in runs.items()}
                for slug, runs in latest.items()
            }
        )
    else:
        for slug, runs in latest.items():
            console.print(_table(slug, runs), soft_wrap=False)
    verdicts = [run.verdict if run else Verdict.UNKNOWN for runs in latest.values() for run in runs.values()]
    raise typer.Exit(exit_status(verdicts))


def _of_fleet(wired: Wired) -> list[Stage]:
    """The stages of what all share: its declaration where that is broken, the spend where there are caps over several workflows,
    the bills where there are accounts.
    """
    declared = wired.services.fleet.spend
    kept = (
        (Stage.DECLARE, wired.declarations.fleet_problems),
        (Stage.SPEND, declared.caps),
        (Stage.BILLS, declared.bills),
    )
    return [stage for stage, there in kept if there]


def _stages(folder: Loaded) -> list[Stage]:
    """The stages that a folder should have runs of; evals only where it declares some."""
    without = folder.workflow is not None and folder.workflow.evals is None
    return [stage for stage in OF_WORKFLOWS if not (without and stage is Stage.EVALUATE)]


def _table(slug: str, runs: dict[Stage, Run | None]) -> Table:
    table = Table(title=slug, title_justify="left", box=None, padding=(0, 2))
    for column in ("stage", "verdict", "when (UTC)", "what"):
        table.add_column(column)
    for stage, run in runs.items():
        if run is None:
            table.add_row(stage, verdict(Verdict.UNKNOWN), "", Text("no run yet", style="dim"))
        else:
            table.add_row(stage, verdict(run.verdict), f"{run.finished_at:%Y-%m-%d %H:%M}", Text(run.summary))
    return table

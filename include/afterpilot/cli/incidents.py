"""``afterpilot incidents``: what is open, and a person who says that something is settled."""

from __future__ import annotations

from typing import Annotated

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.settings import EnvConnections, Settings

app = typer.Typer(help="Open incidents, and what a person says of them.", no_args_is_help=True)


@app.command("list")
def list_open(
    workflow: Annotated[str | None, typer.Argument(help="Only those of this workflow.")] = None, *, json: AsJson = False
) -> None:
    """Show the incidents that are not over, oldest first."""
    from afterpilot.record.ops import Ops, connect  # the database alone: a list needs no declaration

    with Ops(connect(Settings.from_environment().database_url)).begin() as unit:
        found = unit.incidents.unresolved(workflow)
    if json:
        as_json(
            [
                {
                    "id": one.id,
                    "workflow": one.workflow,
                    "kind": one.kind,
                    "severity": str(one.severity),
                    "title": one.title,
                }
                for one in found
            ]
        )
        return
    for one in found:
        said = f"{str(one.id)[:8]}  {one.opened_at:%Y-%m-%d %H:%M}  {one.severity}  {one.workflow}: {one.title}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    if found:
        console.print(f"{plural(len(found), 'incident')} not over. One that a person has settled: ", end="")
        console.print("afterpilot incidents resolve ID --by NAME --note WHY", markup=False, highlight=False)
    else:
        console.print("No incident is open.")


@app.command()
def resolve(
    incident: Annotated[str, typer.Argument(help="The incident's id, or the first digits of it.")],
    *,
    by: Annotated[str, typer.Option("--by", help="Who says so; it is kept in the incident's time line.")],
    note: Annotated[str, typer.Option("--note", help="Why it is settled.")] = "",
) -> None:
    """Say that an incident is settled, e.g. that vanished rows were meant to go. A run that finds it anew opens another.

    Example: afterpilot incidents resolve 3f2a91c0 --by "Dana Ruiz" --note "test rows, deleted on purpose"
    """
    from afterpilot import pipeline
    from afterpilot.wiring import wire

    wired = wire(Settings.from_environment(), EnvConnections())
    known = {workflow.slug: workflow for workflow in wired.declarations.workflows}
    over = pipeline.settle(wired.services, incident, by=by, note=note, known=known).incident
    console.print(f"Over: {over.workflow}: {over.title}", markup=False, highlight=False)

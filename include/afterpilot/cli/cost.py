"""``afterpilot cost``: what a workflow costs as a whole."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.whole_life import Each, Part, Projection, WholeLife
from afterpilot.pipeline.whole_life import WEEKS, cost
from afterpilot.report.facts import plain
from afterpilot.report.numbers import number
from afterpilot.report.whole_life import NAMES, part_words, projection_words
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire


def show(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    weeks: Annotated[int, typer.Option(min=1, max=52, help="How many weeks back, up to now.")] = WEEKS,
    *,
    json: AsJson = False,
) -> None:
    """Show what a workflow costs as a whole: calls, evals, judges and people's time, for one record and for a month.

    One record, one that was handled alone, and one that was accepted; a month at the declared volume (spend.volume), with its 95 % interval. What is not known is UNKNOWN and never 0, with the reason. Exit status: 0 where the cost is known, 2 where it is not.

    Example: afterpilot cost invoice_matching --weeks 4
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    life = cost(wired.services, wired.workflow(workflow), weeks=weeks)
    if json:
        as_json(plain(life))
    else:
        _print(life)
    raise typer.Exit(0 if life.total is not None else 2)


def _print(life: WholeLife) -> None:
    started, ended = life.window.start, life.window.end
    console.print(Text.assemble((life.workflow, "bold"), f", {started:%Y-%m-%d} to {ended:%Y-%m-%d %H:%M} UTC"))
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column(min_width=28)
    table.add_column(justify="right")
    table.add_column(overflow="fold", style="dim")
    for part in life.parts:
        table.add_row(NAMES[part.name], _amount(part), "; ".join(filter(None, (part_words(part), part.unknown))))
    left = f"without {life.left_out}" if life.left_out else ""
    table.add_row(Text("in all", style="bold"), _total(life), "; ".join(filter(None, (life.unknown, left))))
    table.add_row()
    for each in life.each:
        table.add_row(f"for one {each.name}", _one(each), _of(each))
    console.print(table)
    if life.projection is None:
        console.print("No projection: declare spend.volume, such as 30000 records/month.", highlight=False)
    else:
        _print_projection(life.projection, before=life.before_launch)


def _print_projection(projection: Projection, *, before: bool) -> None:
    words = f"At {number(projection.volume)} records a month: {projection_words(projection)}"
    console.print(Text(words, style="bold"))
    if projection.basis:
        when = "before launch, " if before else ""
        console.print(Text(f"{when}from {projection.basis}; in brackets 95 % intervals", style="dim"))


def _amount(part: Part) -> Text:
    if not part.unknown:
        return Text(str(part.cost) if part.cost else "")
    least = f", at least {part.cost}" if part.cost and part.cost.amount else ""
    return Text(f"UNKNOWN{least}", style="magenta")


def _total(life: WholeLife) -> Text:
    if life.total is not None:
        return Text(str(life.total), style="bold")
    return Text(f"UNKNOWN, at least {life.known}", style="bold magenta")


def _one(each: Each) -> Text:
    return Text(str(each.cost)) if each.cost is not None else Text("UNKNOWN", style="magenta")


def _of(each: Each) -> str:
    return f"{each.count:,} in these weeks" if each.cost is not None or not each.unknown else each.unknown

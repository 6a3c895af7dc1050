"""``afterpilot spend`` and ``afterpilot spend check``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.allowance import FLEET
from afterpilot.domain.money import Money
from afterpilot.domain.run import Run, Stage, Trigger
from afterpilot.domain.verdict import Verdict
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

Slug = Annotated[str, typer.Argument(help="Only this workflow; _fleet for the caps over several. All unless said.")]
_BAR = 12  # characters
_PACE = {True: "red", False: "yellow"}


def show(workflow: Slug = "", *, json: AsJson = False) -> None:
    """Show how every cap stood when it was looked at last; the same as no command.

    What is spent, what is expected by the end of its period, how fast it is used up, and the share of calls whose cost is known. The DAG `spend` looks every ten minutes and writes it down at least every hour; `afterpilot spend check` looks now.

    Example: afterpilot spend invoice_matching
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    slugs = _slugs(wired, workflow)
    with wired.services.ops.begin() as unit:
        runs = unit.runs.latest_each(slugs, Stage.SPEND)
    _tell({slug: runs.get(slug) for slug in slugs}, json=json)


def check(workflow: Slug = "", *, json: AsJson = False) -> None:
    """Sum what is new and hold it against the caps, here and now.

    Calls get the price that holds now, as when the DAG `spend` does it every ten minutes.

    Example: afterpilot spend check
    """
    from afterpilot import pipeline

    wired = wire(Settings.from_environment(), EnvConnections())
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    if workflow and workflow != FLEET:
        _tell({workflow: pipeline.spend(wired.services, wired.workflow(workflow), trigger=trigger)}, json=json)
        return
    used = [one for one in wired.declarations.workflows if one.stage != "retired"]
    outcomes = pipeline.spend_all(wired.services, used, trigger=trigger)
    slugs = _slugs(wired, workflow)
    with wired.services.ops.begin() as unit:
        standing = unit.runs.latest_each(slugs, Stage.SPEND)
    for slug in slugs:
        if isinstance(error := outcomes.get(slug), Exception):
            raise error
    _tell({slug: standing.get(slug) for slug in slugs}, json=json)


def _slugs(wired: Wired, workflow: str) -> list[str]:
    """Whose caps are shown; one that does not exist is an error."""
    if workflow and workflow != FLEET:
        return [wired.workflow(workflow).slug]
    fleet = [FLEET] if wired.services.fleet.spend.caps else []
    used = [one.slug for one in wired.declarations.workflows if one.stage != "retired"]
    return fleet if workflow else [*used, *fleet]


def _tell(runs: Mapping[str, Run | None], *, json: bool) -> None:
    if json:
        as_json({slug: {**run_as_dict(run), **_figures(run)} if run else None for slug, run in runs.items()})
    elif not runs:
        console.print("No cap is declared: every workflow names one under `spend` in its workflow.yaml.", markup=False)
    else:
        console.print(_table(runs), soft_wrap=False)
        for slug, run in runs.items():
            for reason in run.reasons if run else ():
                console.print(Text.assemble((f"{slug}: ", "bold"), reason))
    raise typer.Exit(exit_status([run.verdict if run else Verdict.UNKNOWN for run in runs.values()]))


def _figures(run: Run) -> dict[str, Any]:
    names = ("currency", "zone", "pulled_to", "priced_coverage", "caps", "repriced")
    return {name: run.evidence.get(name) for name in names}


def _table(runs: Mapping[str, Run | None]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "cap", "spent", "", "expected by its end", "pace", "priced", "as of (UTC)"):
        table.add_column(column)
    for slug, run in runs.items():
        caps = (run.evidence.get("caps") if run else None) or []
        if run is None or not caps:
            table.add_row(Text.assemble(verdict(Verdict.UNKNOWN), f" {slug}"), Text("never looked at", style="dim"))
            continue
        for at, cap in enumerate(caps):
            first = Text.assemble(verdict(run.verdict), f" {slug}") if at == 0 else Text()
            table.add_row(first, *_row(cap), f"{run.finished_at:%m-%d %H:%M}" if at == 0 else "")
    return table


def _row(cap: Mapping[str, Any]) -> list[Text]:
    limit, spent, share = (Decimal(cap[name]) for name in ("limit", "spent", "share"))
    every = f"in {cap['every']}" if cap["every"][0].isdigit() else f"a {cap['every']}"
    about = [word for word in (cap["model"] and f"for {cap['model']}", cap["team"] and f"of {cap['team']}") if word]
    raised = " (raised)" if Decimal(cap["declared"]) < limit else ""
    words = " ".join([f"{Money(limit, cap['currency'])} {every}{raised}", *about])
    least = "at least " if cap["unknown"] else ""
    style = (
        "red" if share >= 1 else "yellow" if share >= min(map(Decimal, cap["warn_at"]), default=Decimal(1)) else "green"
    )
    return [
        Text(words),
        Text(f"{least}{spent:,.2f} ({share:.0%})"),
        _bar(share, style),
        Text(_expected(cap["forecast"])),
        _pace(cap["burn"]),
        _priced(cap),
    ]


def _bar(share: Decimal, style: str) -> Text:
    full = min(int(share * _BAR), _BAR)
    return Text.assemble(("█" * full, style), ("░" * (_BAR - full), "dim"))


def _expected(forecast: Mapping[str, Any]) -> str:
    """``455.00 (410.00 to 512.00); reached 24 Nov (22 to 29 Nov)``, or why there is none."""
    if forecast["expected"] is None:
        return f"none: {forecast['reason']}"
    expected, low, high = (Decimal(forecast[name]) for name in ("expected", "low", "high"))
    said = f"{expected:,.2f} ({low:,.2f} to {high:,.2f})"
    if forecast["crosses"] is None:
        return said
    days = [_day(forecast[name]) for name in ("earliest", "latest") if forecast[name]]
    return f"{said}; reached {_day(forecast['crosses'])} ({' to '.join(days)})"


def _day(written: str) -> str:
    day = date.fromisoformat(written)
    return f"{day.day} {day:%b}"


def _pace(burns: Sequence[Mapping[str, Any]]) -> Text:
    if not burns:
        return Text("", style="dim")
    worst = burns[0]
    hours = worst["hours"]
    span = f"{hours / 24:g} d" if hours >= 24 else f"{hours:g} h"  # noqa: PLR2004 - hours of a day
    return Text(f"{worst['rate']:g}x in {span}", style=_PACE[hours < 24])  # noqa: PLR2004


def _priced(cap: Mapping[str, Any]) -> Text:
    if cap["priced_coverage"] is None:
        return Text("no calls", style="dim")
    coverage = Decimal(cap["priced_coverage"])
    return Text(f"{coverage:.1%}", style="" if coverage == 1 else "magenta")

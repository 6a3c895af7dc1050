"""``afterpilot spend`` and ``afterpilot spend check``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.domain.allowance import FLEET
from afterpilot.domain.money import Money, digits_of
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
        for slug, run in runs.items():
            _print(slug, run)
    raise typer.Exit(exit_status([run.verdict if run else Verdict.UNKNOWN for run in runs.values()]))


def _figures(run: Run) -> dict[str, Any]:
    names = ("currency", "zone", "pulled_to", "priced_coverage", "caps", "repriced")
    return {name: run.evidence.get(name) for name in names}


def _print(slug: str, run: Run | None) -> None:
    """A workflow's verdict, two short lines for each of its caps, and what was found."""
    if run is None:
        console.print(Text.assemble(verdict(Verdict.UNKNOWN), f" {slug}", (": never looked at", "dim")))
        return
    console.print(Text.assemble(verdict(run.verdict), f" {slug}", (f", {run.finished_at:%Y-%m-%d %H:%M} UTC", "dim")))
    for cap in run.evidence.get("caps") or ():
        for line in _lines(cap):
            console.print(line)
    for reason in run.reasons:
        console.print(Text(f"  - {reason}"))


def _lines(cap: Mapping[str, Any]) -> tuple[Text, Text]:
    """``████░░ 2.34 of 5.00 USD a month (46.8%), priced 100.0%``, and below it what is expected."""
    limit, spent, share = (Decimal(cap[name]) for name in ("limit", "spent", "share"))
    every = f"in {cap['every']}" if cap["every"][0].isdigit() else f"a {cap['every']}"
    about = [word for word in (cap["model"] and f"for {cap['model']}", cap["team"] and f"of {cap['team']}") if word]
    raised = " (raised)" if Decimal(cap["declared"]) < limit else ""
    words = " ".join([f"{Money(limit, cap['currency']).exact} {every}{raised}", *about])
    least = "at least " if cap["unknown"] else ""
    warned = min(map(Decimal, cap["warn_at"]), default=Decimal(1))
    style = "red" if share >= 1 else "yellow" if share >= warned else "green"
    said = f" {least}{digits_of(spent)} of {words} ({share:.1%})"
    first = Text.assemble("  ", _bar(share, style), said, ", priced ", _priced(cap), _pace(cap["burn"]))
    return first, Text(f"  {'':{_BAR}} expected by its end: {_expected(cap['forecast'])}", style="dim")


def _bar(share: Decimal, style: str) -> Text:
    full = min(int(share * _BAR), _BAR)
    return Text.assemble(("█" * full, style), ("░" * (_BAR - full), "dim"))


def _expected(forecast: Mapping[str, Any]) -> str:
    """``455.00 (410.00 to 512.00); reached 24 Nov (22 to 29 Nov)``, or why there is none."""
    if forecast["expected"] is None:
        return f"not known: {forecast['reason']}"
    expected, low, high = (Decimal(forecast[name]) for name in ("expected", "low", "high"))
    said = f"{digits_of(expected)} ({digits_of(low)} to {digits_of(high)})"
    if forecast["crosses"] is None:
        return said
    days = dict.fromkeys(_day(forecast[name]) for name in ("earliest", "latest") if forecast[name])
    between = f" ({' to '.join(days)})" if len(days) > 1 else ""
    return f"{said}; reached {_day(forecast['crosses'])}{between}"


def _day(written: str) -> str:
    day = date.fromisoformat(written)
    return f"{day.day} {day:%b}"


def _pace(burns: Sequence[Mapping[str, Any]]) -> Text:
    if not burns:
        return Text()
    worst = burns[0]
    hours = worst["hours"]
    span = f"{hours / 24:g} d" if hours >= 24 else f"{hours:g} h"  # noqa: PLR2004 - hours of a day
    return Text(f", {worst['rate']:.3g} times its pace in {span}", style=_PACE[hours < 24])  # noqa: PLR2004


def _priced(cap: Mapping[str, Any]) -> Text:
    if cap["priced_coverage"] is None:
        return Text("no calls", style="dim")
    coverage = Decimal(cap["priced_coverage"])
    return Text(f"{coverage:.1%}", style="" if coverage == 1 else "magenta")

"""``afterpilot spend`` and ``afterpilot spend check``."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.decide.allowing import said
from afterpilot.domain.allowance import Allowance
from afterpilot.domain.counting import per_cent
from afterpilot.domain.money import Money, digits_of
from afterpilot.domain.run import FLEET, Run, Stage, Trigger
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
    _tell(wired, {slug: runs.get(slug) for slug in slugs}, {} if workflow else _broken(wired), json=json)


def check(workflow: Slug = "", *, json: AsJson = False) -> None:
    """Sum what is new and hold it against the caps, here and now.

    Calls get the price that holds now, as when the DAG `spend` does it every ten minutes.

    Example: afterpilot spend check
    """
    from afterpilot import pipeline

    wired = wire(Settings.from_environment(), EnvConnections())
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    if workflow and workflow != FLEET:
        _tell(
            wired, {workflow: pipeline.spend(wired.services, wired.workflow(workflow), trigger=trigger)}, {}, json=json
        )
        return
    looked = wired.services.now()
    used = [one for one in wired.declarations.workflows if one.stage != "retired"]
    outcomes = pipeline.spend_all(wired.services, used, trigger=trigger)
    slugs = _slugs(wired, workflow)
    with wired.services.ops.begin() as unit:
        standing = unit.runs.latest_each(slugs, Stage.SPEND)
    for slug in slugs:
        if isinstance(error := outcomes.get(slug), Exception):
            raise error
    found = {slug: standing.get(slug) for slug in slugs}
    _tell(wired, found, {} if workflow else _broken(wired), json=json, looked=looked)


def _broken(wired: Wired) -> Mapping[str, str]:
    """The workflows whose declaration cannot be used, so that nobody looks at their caps, with the first problem of each."""
    return {one.slug: str(one.problems[0]) for one in wired.declarations.folders if one.workflow is None}


def _slugs(wired: Wired, workflow: str) -> list[str]:
    """Whose caps are shown; one that does not exist is an error."""
    if workflow and workflow != FLEET:
        return [wired.workflow(workflow).slug]
    fleet = [FLEET] if wired.services.fleet.spend.caps else []
    used = [one.slug for one in wired.declarations.workflows if one.stage != "retired"]
    return fleet if workflow else [*used, *fleet]


def _tell(
    wired: Wired,
    runs: Mapping[str, Run | None],
    broken: Mapping[str, str],
    *,
    json: bool,
    looked: datetime | None = None,
) -> None:
    """Runs by slug, and the ``broken`` workflows that have none. ``looked``: when all were looked at, news or not."""
    now = wired.services.now()
    with wired.services.ops.begin() as unit:
        told = {slug: said(one, now).allowance for slug, one in unit.allowances.find_each(list(runs)).items()}
    if json:
        as_json(
            dict.fromkeys(broken)
            | {
                slug: {**run_as_dict(run), **_figures(run), **_told(told.get(slug))} if run else None
                for slug, run in runs.items()
            }
        )
    elif not runs and not broken:
        console.print("No cap is declared: every workflow names one under `spend` in its workflow.yaml.", markup=False)
    else:
        for slug, run in runs.items():
            _print(slug, run, told.get(slug), looked)
        for slug, problem in broken.items():
            words = (
                f" {slug}: its declaration is broken, and nobody looks at its caps: {problem}. See: afterpilot validate"
            )
            console.print(Text.assemble(verdict(Verdict.UNKNOWN), words))
    verdicts = [run.verdict if run else Verdict.UNKNOWN for run in runs.values()]
    raise typer.Exit(exit_status([*verdicts, *(Verdict.UNKNOWN for _ in broken)]))


def _told(allowance: Allowance | None) -> dict[str, Any]:
    """What the gateway is told; nothing of the fleet, which has none."""
    if allowance is None:
        return {}
    models = list(allowance.stopped_models)
    return {"allowed": allowance.allowed, "stopped_models": models, "gateway": allowance.reason}


def _figures(run: Run) -> dict[str, Any]:
    names = ("currency", "zone", "pulled_to", "priced_coverage", "caps", "repriced")
    return {name: run.evidence.get(name) for name in names}


def _print(slug: str, run: Run | None, told: Allowance | None, looked: datetime | None) -> None:
    """A workflow's verdict, two short lines for each of its caps, what was found, and what a gateway that has to stop is told."""
    if run is None:
        console.print(Text.assemble(verdict(Verdict.UNKNOWN), f" {slug}", (": never looked at", "dim")))
        return
    when = f"{run.finished_at:%Y-%m-%d %H:%M} UTC"
    if looked is not None and run.finished_at < looked:
        when = f"looked now, nothing new since {when}"
    console.print(Text.assemble(verdict(run.verdict), f" {slug}", (f", {when}", "dim")))
    for cap in run.evidence.get("caps") or ():
        for line in _lines(cap):
            console.print(line)
    for reason in run.reasons:
        console.print(Text(f"  - {reason}"))
    if told is not None and told.stops:
        what = "to stop" if not told.allowed else f"not to call {', '.join(told.stopped_models)}"
        console.print(Text(f"  - The gateway is told {what}: {told.reason}", style="red"))


def _lines(cap: Mapping[str, Any]) -> tuple[Text, Text]:
    """``████░░ 2.34 of 5.00 USD a month (46.8 %), priced 100.0 %``, and below it what is expected."""
    limit, spent, share = (Decimal(cap[name]) for name in ("limit", "spent", "share"))
    every = f"in {cap['every']}" if cap["every"][0].isdigit() else f"a {cap['every']}"
    about = [word for word in (cap["model"] and f"for {cap['model']}", cap["team"] and f"of {cap['team']}") if word]
    raised = " (raised)" if Decimal(cap["declared"]) < limit else ""
    words = " ".join([f"{Money(limit, cap['currency']).exact} {every}{raised}", *about])
    least = "at least " if cap["unknown"] else ""
    warned = min(map(Decimal, cap["warn_at"]), default=Decimal(1))
    style = "red" if share >= 1 else "yellow" if share >= warned else "green"
    said = f" {least}{digits_of(spent)} of {words} ({per_cent(share, places=1)})"
    first = Text.assemble("  ", _bar(share, style), said, ", priced ", _priced(cap), _pace(cap["burn"]))
    expected = _expected(cap["forecast"], reached=share >= 1, at=cap.get("reached_at"))
    return first, Text(f"  {'':{_BAR}} expected by its end: {expected}", style="dim")


def _bar(share: Decimal, style: str) -> Text:
    full = min(int(share * _BAR), _BAR)
    return Text.assemble(("█" * full, style), ("░" * (_BAR - full), "dim"))


def _expected(forecast: Mapping[str, Any], *, reached: bool, at: str | None = None) -> str:
    """``455.00 (410.00 to 512.00); reached 24 Nov (22 to 29 Nov)``, or why there is none. A cap that is ``reached`` has no day
    to come on which it will be, but one on which it was: ``at``, the start of the quarter of an hour.
    """
    was = f"the cap was reached {_moment(at)}" if at else "the cap is reached"
    if forecast["expected"] is None:
        return f"not known: {forecast['reason']}{f'; {was}' if reached else ''}"
    expected, low, high = (Decimal(forecast[name]) for name in ("expected", "low", "high"))
    said = f"{digits_of(expected)} ({digits_of(low)} to {digits_of(high)})"
    if reached:
        return f"{said}; {was}"
    if forecast["crosses"] is None:
        return said
    days = dict.fromkeys(_day(forecast[name]) for name in ("earliest", "latest") if forecast[name])
    between = f" ({' to '.join(days)})" if len(days) > 1 else ""
    return f"{said}; reached {_day(forecast['crosses'])}{between}"


def _day(written: str) -> str:
    day = date.fromisoformat(written)
    return f"{day.day} {day:%b}"


def _moment(written: str) -> str:
    """``19 Nov 14:15 UTC+01:00``, by the calendar of the cap."""
    at = datetime.fromisoformat(written)
    return f"{_day(written[:10])} {at:%H:%M %Z}"


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
    return Text(per_cent(coverage, places=1), style="" if coverage == 1 else "magenta")

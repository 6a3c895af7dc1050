"""``afterpilot routes``: where alerts go, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.decide.escalating import in_words, terms_of
from afterpilot.decide.routing import hours_of, routed
from afterpilot.declare.alert_kinds import fits_a_kind, meant_kind
from afterpilot.domain.alerting import SLACK, Alert, Destination, Routed, Silence
from afterpilot.domain.errors import CheckError
from afterpilot.domain.verdict import Severity
from afterpilot.domain.workflow import Workflow
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

app = typer.Typer(help="Where alerts go, and why.", no_args_is_help=True)
_SEVERITIES = (Severity.CRITICAL, Severity.UNKNOWN, Severity.WARNING)
_YEARS = range(2000, 3000)  # the first and the last day of the calendar have no time in other zones
_ANY_KIND = "*"  # no kind is named so: only routes for all kinds fit it


@dataclass(frozen=True, slots=True)
class _Explained:
    """What is said of one alert."""

    workflow: Workflow
    severity: Severity
    kind: str
    at: datetime
    plan: Routed
    calls: tuple[str, ...]


@app.command()
def explain(
    workflow: Annotated[str | None, typer.Argument(help="A workflow; all of them, in a table, unless given.")] = None,
    *,
    kind: Annotated[str, typer.Option(help="Kind of alert, such as spend.over_cap; unless given, any.")] = _ANY_KIND,
    severity: Annotated[str, typer.Option(help="critical, unknown or warning; unless given, all three.")] = "",
    at: Annotated[str, typer.Option(help='A moment there, such as "2026-11-28 03:00"; unless given, now.')] = "",
    json: AsJson = False,
) -> None:
    """Say step by step where an alert would go: silences, maintenance, the workflow's routes, the fleet's, its channel.

    A moment without an offset is meant in the time zone of the workflow's working hours. Silences are looked up where the ops
    database can be reached.

    Example: afterpilot routes explain invoice_matching --severity critical --at "2026-11-28 03:00"
    """
    if kind != _ANY_KIND and not fits_a_kind(kind):
        raise CheckError(f"{kind!r} is no kind of alert: {meant_kind(kind)}")
    wired = wire(Settings.from_environment(), EnvConnections())
    asked = [wired.workflow(workflow)] if workflow else list(wired.declarations.workflows)
    moments = {one.slug: _moment(wired, one, at) for one in asked}
    silences = _silences(wired, set(moments.values()))
    found = [
        _explained(wired, one, level, kind, moments[one.slug], silences) for one in asked for level in _levels(severity)
    ]
    if json:
        as_json({"silences_known": silences is not None, "alerts": [_as_dict(one) for one in found]})
        return
    if workflow is None:
        console.print(_table(found), soft_wrap=False)
    else:
        for one in found:
            _print(wired, one)
    if silences is None:
        console.print(Text("Silences are not known: the ops database cannot be reached.", style="yellow"))


def _levels(severity: str) -> Sequence[Severity]:
    if not severity:
        return _SEVERITIES
    if severity not in set(_SEVERITIES):
        raise CheckError(f"{severity!r} is no severity that alerts have: critical, unknown or warning")
    return (Severity(severity),)


def _moment(wired: Wired, workflow: Workflow, text: str) -> datetime:
    if not text:
        return wired.services.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CheckError(f'{text!r} is no moment, such as "2026-11-28 03:00"') from error
    if moment.year not in _YEARS:
        raise CheckError(f"{text!r} is too far away: say a moment of the years {_YEARS[0]} to {_YEARS[-1]}")
    zone = ZoneInfo(hours_of(wired.services.fleet.alerts, workflow.alerts).zone)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _silences(wired: Wired, moments: Collection[datetime]) -> Sequence[Silence] | None:
    """The silences that hold at one of these moments; None where they cannot be looked up."""
    import sqlalchemy as sa

    from afterpilot.record.alerts.silences import Silences

    try:
        with wired.engine.connect() as connection:
            return [one for moment in moments for one in Silences(connection).holding(moment)]
    except sa.exc.SQLAlchemyError:
        return None


def _explained(
    wired: Wired, workflow: Workflow, severity: Severity, kind: str, at: datetime, silences: Sequence[Silence] | None
) -> _Explained:
    fleet = wired.services.fleet.alerts
    alert = Alert(workflow.slug, kind, severity, workflow.channel, workflow.owner.email)
    plan = routed(alert, fleet=fleet, own=workflow.alerts, silences=silences or (), at=at)
    if silences is None:
        plan = replace(plan, steps=("silences: not known, the ops database cannot be reached", *plan.steps[1:]))
    return _Explained(workflow, severity, kind, at, plan, _calls(wired, workflow, severity, plan))


def _calls(wired: Wired, workflow: Workflow, severity: Severity, plan: Routed) -> tuple[str, ...]:
    """Who is called, in order; the first one at once."""
    if plan.silenced or all(place.digest_at for place in plan.to):
        return ()
    owner, deputy = workflow.owner, workflow.deputy
    terms = terms_of(severity, wired.services.fleet.alerts, workflow.alerts)
    if terms is None:
        return (owner.name,)
    after, everybody = in_words(terms), f"everybody in {workflow.channel}"
    if deputy.slack == owner.slack:
        return (owner.name, f"{everybody} after {after}")
    return (owner.name, f"{deputy.name} after {after}", f"{everybody} after another {after}")


def _place(place: Destination) -> str:
    where = place.channel if place.target in {SLACK, place.channel} else f"{place.target} ({place.channel})"
    return f"{where}, digest of {place.digest_at:%Y-%m-%d %H:%M} UTC" if place.digest_at else where


def _called(one: _Explained) -> str:
    if not one.calls:
        return "nobody"
    first, *later = one.calls
    return (
        f"{first} at once; unless somebody takes it up {', then '.join(later)}"
        if later
        else f"{first} at once, nobody else"
    )


def _told(one: _Explained) -> str:
    return "kept" if one.plan.silenced else "; ".join(map(_place, one.plan.to))


def _print(wired: Wired, one: _Explained) -> None:
    hours = hours_of(wired.services.fleet.alerts, one.workflow.alerts)
    local = one.at.astimezone(ZoneInfo(hours.zone))
    within = "in working hours" if hours.hold(one.at) else "outside working hours"
    kind = "any kind" if one.kind == _ANY_KIND else one.kind
    console.print(
        Text.assemble(
            (f"{one.workflow.slug}: {one.severity}, {kind}", "bold"), f"  {local:%a %Y-%m-%d %H:%M %Z}, {within}"
        )
    )
    for number, step in enumerate(one.plan.steps, 1):
        console.print(Text(f"  {number}. {step}"))
    goes = f"nowhere for now: {one.plan.silenced}" if one.plan.silenced else "; ".join(map(_place, one.plan.to))
    console.print(Text.assemble(("  goes to: ", "bold"), goes))
    console.print(Text.assemble(("  calls: ", "bold"), _called(one)))


def _table(found: Sequence[_Explained]) -> Table:
    """A line for each workflow, and below it one for each severity: in 80 columns, too."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("alert", no_wrap=True)
    for column in ("goes to", "calls", "otherwise"):
        table.add_column(column, overflow="fold")
    last = ""
    for one in found:
        if one.workflow.slug != last:
            last = one.workflow.slug
            table.add_row(Text(last, style="bold"))
        first, *later = one.calls or ("nobody",)
        table.add_row(*(Text(cell) for cell in (f"  {one.severity}", _told(one), first, "; ".join(later))))
    return table


def _as_dict(one: _Explained) -> Mapping[str, Any]:
    return {
        "workflow": one.workflow.slug,
        "severity": str(one.severity),
        "kind": None if one.kind == _ANY_KIND else one.kind,
        "at": one.at.isoformat(),
        "steps": list(one.plan.steps),
        "to": [
            {
                "target": place.target,
                "channel": place.channel,
                "digest_at": place.digest_at and place.digest_at.isoformat(),
            }
            for place in one.plan.to
        ],
        "silenced": one.plan.silenced,
        "calls": list(one.calls),
    }

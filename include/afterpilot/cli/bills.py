"""``afterpilot bills``: what providers bill, beside what was metered."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from afterpilot import pipeline
from afterpilot.cli.output import AsJson, as_json, console, exit_status, run_as_dict, verdict
from afterpilot.decide.bills import Day, Row, Standing, State
from afterpilot.domain.counting import per_cent
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.money import digits_of
from afterpilot.domain.run import Run, Trigger
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

app = typer.Typer(
    help="Read the providers' bills, and hold them against what was metered.", invoke_without_command=True
)

_Account = Annotated[str, typer.Option(help="One account of spend.bills in _fleet.yaml; all of them unless given.")]
_SHOWN = 14
_NOT_KNOWN = "?"
_SIDES = "bill: what workflows own; nobody's: what is billed on top of it and no workflow owns. Both together are what is billed."
_STATES: dict[State, str] = {
    "unread": "not read",
    "before": "before the first metered call",
    "open": "not judged yet: either side may still come in",
    "provisional": "may still be corrected",
    "final": "",
}


@app.callback()
def bills(
    context: typer.Context,
    *,
    account: _Account = "",
    days: Annotated[int, typer.Option(min=0, max=366, help="Read at least so many days again.")] = 0,
    json: AsJson = False,
) -> None:
    """Read the providers' bills now, and hold them against what was metered, day by day (UTC).

    Read is what was not read yet within five weeks, and what may still be corrected: the last five days. The result is a run of
    `_fleet` in the run history, as that of the DAG `provider_bills`.
    """
    if context.invoked_subcommand:
        return
    wired = wire(Settings.from_environment(), EnvConnections())
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    names = [account] if account else []
    found = pipeline.bills(wired.services, wired.declarations.workflows, trigger=trigger, accounts=names, again=days)
    if found is None or found.run is None:
        raise ConfigurationError("_fleet.yaml declares no account under spend.bills")
    if json:
        told = [_standing(one) for one in found.standings if not account or one.account.name == account]
        as_json({**run_as_dict(found.run), "accounts": told})
    else:
        _print(found.standings, account, days or _SHOWN)
        _print_verdict(found.run)
    raise typer.Exit(exit_status([found.run.verdict]))


@app.command()
def show(
    *,
    account: _Account = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days, up to yesterday.")] = _SHOWN,
    json: AsJson = False,
) -> None:
    """Show bills and meter as they are on record; nothing is read from a provider and no run is made."""
    wired = wire(Settings.from_environment(), EnvConnections())
    if account and account not in {one.name for one in wired.services.fleet.spend.bills}:
        raise ConfigurationError(f"there is no account {account!r} under spend.bills in _fleet.yaml")
    standings = pipeline.bill_standings(wired.services, wired.declarations.workflows)
    if not standings:
        raise ConfigurationError("_fleet.yaml declares no account under spend.bills")
    if json:
        as_json([_standing(one) for one in standings if not account or one.account.name == account])
    else:
        _print(standings, account, days)


def _print(standings: Sequence[Standing], account: str, days: int) -> None:
    for one in standings:
        if account and one.account.name != account:
            continue
        console.print(
            Text.assemble((one.account.name, "bold"), f"  {one.account.kind}, {one.account.currency}, days in UTC")
        )
        console.print(_table(one, days), soft_wrap=False)
        console.print(Text(f"  {_SIDES}", style="dim"))
        console.print(Text(f"  {_coverage(one)}"))
        if one.names.trouble:
            console.print(Text(f"  projects are shown by their ids: {one.names.trouble}", style="dim"))
        for lost in one.unowned:
            proposed = f"{lost.owner}? ({lost.why})" if lost.owner else f"whose? ({lost.why})"
            console.print(
                Text.assemble(
                    ("  nobody's: ", "yellow"),
                    f"{lost.shown or 'no project'}  {lost.cost}  {proposed}",
                )
            )
        console.print()


def _table(standing: Standing, days: int) -> Table:
    table = Table(box=None, padding=(0, 2))
    table.add_column("day")
    for column in ("bill", "meter", "gap", "nobody's"):
        table.add_column(column, justify="right")
    table.add_column("cause", overflow="fold")
    for day in standing.days[-days:]:
        sides = (_money(amount) for amount in (day.bill, day.meter, day.gap, day.unowned))
        table.add_row(str(day.day), *sides, _cause(day))
    return table


def _cause(day: Day) -> Text:
    """Why the day has a gap, or how far it has come."""
    if not day.cause:
        return Text(_STATES[day.state], style="dim")
    more = f" (and {day.gaps - 1} more)" if day.gaps > 1 else ""
    return Text(f"{day.cause}{more}", style="yellow")


def _coverage(one: Standing) -> str:
    read = any(day.bill is not None for day in one.days)
    none = "nothing is billed" if read else "no bill is on record yet: `afterpilot bills` reads them"
    owned = none if one.owned is None else f"{per_cent(one.owned, places=1)} of the bill is owned"
    if one.owned_unknown:
        owned = f"which share of the bill is owned is UNKNOWN: {one.owned_unknown}"
    priced = (
        "no call is metered"
        if one.priced is None
        else f"{per_cent(one.priced, places=1)} of the metered calls are priced"
    )
    return f"{owned}, {priced}"


def _print_verdict(run: Run) -> None:
    console.print(verdict(run.verdict), Text(run.summary))
    for reason in run.reasons:
        console.print(Text(f"  {reason}"))


def _money(amount: Decimal | None) -> str:
    return _NOT_KNOWN if amount is None else digits_of(amount)


def _standing(one: Standing) -> dict[str, Any]:
    return {
        "account": one.account.name,
        "kind": one.account.kind,
        "currency": one.account.currency,
        "bill": str(one.bill),
        "owned": None if one.owned is None else str(one.owned),
        "owned_unknown": one.owned_unknown,
        "priced": None if one.priced is None else str(one.priced),
        "days_read": one.days_read,
        "unread": [str(day.day) for day in one.days if day.state == "unread"],
        "rows": [_row(row) for row in one.rows],
        "unowned": [
            {
                "project": lost.project,
                "project_name": lost.name,
                "amount": str(lost.amount),
                "without_amount": lost.unknown,
                "currency": lost.currency,
                "models": list(lost.models),
                "proposed_owner": lost.owner,
                "proposed_because": lost.why,
            }
            for lost in one.unowned
        ],
        "findings": [finding.title for finding in one.findings],
    }


def _row(row: Row) -> dict[str, Any]:
    sides = {name: None if (value := getattr(row, name)) is None else str(value) for name in ("bill", "meter", "gap")}
    return {
        "day": str(row.day),
        "project": row.project,
        "model": row.model,
        **sides,
        "unpriced": row.unpriced,
        "state": row.state,
        "causes": [{"cause": one.kind, "text": one.text} for one in row.causes],
    }

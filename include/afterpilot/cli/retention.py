"""``afterpilot retention``: how long what is kept, what goes, and what has gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, day
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.retention import CLASSES, FOR_GOOD, Removal
from afterpilot.pipeline.retaining import Passed, retain, rules_of
from afterpilot.pipeline.retention_standing import Standing, standings
from afterpilot.record.history import retention as history
from afterpilot.record.retention.holds import Holds
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

app = typer.Typer(help="How long what is kept, what goes next, and what was removed.", no_args_is_help=True)

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


@app.command()
def show(*, json: AsJson = False) -> None:
    """Show for each class of data how long it is kept and who says so, the oldest that there is, and what goes next and when.

    Example: afterpilot retention show
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    with wired.services.ops.begin() as unit:
        rules = rules_of(unit.connection, wired.services.fleet.retention)
        found = standings(unit.connection, rules, now=wired.services.now())
        held = Holds(unit.connection).all()
    if json:
        as_json({"classes": [_as_dict(one) for one in found], "holds": len(held), "workflows": dict(rules.own)})
        return
    console.print(_table(found, wired.services.now()), soft_wrap=False)
    _line(_rules(found))
    for one in found:
        if one.stays:
            _line(f"{one.data_class.name} of {one.next} is old enough and stays: {one.stays}")
    for workflow, days in rules.own.items():
        kept = "for good, as what it says cannot be read" if days >= FOR_GOOD else f"for {plural(days, 'day')}"
        _line(f"{workflow}: its records are kept {kept} (governance.retention)")
    _line(f"Holds that stand: {len(held)} (`afterpilot hold list`)")
    if not rules.fleet.whole:
        _line("_fleet.yaml cannot be read as a whole: nothing is removed until it can, see `afterpilot validate`.")


@app.command()
def run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Remove what is older than its class is kept, as the DAG `retention` does once a day. Exit status 2 where another pass is under way.

    Example: afterpilot retention run --dry-run
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    passed = retain(wired.services, actor="cli", dry_run=dry_run)
    if json:
        as_json(_passed(passed))
    else:
        for one in passed.removed:
            size = f", {_bytes(one.size)}" if one.size is not None else ""
            _line(f"{'would go' if dry_run else 'removed'}: {one.what} ({plural(one.rows, 'row')}{size})")
        for stays in passed.stays:
            _line(f"stays: {stays.data_class} of {stays.month:%Y-%m}: {stays.why}")
        if passed.busy:
            _line("Another pass is under way; nothing was done.")
        elif not passed.removed:
            _line("Nothing is older than it is kept.")
    if passed.busy:
        raise typer.Exit(2)


@app.command()
def report(
    *,
    from_: Annotated[str, typer.Option("--from", help="The first day, as 2026-11-01, in UTC.")] = "",
    to: Annotated[str, typer.Option("--to", help="The last day, as 2026-11-30, in UTC; unless given today.")] = "",
    json: AsJson = False,
) -> None:
    """Report what was removed from one day to another (UTC, both included; the last 90 days unless said), by what and whom.

    Example: afterpilot retention report --from 2026-01-01 --to 2026-12-31
    """
    from afterpilot.record.ops import connect

    last = day(to, "--to") if to else datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = day(from_, "--from") if from_ else last - timedelta(days=89), last + timedelta(days=1)
    if start >= end:
        raise AfterpilotError("--to: ends before --from begins")
    with connect(Settings.from_environment().database_url).connect() as connection:
        gone, erased = history.removed(connection, start, end), history.erasures(connection, start, end)
    if json:
        as_json(
            {"from": start, "to": end, "removed": [dict(one) for one in gone], "erased": [dict(one) for one in erased]}
        )
        return
    for one in gone:
        what = Removal(one["data_class"], one["table_name"], one["rows"], one["month"], one["before"], one["workflow"])
        size = f", {_bytes(one['bytes'])}" if one["bytes"] is not None else ""
        _line(f"{one['at']:%Y-%m-%d}  {what.what}  {plural(one['rows'], 'row')}{size}  by {one['actor']}")
    for one in erased:
        _line(f"{one['at']:%Y-%m-%d}  erased: {one['subject']}  {plural(one['rows'], 'value')}  by {one['actor']}")
    if not gone and not erased:
        _line(f"Nothing was removed from {start:%Y-%m-%d} to {last:%Y-%m-%d}, both included.")


def _rules(found: Sequence[Standing]) -> str:
    """Who says how long, and what no rule can be shorter than."""
    said: dict[str, list[str]] = {}
    least: dict[int, list[str]] = {}
    for one in found:
        said.setdefault(one.rule_from, []).append(one.data_class.name)
        least.setdefault(one.data_class.minimum, []).append(one.data_class.name)
    told = [f"{who}: {', '.join(names)}" for who, names in said.items()]
    told += [f"at least {days} days: {', '.join(names)}" for days, names in sorted(least.items()) if days]
    return "\n".join(told)


def _table(found: Sequence[Standing], now: datetime) -> Table:
    table = Table(box=None, padding=(0, 1))
    for column in ("data", "kept", "oldest", "next", "goes", "size"):
        table.add_column(column, justify="right" if column in {"kept", "size"} else "left", no_wrap=True)
    for one in found:
        table.add_row(
            Text(one.data_class.name, style="bold"),
            one.rule,
            f"{one.oldest:%Y-%m-%d}" if one.oldest else "none",
            one.next or "-",
            _goes(one, now),
            _bytes(one.size) if one.size is not None else "-",
        )
    return table


def _goes(one: Standing, now: datetime) -> Text:
    if one.stays:
        return Text("stays", style="yellow")
    if one.next_at is None:
        return Text("-")
    return Text(f"{'due since ' if one.next_at < now else ''}{one.next_at:%Y-%m-%d}")


def _bytes(size: int) -> str:
    amount, unit = float(size), 0
    while amount >= _THOUSAND and unit < len(_UNITS) - 1:
        amount, unit = amount / _THOUSAND, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if not unit else f"{amount:.1f} {_UNITS[unit]}"


def _as_dict(one: Standing) -> dict[str, Any]:
    return {
        "class": one.data_class.name,
        "holds": one.data_class.holds,
        "tables": list(one.data_class.tables),
        "days": one.days,
        "said_by": one.said_by,
        "minimum_days": one.data_class.minimum,
        "oldest": one.oldest,
        "next": one.next,
        "next_at": one.next_at,
        "stays_because": one.stays,
        "bytes": one.size,
        "removed_before": one.removed_before,
    }


def _passed(passed: Passed) -> dict[str, Any]:
    return {
        "busy": passed.busy,
        "removed": [
            {"class": one.data_class, "table": one.table, "month": one.month and f"{one.month:%Y-%m}", "rows": one.rows,
             "bytes": one.size, "before": one.before, "workflow": one.workflow}
            for one in passed.removed
        ],
        "stays": [{"class": one.data_class, "month": f"{one.month:%Y-%m}", "why": one.why} for one in passed.stays],
        "classes": list(CLASSES),
    }  # fmt: skip


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""``afterpilot preview``: what a declaration would have found, before it is in production."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import percent
from afterpilot.domain.ports import Judged
from afterpilot.pipeline.previewing import Previewed, preview
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MARK = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("?", "magenta")}
_REASONS = 3


def preview_command(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    *,
    windows: Annotated[int, typer.Option(min=1, max=90, help="So many of the last windows.")] = 14,
    every: Annotated[str, typer.Option(help="The length of one, such as 6h, 1d or 1w.")] = "1d",
    json: AsJson = False,
) -> None:
    """Show which checks of a declaration would have fired on the last windows of its own source.

    The source is read as in production, into a schema of the ops database that is gone afterwards: nothing is kept, released or
    told to anybody. Example: afterpilot preview invoice_matching --windows 7
    """
    from afterpilot.record.scratch import scratch

    length = _length(every)
    settings, connections = Settings.from_environment(), EnvConnections()
    with scratch(settings.database_url) as trial:
        wired = wire(replace(settings, database_url=trial), connections)
        declared = wired.workflow(workflow)
        found: list[Previewed] = []
        try:
            with Progress(console=console, transient=True, disable=json) as progress:
                task = progress.add_task(f"{workflow}: reading its source …", total=windows)
                for one in preview(wired.services, declared, count=windows, every=length):
                    found.append(one)
                    progress.update(task, advance=1, description=f"{workflow}: {one.window.end:%d %B}")
        finally:
            wired.engine.dispose()
    if json:
        as_json([_data(one) for one in found])
    else:
        _print(workflow, found)


def _length(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit() or not int(number):
        raise typer.BadParameter(f"{text!r} is no length such as 6h, 1d or 1w", param_hint="--every")
    return timedelta(**{_UNITS[unit]: int(number)})


def _print(slug: str, found: Sequence[Previewed]) -> None:
    total = sum(one.records for one in found)
    span = f"{found[0].window.start:%d %B} to {found[-1].window.end:%d %B}"
    console.print(
        Text.assemble((slug, "bold"), f": {plural(total, 'record')} in {plural(len(found), 'window')}, {span}")
    )
    for line in found[-1].noticed:
        console.print(Text.assemble(("! ", "yellow"), line))
    names = [_name(one) for one in max((one.judged for one in found), key=len)]
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("expectation", style="cyan", overflow="fold")
    for one in found:
        table.add_column(f"{one.window.start:%d}", justify="center")
    table.add_column("fired", justify="right")
    for name in names:
        cells = [next((judged for judged in one.judged if _name(judged) == name), None) for one in found]
        fired = sum(cell is not None and cell.success is False for cell in cells)
        table.add_row(name, *(_cell(cell) for cell in cells), Text(str(fired), style="bold red" if fired else "dim"))
    console.print(table)
    console.print(legend(found), style="dim")
    for line in _details(found):
        console.print(Text(line))
    _print_outputs(found)


def legend(found: Sequence[Previewed]) -> str:
    """What the signs of the table mean, of the rarer ones only those that stand in it."""
    signs = ["✓ held", "✗ would have fired"]
    if any(judged.success is None for one in found for judged in one.judged):
        signs.append("? could not say: no records, nothing to look at, or too little history before the window")
    if len({len(one.judged) for one in found}) > 1:
        signs.append(
            "· not asked: the window holds no records"
            + (", or could not be judged" if any(one.error for one in found) else "")
        )
    return "  ".join(signs)


def _print_outputs(found: Sequence[Previewed]) -> None:
    total, routed = sum(one.records for one in found), sum(one.routed for one in found)
    if errors := sorted({one.gate_error for one in found if one.gate_error}):
        console.print(Text.assemble(("✗ ", "red"), f"outputs could not be checked: {errors[0]}"))
        return
    if not total:
        return
    console.print(
        Text.assemble(
            ("Outputs: ", "bold"), f"{routed:,} of {total:,} ({percent(routed / total)}) would have gone to people"
        )
    )
    reasons: dict[tuple[str, str], int] = {}
    for one in found:
        for reason, count in one.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    for (check, field), count in sorted(reasons.items(), key=lambda item: -item[1])[:_REASONS]:
        console.print(f"  {count:,}  {field} ({check})", highlight=False)


def _details(found: Sequence[Previewed]) -> list[str]:
    """What the newest window in which each fired has seen, why each could not say anything, and the errors of windows that could not
    be judged at all.
    """
    newest: dict[str, str] = {}
    silent = Counter(_name(judged) for one in found for judged in one.judged if judged.success is None)
    for one in found:
        if one.error:
            newest["error"] = f"? {one.window.start:%d %B}: {one.error}"
        for judged in one.judged:
            if judged.success is False:
                keys = f"; such as {', '.join(judged.failing_keys[:3])}" if judged.failing_keys else ""
                newest[_name(judged)] = f"✗ {_name(judged)}: {judged.observed} on {one.window.start:%d %B}{keys}"
            elif judged.success is None:
                name, days = _name(judged), plural(silent[_name(judged)], "window")
                newest[f"? {name}"] = f"? {name}: could not say in {days}: {judged.error or 'nothing to look at'}"
    return list(newest.values())


def _cell(judged: Judged | None) -> Text:
    mark, style = ("·", "dim") if judged is None else _MARK[judged.success]
    return Text(mark, style=style)


def _name(judged: Judged) -> str:
    columns = judged.check.params.get("column_list") or judged.check.column
    about = ", ".join(columns) if isinstance(columns, list | tuple) else columns
    name = judged.check.expect.removeprefix("column_values_to_").removeprefix("column_").replace("_", " ")
    return f"{about}: {name}" if about else name


def _data(one: Previewed) -> dict[str, Any]:
    return {
        "window": [one.window.start.isoformat(), one.window.end.isoformat()],
        "records": one.records,
        "error": one.error,
        "noticed": list(one.noticed),
        "expectations": [
            {
                "expect": judged.check.expect,
                "column": judged.check.column,
                "severity": str(judged.check.severity),
                "success": judged.success,
                "observed": judged.observed,
                "failing": judged.failing_total,
                "error": judged.error,
            }
            for judged in one.judged
        ],
        "outputs": {
            "routed": one.routed,
            "error": one.gate_error,
            "reasons": [
                {"check": check, "field": field, "outputs": count} for (check, field), count in one.reasons.items()
            ],
        },
    }

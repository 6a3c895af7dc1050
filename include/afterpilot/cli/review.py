"""``afterpilot review``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.padding import Padding
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.record.history import review as queue
from afterpilot.record.history.paging import Row
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire

_MOST = 1000
_WHY = 200  # characters of the first discrepancy


def review(
    workflow: Annotated[str, typer.Argument(help="Only this workflow's folder name.")] = "",
    *,
    mine: Annotated[
        str, typer.Option(help="Only what this person holds, or is assigned to them: a login or a name.")
    ] = "",
    json: AsJson = False,
) -> None:
    """List what waits for people, with due times and links; those due first come first.

    People decide on the page of the item. Exit status 1 where something is beyond its time.
    Example: afterpilot review invoice_matching --mine dana
    """
    wired = wire(Settings.from_environment(), EnvConnections())
    if workflow:
        wired.workflow(workflow)
    at = wired.services.now()
    who = queue.Mine(mine, {" ".join(mine.casefold().replace(".", " ").replace("_", " ").split())})
    with wired.services.ops.begin() as unit:
        for slug in [workflow] if workflow else unit.review.waiting_workflows():
            declared = next((one for one in wired.declarations.workflows if one.slug == slug), None)
            if declared is not None:
                unit.review.set_due(slug, declared.review.due_within)
        page = queue.list_items(
            unit.connection,
            workflow=workflow,
            state="waiting",
            mine=who.of(at) if mine else None,
            limit=_MOST,
        )
    items = [_as_dict(wired, row, at) for row in page.rows]
    if json:
        as_json(items)
    else:
        _tell(items, more=bool(page.after))
    raise typer.Exit(1 if any(one["overdue"] for one in items) else 0)


def _as_dict(wired: Wired, row: Row, at: datetime) -> Mapping[str, Any]:
    """An item for programs."""
    held = bool(row["reserved_by"]) and row["reserved_until"] is not None and row["reserved_until"] > at
    url = wired.services.messages.review_url
    query = urlencode({"workflow": row["workflow"], "key": row["key"]})
    return {
        "workflow": row["workflow"],
        "key": row["key"],
        "reason": row["reason"],
        "why": [found["text"] for found in row["discrepancies"]],
        "opened_at": row["opened_at"].isoformat(),
        "due_at": row["due"].isoformat(),
        "overdue": row["due"] < at,
        "reserved_by": row["reserved_by"] if held else "",
        "assigned_to": row["assigned_to"],
        "url": f"{url}/item?{query}" if url else "",
    }


def _tell(items: list[Mapping[str, Any]], *, more: bool) -> None:
    if not items:
        console.print("Nothing waits for a person.")
        return
    for one in items:
        due = f"due {datetime.fromisoformat(one['due_at']):%Y-%m-%d %H:%M} UTC"
        why = one["why"][0] if one["why"] else one["reason"].replace("_", " ")
        first = Text.assemble(
            (one["workflow"], "dim"), "  ", (one["key"], "bold"), "  ", (due, "bold red" if one["overdue"] else "")
        )
        if who := one["reserved_by"] or one["assigned_to"]:
            first.append(f"  {who}")
        console.print(first, soft_wrap=True)  # a key and a link are never cut
        console.print(Padding(Text(why[:_WHY]), (0, 0, 0, 4)))
        if one["url"]:
            console.print(Text(f"    {one['url']}", style="dim"), soft_wrap=True)
    late = sum(one["overdue"] for one in items)
    waits = f"{len(items)}{' or more' if more else ''} wait{'s' if len(items) == 1 else ''}"
    console.print(f"{waits} for a person, {late} beyond {'its' if late == 1 else 'their'} time.", highlight=False)

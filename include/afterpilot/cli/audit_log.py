"""``afterpilot audit log``: entries of the ledger, the newest first."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.settings import Settings

_MOST = 1_000


def log(
    *,
    workflow: Annotated[str, typer.Option("--workflow", help="Only of this workflow; _fleet: of no single one.")] = "",
    action: Annotated[str, typer.Option("--action", help="Only this action, or a pattern such as 'review:*'.")] = "",
    actor: Annotated[str, typer.Option("--actor", help="Only of this actor, such as airflow:records.hourly.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="Only about this, such as run:<id>.")] = "",
    before: Annotated[int | None, typer.Option("--before", help="Only entries with a lower id: the next page.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.", min=1, max=_MOST)] = 20,
    json: AsJson = False,
) -> None:
    """List entries of the ledger, the newest first. A pattern alone looks at the newest 100,000 entries.

    Example: afterpilot audit log --workflow invoice_matching --action "review:*"
    """
    from afterpilot.record.ops import connect
    from afterpilot.record.tables import ledger

    c = ledger.c
    where = [
        column == value for column, value in ((c.workflow, workflow), (c.actor, actor), (c.subject, subject)) if value
    ]
    if before is not None:
        where.append(c.id < before)
    wanted = sa.select(ledger).where(*where).order_by(c.id.desc())
    if action:
        some = wanted.limit(100_000).subquery()
        pattern = action.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%").replace("*", "%")
        wanted = sa.select(some).where(some.c.action.like(pattern)).order_by(some.c.id.desc())
    with connect(Settings.from_environment().database_url).connect() as connection:
        rows = connection.execute(wanted.limit(limit)).mappings().all()
    if json:
        as_json([_as_dict(row) for row in rows])
    elif not rows:
        console.print("The ledger has no such entry.")
    else:
        _print(rows)


def _print(rows: Any) -> None:  # noqa: ANN401 - rows
    table = Table(box=None, pad_edge=False)
    for name in ("id", "at, UTC", "workflow", "action", "subject", "actor"):
        table.add_column(name, overflow="fold")
    for row in rows:
        at = f"{row['at']:%Y-%m-%d %H:%M:%S}"
        kept = (row["workflow"], row["action"], row["subject"], row["actor"])
        table.add_row(str(row["id"]), at, *(Text(str(one)) for one in kept))
    console.print(table, markup=False, highlight=False)


def _as_dict(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    from json import loads

    kept = ("id", "workflow", "action", "subject", "actor")
    times = {name: row[name].isoformat() for name in ("at", "recorded_at")}
    return {**{name: row[name] for name in kept}, **times, "payload": loads(row["payload"])}

"""``afterpilot audit log``: entries of the ledger, the newest first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console, day
from afterpilot.cli.workflow_names import must_be_known
from afterpilot.domain.errors import AfterpilotError
from afterpilot.domain.run import FLEET
from afterpilot.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

    from afterpilot.record.history.ledger import LedgerFilter

_MOST = 1_000
_LOOKS = 5  # of 20,000 entries each
_COLUMNS = ("id", "recorded_at", "at", "action", "workflow", "subject", "actor", "name", "payload")


@dataclass(frozen=True, slots=True)
class _Found:
    """Entries, newest first. ``before`` is where the next ones begin, 0 at the end; ``looked_to`` how far the look came that ended."""

    rows: list[Mapping[str, Any]]
    before: int
    looked_to: datetime | None


def log(
    *,
    workflow: Annotated[str, typer.Option("--workflow", help="Only of this workflow; _fleet: of no single one.")] = "",
    action: Annotated[str, typer.Option("--action", help="Only this action, or a pattern such as 'review:*'.")] = "",
    actor: Annotated[
        str, typer.Option("--actor", help="Only of this person, by login or name, or of a part such as airflow:gate.")
    ] = "",
    subject: Annotated[str, typer.Option("--subject", help="Only about this, such as run:<id>.")] = "",
    since: Annotated[str, typer.Option("--from", help="Only from this day on, as 2026-11-01, in UTC.")] = "",
    until: Annotated[str, typer.Option("--to", help="Only to this day, as 2026-11-30, included.")] = "",
    before: Annotated[
        int | None, typer.Option("--before", help="Only entries with a lower id: the next page.", min=1)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.", min=1, max=_MOST)] = 20,
    json: AsJson = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")] = False,
) -> None:
    """List entries of the ledger, the newest first. Of a pattern, the newest 100,000 entries are looked at.

    Example: afterpilot audit log --workflow invoice_matching --action "review:*" --actor "Dana Ruiz"
    """
    from afterpilot.record.history import ledger
    from afterpilot.record.ops import connect

    if json and csv:
        raise AfterpilotError("say --json or --csv, not both")
    with connect(Settings.from_environment().database_url).connect() as connection:
        wanted = _wanted(
            connection, workflow=workflow, action=action, actor=actor, subject=subject, days=(since, until)
        )
        found = _look(connection, wanted, before or 0, limit)
        if workflow and not found.rows:
            must_be_known(connection, workflow, also=[FLEET])
        names = ledger.names(connection, [row["actor"] for row in found.rows])
    given = {"--workflow": workflow, "--action": action, "--actor": actor, "--subject": subject, "--from": since}
    given["--to"] = until
    if not (json or csv):
        _print(found, names, given)
        return
    rows = [_as_dict(row, names) for row in found.rows]
    if json:
        as_json(rows)
    else:
        _print_csv(rows)
    if found.before:  # beside the output, which is for programs: it is not all
        typer.echo("\n".join(_ending(found, given)), err=True)


def _wanted(
    connection: sa.Connection, *, workflow: str, action: str, actor: str, subject: str, days: tuple[str, str]
) -> LedgerFilter:
    from datetime import timedelta

    from afterpilot.record.history.ledger import LedgerFilter, actors_called

    start, end = (day(text, option) if text else None for text, option in zip(days, ("--from", "--to"), strict=True))
    if start and end and start > end:
        raise AfterpilotError("--to: ends before --from begins")
    return LedgerFilter(
        workflow=workflow,
        action=action,
        subject=subject,
        actors=actors_called(connection, actor) if actor else None,
        since=start,
        until=end + timedelta(days=1) if end else None,
    )


def _look(connection: sa.Connection, wanted: LedgerFilter, before: int, limit: int) -> _Found:
    """The newest entries that fit; the look ends after some 100,000."""
    from afterpilot.record.history import ledger

    rows: list[Mapping[str, Any]] = []
    for _ in range(_LOOKS):
        page = ledger.entries(connection, wanted, before=before, limit=limit - len(rows))
        rows += page.rows
        before = page.after
        if len(rows) >= limit or not before:
            return _Found(rows, before, None)
    return _Found(rows, before, page.looked_to)


def _print(found: _Found, names: Mapping[str, str], given: Mapping[str, str]) -> None:
    width = max((len(str(row["id"])) for row in found.rows), default=0)
    most = max((len(row["action"]) for row in found.rows), default=0)
    for row in found.rows:
        line = Text(f"{row['id']:>{width}}", style="bold")
        line.append(f"  {row['at']:%Y-%m-%d %H:%M:%S}  ", style="not bold")
        line.append(
            f"{row['action']:<{most}}  {'' if row['workflow'] == FLEET else row['workflow']}".rstrip(), "not bold"
        )
        console.print(line)
        who = names.get(row["actor"], row["actor"])
        below, margin = f"{row['subject']}  by {who}", " " * (width + 2)
        if len(margin) + len(below) > console.width:  # each on a line of its own: the terminal would break one of them
            below = f"{row['subject']}\n{margin}by {who}"
        console.print(Text(f"{margin}{below}", style="dim"))
    for said in _ending(found, given):
        console.print(said, markup=False, highlight=False)


def _ending(found: _Found, given: Mapping[str, str]) -> Iterator[str]:
    if not found.rows and not found.before:
        yield "The ledger has no such entry."
    if found.looked_to is not None:
        yield f"Looked back to {found.looked_to:%Y-%m-%d %H:%M} UTC; nothing more so far."
    if found.before:
        filters = " ".join(f"{option} {shlex.quote(value)}" for option, value in given.items() if value)
        yield f"Times are UTC. Older ones: afterpilot audit log {filters}{' ' if filters else ''}--before {found.before}"
    elif found.rows:
        yield "Times are UTC."


def _print_csv(rows: list[dict[str, Any]]) -> None:
    import json

    from afterpilot.web.spreadsheets import cell, line

    typer.echo(line(_COLUMNS), nl=False)
    for row in rows:
        payload = json.dumps(row["payload"], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        typer.echo(line(cell({**row, "payload": payload}[name]) for name in _COLUMNS), nl=False)


def _as_dict(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    from json import loads

    kept = ("id", "workflow", "action", "subject", "actor")
    times = {name: row[name].isoformat() for name in ("at", "recorded_at")}
    named = {"name": names.get(row["actor"], "")}
    return {**{name: row[name] for name in kept}, **named, **times, "payload": loads(row["payload"])}

"""``afterpilot alerts silence``, ``silences`` and ``unsilence``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.until import HOW, until
from afterpilot.settings import Settings

if TYPE_CHECKING:
    from afterpilot.domain.alerting import Silence

By = Annotated[str, typer.Option("--by", help="Who says so; the list of silences names them.")]
_MOST = 100


def silence(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name, or a pattern with *.")] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Of all workflows.")] = False,
    kind: Annotated[
        str, typer.Option("--kind", help="Only this kind of finding, or a pattern such as 'quality.*'.")
    ] = "",
    until_: Annotated[str, typer.Option("--for", "--until", help=f"{HOW[0].upper()}{HOW[1:]}, in UTC.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept, and shown with what is not sent.")],
    by: By,
    json: AsJson = False,
) -> None:
    """Keep alerts for at most 30 days and send none of them. What is still there at the end is told then.

    Example: afterpilot alerts silence invoice_matching --kind "quality.*" --for 2h --reason "the warehouse moves" --by "Dana Ruiz"
    """
    from afterpilot.pipeline.silencing import Asked, begin_silence, covered
    from afterpilot.record.history.status import slugs
    from afterpilot.record.ops import Ops, connect

    if bool(workflow) == everything:
        raise typer.BadParameter("name a workflow, or say --all", param_hint="WORKFLOW")
    now = datetime.now(UTC)
    try:
        moment = until(until_, now=now)
    except ValueError as error:
        raise AnswerRefused(str(error)) from error
    with Ops(connect(Settings.from_environment().database_url)).begin() as unit:
        asked = Asked(workflow, kind, moment, by, reason)
        begun = begin_silence(unit, asked, workflows=slugs(unit.connection), now=now)
    if json:
        as_json(_as_dict(begun))
        return
    _line(f"{covered(begun)} is silent until {begun.ends_at:%Y-%m-%d %H:%M} UTC: {begun.reason}")
    _line(f"End it before: afterpilot alerts unsilence {str(begun.id)[:8]} --by NAME")


def silences(
    *, everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False, json: AsJson = False
) -> None:
    """List the silences that hold, in the order in which they end.

    Example: afterpilot alerts silences --all
    """
    from afterpilot.record.history import silences as history
    from afterpilot.record.ops import connect

    now = datetime.now(UTC)
    with connect(Settings.from_environment().database_url).connect() as connection:
        found = [*history.holding(connection, now)]
        if everything:
            found += history.over(connection, now, limit=_MOST).rows
    if json:
        as_json([{**one, "holds": one["ends_at"] > now} for one in found])
        return
    for one in found:
        _line(
            f"{str(one['id'])[:8]}  {_ending(one, now)}  {one['kind'] or 'everything'} of {one['workflow'] or 'all workflows'}  {one['by']}: {one['reason']}"
        )
    if not found:
        console.print("No silence holds." if not everything else "There never was a silence.")


def unsilence(
    which: Annotated[str, typer.Argument(help="The silence's id, or the first digits of it.", metavar="ID")],
    *,
    by: By,
    json: AsJson = False,
) -> None:
    """End a silence before its time. What it has kept and is still there is told within a minute.

    Example: afterpilot alerts unsilence 3f2a91c0 --by "Dana Ruiz"
    """
    from afterpilot.pipeline.silencing import covered, end_silence
    from afterpilot.record.ops import Ops, connect

    with Ops(connect(Settings.from_environment().database_url)).begin() as unit:
        ended, changed = end_silence(unit, which, by=by, now=datetime.now(UTC))
    if json:
        as_json({**_as_dict(ended), "changed": changed})
    elif changed:
        _line(f"Over: {covered(ended)}. What is still there is told within a minute.")
    else:
        _line(f"It was over already, since {ended.ends_at:%Y-%m-%d %H:%M} UTC; nothing was changed.")


def _ending(row: Mapping[str, Any], now: datetime) -> str:
    if row["ends_at"] > now:
        return f"until {row['ends_at']:%Y-%m-%d %H:%M} UTC"
    return f"over {row['ends_at']:%Y-%m-%d %H:%M} UTC{' by ' + row['ended_by'] if row['ended_by'] else ''}"


def _as_dict(one: Silence) -> dict[str, Any]:
    return {
        "id": one.id,
        "workflow": one.workflow,
        "kind": one.kind,
        "by": one.by,
        "reason": one.reason,
        "starts_at": one.starts_at,
        "ends_at": one.ends_at,
    }


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""``afterpilot hold``: keep data from being removed and erased, for as long as somebody may ask for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterpilot.cli.output import AsJson, as_json, console, day
from afterpilot.cli.workflow_names import must_be_known
from afterpilot.domain.errors import AfterpilotError, AnswerRefused
from afterpilot.domain.retention import Hold
from afterpilot.settings import Settings

if TYPE_CHECKING:
    from afterpilot.record.ops import Ops

app = typer.Typer(help="Keep data from being removed and erased, whatever its age.", no_args_is_help=True)

_By = Annotated[str, typer.Option("--by", help="Who says so.")]
_Why = Annotated[str, typer.Option("--reason", help="Why; it is kept with the hold.")]


@app.command()
def add(
    *,
    workflow: Annotated[str, typer.Option("--workflow", help="Of this workflow.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Of all workflows.")] = False,
    from_: Annotated[
        str, typer.Option("--from", help="From this day on, as 2026-03-01, in UTC; from the first unless said.")
    ] = "",
    to: Annotated[
        str, typer.Option("--to", help="To before this day, as 2026-07-01, in UTC; without an end unless said.")
    ] = "",
    reason: _Why,
    by: _By,
    json: AsJson = False,
) -> None:
    """Set a hold: months that it touches stay as a whole, older rows of it stay, and nobody of it is erased.

    Example: afterpilot hold add --workflow invoice_matching --from 2026-03-01 --to 2026-07-01 --reason "claim 4711" --by "Dana Ruiz"
    """
    from afterpilot.record.retention.holds import Holds

    if bool(workflow) == everything:
        raise typer.BadParameter("name a workflow, or say --all", param_hint="--workflow")
    if not reason.strip() or not by.strip():
        raise AnswerRefused("say why, and who says so")
    start, end = day(from_, "--from") if from_ else None, day(to, "--to") if to else None
    if start and end and start >= end:
        raise AfterpilotError("--to: is not after --from")
    hold = Hold(uuid.uuid4(), workflow, start, end, reason.strip(), by.strip(), datetime.now(UTC))
    with _ops().begin() as unit:
        if workflow:
            must_be_known(unit.connection, workflow)
        Holds(unit.connection).add(hold)
    if json:
        as_json(_as_dict(hold))
        return
    _line(f"Held: {hold.covered}. {hold.reason}")
    _line(f"Release it: afterpilot hold release {str(hold.id)[:8]} --by NAME --reason WHY")


@app.command("list")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that were released too.")] = False,
    json: AsJson = False,
) -> None:
    """List the holds that stand, the oldest first.

    Example: afterpilot hold list --all
    """
    from afterpilot.record.retention.holds import Holds

    with _ops().begin() as unit:
        found = Holds(unit.connection).all(ended=everything)
    if json:
        as_json([_as_dict(one) for one in found])
        return
    for one in found:
        ended = f"  released {one.ended_at:%Y-%m-%d} by {one.ended_by}: {one.ended_reason}" if one.ended_at else ""
        _line(f"{str(one.id)[:8]}  {one.covered}  since {one.set_at:%Y-%m-%d}  {one.set_by}: {one.reason}{ended}")
    if not found:
        _line("No hold stands." if not everything else "There never was a hold.")


@app.command()
def release(
    which: Annotated[str, typer.Argument(help="The hold's id, or the first digits of it.", metavar="ID")],
    *,
    reason: _Why,
    by: _By,
    json: AsJson = False,
) -> None:
    """Release a hold: the next pass of retention removes what is due.

    Example: afterpilot hold release 3f2a91c0 --reason "the claim is settled" --by "Dana Ruiz"
    """
    from afterpilot.record.retention.holds import Holds

    with _ops().begin() as unit:
        ended, changed = Holds(unit.connection).release(which, by=by, reason=reason, at=datetime.now(UTC))
    if json:
        as_json({**_as_dict(ended), "changed": changed})
    elif changed:
        _line(f"Released: {ended.covered}. What is due goes with the next pass.")
    else:
        _line(f"It was released already, on {ended.ended_at:%Y-%m-%d}; nothing was changed.")


def _ops() -> Ops:
    from afterpilot.record.ops import Ops, connect

    return Ops(connect(Settings.from_environment().database_url))


def _as_dict(one: Hold) -> dict[str, Any]:
    return {
        "id": one.id,
        "workflow": one.workflow,
        "from": one.start,
        "to": one.end,
        "reason": one.reason,
        "set_by": one.set_by,
        "set_at": one.set_at,
        "ended_at": one.ended_at,
        "ended_by": one.ended_by,
        "ended_reason": one.ended_reason,
    }


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

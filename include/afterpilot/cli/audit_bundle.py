"""``afterpilot audit export``: an evidence bundle."""

from __future__ import annotations

import getpass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from afterpilot.cli.output import AsJson, as_json, console, day
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AfterpilotError
from afterpilot.settings import EnvConnections, Settings

if TYPE_CHECKING:
    from afterpilot.domain.ledger import Entry


def export(
    workflow: Annotated[str, typer.Option("--workflow", help="Whose history.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", dir_okay=False)] = Path(
        "bundle.zip"
    ),
    *,
    since: Annotated[
        str, typer.Option("--from", help="The first day, as 2026-11-01, in UTC; unless given the first of last month.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", help="The day after the last, as 2026-12-01, in UTC; unless given now.")
    ] = "",
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", help="A head that you have kept, to verify against: the bundle then holds it, published or not."
        ),
    ] = None,
    names: Annotated[
        bool, typer.Option("--with-names", help="Open personal values, as far as nobody was erased.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Write an evidence bundle of a workflow: all entries recorded in a period, from its first day up to, not including, its last.

    It holds runs, decisions, approvals, incidents, messages and declarations, the proofs, and a program that verifies them.

    Example: afterpilot audit export --workflow invoice_matching --from 2026-11-01 --to 2026-12-01 -o november.zip
    """
    from afterpilot.pipeline.exporting import Asked, export_bundle
    from afterpilot.wiring import wire

    asked = Asked(
        workflow, *period(since, until, now=datetime.now(UTC)), names=names, actor=f"cli:{_login()}", known=head or ()
    )
    services = wire(Settings.from_environment(), EnvConnections(), only=workflow).services

    def record(entry: Entry) -> None:
        with services.ops.begin() as unit:
            unit.ledger.append(entry)

    columns = (SpinnerColumn(), TextColumn("{task.completed:,} entries"), TimeElapsedColumn())
    with (
        services.ops.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=json) as bar,
    ):
        task = bar.add_task("", total=None)
        try:
            done = export_bundle(
                connection,
                asked,
                output,
                record=record,
                at=services.now(),
                places=[place.declared for place in services.fleet.publishing.places],
                progress=lambda count: bar.update(task, completed=count),
            )
        except OSError as error:
            raise AfterpilotError(f"{output} cannot be written ({error.strerror or type(error).__name__})") from error
    if json:
        as_json(
            {
                "file": str(output),
                "entries": done.entries,
                "bytes": done.size,
                "sha256": done.sha256,
                "head": done.head,
                "from": done.since.isoformat(),
            }
        )
        return
    size = f"{done.size / 1e6:,.1f} MB"
    _say(f"{output}: {plural(done.entries, 'entry')}, {size}, proven against the head {done.head}")
    if done.since > asked.since:
        _say(f"It begins at {done.since:%Y-%m-%d %H:%M} UTC: what was recorded before was removed by retention.")
    _say(f"Verify it anywhere: afterpilot audit verify {output} --head {done.head}")
    _say("Take the head from where it was published, not from this screen.")


def period(since: str, until: str, *, now: datetime) -> tuple[datetime, datetime]:
    """The days as moments in UTC. Raises AfterpilotError where they are none, or in the wrong order."""
    first_of_last = (now.date().replace(day=1) - timedelta(days=1)).replace(day=1)
    start = day(since, "--from") if since else _midnight(first_of_last)
    end = day(until, "--to") if until else now
    if start >= end:
        raise AfterpilotError(f"the period ends before it begins: {start:%Y-%m-%d} to {end:%Y-%m-%d}")
    return start, end


def _midnight(first: date) -> datetime:
    return datetime(first.year, first.month, first.day, tzinfo=UTC)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False)

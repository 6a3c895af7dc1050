"""``afterpilot audit verify``: an evidence bundle without a server, or the whole ledger in the database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AfterpilotError


def verify(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="The bundle; without one the ledger in the database is verified.", dir_okay=False),
    ] = None,
    *,
    head: Annotated[str, typer.Option("--head", help="A published head, which you have from elsewhere.")] = "",
    key: Annotated[str, typer.Option("--key", help="The id of a signing key, which you have from elsewhere.")] = "",
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Of the ledger: hold each run, message, declaration and every other row that has entries against them, and find rows without one.",
        ),
    ] = False,
    start: Annotated[
        str, typer.Option("--from", help="Of the ledger: a head up to which it was verified before; go on from there.")
    ] = "",
    json: AsJson = False,
) -> None:
    """Verify an evidence bundle: it needs no server, no settings and no network. Without a bundle, the whole ledger.

    Exit status: 0 verified, 1 something is not as it was, 2 it could not be verified.

    Example: afterpilot audit verify bundle.zip --head 9f2c…
    """
    if bundle is not None:
        if everything or start:
            option = "--all" if everything else "--from"
            raise AfterpilotError(f"{option} is of the ledger in the database: a bundle is always verified as a whole")
        _bundle(bundle, head, key, json=json)
    if key:
        raise AfterpilotError("--key is of a bundle: the page Heads and the keys on record say who signed the ledger")
    for one in (head, start):
        if one and not re.fullmatch("[0-9a-f]{64}", one.strip().lower()):
            raise AfterpilotError(f"{one!r} is no head: a published head has 64 hexadecimal digits")
    _ledger(head, start, everything=everything, json=json)


def _bundle(bundle: Path, head: str, key: str, *, json: bool) -> None:
    from afterpilot.record.bundle import verifier as bundle_verifier

    with Console(stderr=True).status("reading the bundle …"):
        result = bundle_verifier.verify(bundle, head.strip().lower() or None, key.strip().lower() or None)
    if json:
        as_json(
            {
                "outcome": result.outcome,
                "facts": dict(result.facts),
                "counts": dict(result.counts),
                "problems": list(result.problems),
                "more_problems": result.more_problems,
                "checked": list(result.checked),
                "absent": list(result.absent),
                "unproven": list(result.unproven),
            }
        )
    else:
        console.print(bundle_verifier.told(result), markup=False, highlight=False)
    raise typer.Exit(result.exit_code)


def _ledger(head: str, start: str, *, everything: bool, json: bool) -> None:
    from afterpilot.record.ledger.check import check_ledger
    from afterpilot.record.ops import connect
    from afterpilot.settings import Settings

    engine = connect(Settings.from_environment().database_url)
    reached: list[str] = []  # the last head up to which all entries were read and fit
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=json) as bar,
    ):
        task = bar.add_task("entries", total=None)

        def progress(done: int, total: int, at: Any) -> None:  # noqa: ANN401 - record.ledger.heads.Head
            bar.update(task, completed=done, total=total)
            if at is not None:
                reached[:] = [at.hash]

        try:
            found = check_ledger(
                connection,
                everything=everything,
                head=head.strip().lower(),
                start=start.strip().lower(),
                progress=progress,
            )
        except KeyboardInterrupt:
            _interrupted(reached)
    if json:
        as_json(_as_dict(found))
    else:
        for line in _lines(found):
            console.print(line, markup=False, highlight=False)
    raise typer.Exit(found.exit_code)


def _interrupted(reached: list[str]) -> NoReturn:
    """Say where to go on: what does not fit lies behind that head, and is found again."""
    again = f"go on with `--from {reached[0]}`" if reached else "no head was reached, begin anew"
    Console(stderr=True).print(f"Interrupted: {again}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(130)


def _lines(found: Any) -> list[str]:  # noqa: ANN401 - record.ledger.check.Checked
    lines = [{0: "VERIFIED", 1: "WRONG", 2: "NOT PROVEN"}[found.exit_code], f"Ledger {found.ledger}"]
    if found.head is not None:
        lines.append(f"Last head {found.head.hash} of {plural(found.head.entries, 'entry')}")
    lines.append(
        f"Checked: {plural(found.entries, 'entry')}, {plural(found.heads, 'head')}, {plural(found.documents, 'document')}; "
        f"{plural(found.waiting, 'entry')} not sealed yet"
    )
    lines += [f"  - {text}" for text in found.problems]
    lines += [f"  - and {found.more} more"] if found.more else []
    return [*lines, *(f"Note: {text}" for text in found.notes)]


def _as_dict(found: Any) -> dict[str, Any]:  # noqa: ANN401 - record.ledger.check.Checked
    names = ("ledger", "entries", "heads", "documents", "waiting", "gone", "problems", "more", "notes")
    outcome = {0: "verified", 1: "wrong", 2: "not_proven"}[found.exit_code]
    return {
        "outcome": outcome,
        "head": found.head.hash if found.head else "",
        **{name: getattr(found, name) for name in names},
    }

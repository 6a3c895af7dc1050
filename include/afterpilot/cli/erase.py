"""``afterpilot erase``: make what is known of a person or an output unreadable for good."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.cli.workflow_names import must_be_known
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.personal_places import LEFT, LEFT_OF_OUTPUT, Found
from afterpilot.settings import Settings

if TYPE_CHECKING:
    from afterpilot.pipeline.erasing import Erased
    from afterpilot.record.ops import Ops

app = typer.Typer(help="Make what is known of a person or an output unreadable for good.", no_args_is_help=True)

_By = Annotated[
    str, typer.Option("--by", help="Who erases; never who is erased. Needed unless --dry-run.", metavar="NAME")
]
_Why = Annotated[
    str, typer.Option("--reason", help="Why; it is sealed in the ledger. Needed unless --dry-run.", metavar="WHY")
]
_NAMES = 30  # columns of what a line is about
_Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would go from where; change nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def person(
    names: Annotated[
        list[str],
        typer.Argument(help="All their names: login, full name, e-mail address, Slack id.", metavar="NAME"),
    ],
    *,
    reason: _Why = "",
    by: _By = "",
    dry_run: _Dry = False,
    yes: _Yes = False,
    json: AsJson = False,
) -> None:
    """Make somebody unreadable in the ledger, and take their names out of everything else. It cannot be undone.

    The key of what the ledger holds of them is destroyed. What they did stays, by a pseudonym that leads nowhere; every proof still
    holds. Whoever acts again gets a new one. Look first with --dry-run: it says what goes, what stays, and which other spellings there are.

    Example: afterpilot erase person dana.ruiz "Dana Ruiz" --dry-run

    Example: afterpilot erase person dana.ruiz "Dana Ruiz" --reason 811 --by Sam
    """
    from afterpilot.pipeline.erasing import erase_person, preview_person

    ops = _ops()
    found = preview_person(ops, names)
    if not json:
        _preview(found, "Whom")
        _pairs("What stays", LEFT)
    if dry_run:
        _dry(found, LEFT, json=json)
        return
    _sure(found, " ".join(names), by=by, reason=reason, yes=yes)
    _done(erase_person(ops, names, by=by, reason=reason, at=datetime.now(UTC)), json=json)


@app.command()
def output(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    keys: Annotated[list[str], typer.Argument(help="The outputs' keys.", metavar="KEY")],
    *,
    reason: _Why = "",
    by: _By = "",
    dry_run: _Dry = False,
    yes: _Yes = False,
    json: AsJson = False,
) -> None:
    """Remove the data of outputs, wherever they stand or are quoted. Erase them at the source first. It cannot be undone.

    What people and judges wrote on them goes too, and incidents, messages and reports quote them no more. Their keys stay, with what was
    decided on them. Look first with --dry-run: it says what goes, what quotes them and cannot be changed, and what is not recognised.

    Example: afterpilot erase output invoice_matching INV-7 --dry-run

    Example: afterpilot erase output invoice_matching INV-7 --reason 811 --by Sam
    """
    from afterpilot.pipeline.erasing import erase_outputs, preview_outputs

    ops = _ops()
    found = preview_outputs(ops, workflow, keys)
    if not found.total:
        _need(ops, workflow)  # a slip of the pen would be told as an erasure
    if not json:
        _preview(found, "Which")
        _pairs("What stays", LEFT_OF_OUTPUT)
    if dry_run:
        _dry(found, LEFT_OF_OUTPUT, json=json)
        return
    _sure(found, " ".join(keys), by=by, reason=reason, yes=yes)
    _done(erase_outputs(ops, workflow, keys, by=by, reason=reason, at=datetime.now(UTC)), json=json)


@app.command("list")
def list_() -> None:
    """Print all that was ever erased, by pseudonym, one JSON line each.

    Keep it beside the backups: `afterpilot erase reapply` takes it.

    Example: afterpilot erase list > erased.jsonl
    """
    from afterpilot.pipeline.erasing import erasures

    for one in erasures(_ops()):
        typer.echo(json_text.dumps(one))


@app.command()
def reapply(
    *,
    from_: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="What `afterpilot erase list` has printed."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Erase again who and what came back with a restored dump, or from a source.

    The DAG `retention` does it once a day, with what the database itself knows; --from adds what was kept beside the backups.

    Example: afterpilot erase reapply --from erased.jsonl
    """
    from afterpilot.pipeline.erasing import read_list, reapply

    also = read_list(from_.read_text(encoding="utf-8").splitlines()) if from_ else ()
    done = reapply(_ops(), actor="cli", at=datetime.now(UTC), also=also)
    if json:
        as_json([_as_dict(one) for one in done])
        return
    for one in done:
        _line(f"Erased again: {', '.join(one.pseudonyms)} ({plural(sum(one.counts.values()), 'value')})")
    if not done:
        _line("Nobody and nothing that was erased is back.")


def _need(ops: Ops, workflow: str) -> None:
    with ops.begin() as unit:
        must_be_known(unit.connection, workflow)


def _preview(found: Found, what: str) -> None:
    _pairs(what, found.pseudonyms)
    if not found.pseudonyms:
        _line("None of these names is in the ledger.")
    _counts("What goes", found.counts)
    if not found.counts:
        _line("Nothing of it stands elsewhere.")
    _unchanged(found.staying, found.not_sought)
    if found.others:
        _counts("Perhaps the same person, and not named here: name it too if it is", found.others)
    for hold in found.held:
        _line(f"Held: {hold}. Nothing is erased until it is released.")


def _unchanged(staying: Mapping[str, int], not_sought: Mapping[str, int]) -> None:
    """What an erasure of outputs does not reach."""
    _counts("What quotes it and cannot be changed", staying)
    _counts("Values that no text is searched for: they", not_sought)


def _counts(title: str, counts: Mapping[str, int]) -> None:
    if counts:
        _line(title)
        for place, rows in counts.items():
            _line(f"  {rows:>6,}  {place}")


def _pairs(title: str, pairs: Mapping[str, str]) -> None:
    """Two columns, of which the second is wrapped under itself."""
    if not pairs:
        return
    _line(title)
    table = Table.grid(padding=(0, 2))
    table.add_column(max_width=_NAMES, overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(Text(name), Text(value))
    console.print(Padding(table, (0, 0, 0, 2)), soft_wrap=False)


def _dry(found: Found, left: Mapping[str, str], *, json: bool) -> None:
    if json:
        as_json({**_found(found), "left": dict(left)})
    else:
        _line("Nothing was changed.")


def _sure(found: Found, names: str, *, by: str, reason: str, yes: bool) -> None:
    if not by.strip() or not reason.strip():
        raise AnswerRefused("say why and who erases: --reason WHY --by NAME")
    if found.held or yes:  # what is held is refused further on
        return
    said = typer.prompt(f"It cannot be undone. Type {names} to erase it", default="", show_default=False)
    if said.strip() != names:
        raise AnswerRefused("that is something else: nothing was erased")


def _done(erased: Erased, *, json: bool) -> None:
    if json:
        as_json(_as_dict(erased))
        return
    values = plural(sum(erased.counts.values()), "value")
    _line(f"Erased: {', '.join(erased.pseudonyms)} ({values}). The ledger has an entry of it.")
    _unchanged(erased.staying, erased.not_sought)
    _line("Keep what `afterpilot erase list` prints beside the backups.")
    _line("How long these may hold keys: docs/deployment.md.")


def _as_dict(erased: Erased) -> dict[str, Any]:
    return {
        "erased": list(erased.pseudonyms),
        "counts": dict(erased.counts),
        "staying": dict(erased.staying),
        "not_sought": dict(erased.not_sought),
    }


def _found(found: Found) -> dict[str, Any]:
    return {
        "pseudonyms": dict(found.pseudonyms),
        "counts": dict(found.counts),
        "others": dict(found.others),
        "held": list(found.held),
        "staying": dict(found.staying),
        "not_sought": dict(found.not_sought),
    }


def _ops() -> Ops:
    from afterpilot.record.ops import Ops, connect

    return Ops(connect(Settings.from_environment().database_url))


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""``afterpilot erase``: make what is known of a person or an output unreadable for good."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.domain.errors import AnswerRefused
from afterpilot.domain.personal_places import LEFT, LEFT_OF_OUTPUT, Found
from afterpilot.settings import Settings

if TYPE_CHECKING:
    from afterpilot.pipeline.erasing import Erased
    from afterpilot.record.ops import Ops

app = typer.Typer(help="Make what is known of a person or an output unreadable for good.", no_args_is_help=True)

_By = Annotated[str, typer.Option("--by", help="Who erases; somebody else than who is erased.")]
_Why = Annotated[str, typer.Option("--reason", help="Why; it is sealed in the ledger.")]
_Dry = Annotated[bool, typer.Option("--dry-run", help="Say what would go from where; change nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def person(
    names: Annotated[
        list[str],
        typer.Argument(help="All their names: login, full name, e-mail address, Slack id.", metavar="NAME..."),
    ],
    *,
    reason: _Why = "",
    by: _By = "",
    dry_run: _Dry = False,
    yes: _Yes = False,
    json: AsJson = False,
) -> None:
    """Destroy the key of what the ledger holds of somebody, and take their names out of everything else. It cannot be undone.

    What they did stays, by a pseudonym that leads nowhere; every proof still holds. Whoever acts again gets a new one.
    Example: afterpilot erase person dana.ruiz "Dana Ruiz" dana.ruiz@example.com --reason "ticket 811" --by "Sam Whitfield"
    """
    from afterpilot.pipeline.erasing import erase_person, preview_person

    ops = _ops()
    found = preview_person(ops, names)
    if not json:
        _preview(found)
        _left(LEFT)
    if dry_run:
        _dry(found, LEFT, json=json)
        return
    _sure(found, " ".join(names), by=by, reason=reason, yes=yes)
    _done(erase_person(ops, names, by=by, reason=reason, at=datetime.now(UTC)), json=json)


@app.command()
def output(
    workflow: Annotated[str, typer.Argument(help="The workflow's folder name.")],
    keys: Annotated[list[str], typer.Argument(help="The outputs' keys.", metavar="KEY...")],
    *,
    reason: _Why = "",
    by: _By = "",
    dry_run: _Dry = False,
    yes: _Yes = False,
    json: AsJson = False,
) -> None:
    """Remove the data of outputs, and what people and judges wrote on them; erase them at the source first. It cannot be undone.

    Their keys stay, with what was decided on them.
    Example: afterpilot erase output invoice_matching INV-20931 --reason "ticket 811" --by "Sam Whitfield"
    """
    from afterpilot.pipeline.erasing import erase_outputs, preview_outputs

    ops = _ops()
    found = preview_outputs(ops, workflow, keys)
    if not found.total:
        _need(ops, workflow)  # a slip of the pen would be told as an erasure
    if not json:
        _preview(found)
        _left(LEFT_OF_OUTPUT)
    if dry_run:
        _dry(found, LEFT_OF_OUTPUT, json=json)
        return
    _sure(found, " ".join(keys), by=by, reason=reason, yes=yes)
    _done(erase_outputs(ops, workflow, keys, by=by, reason=reason, at=datetime.now(UTC)), json=json)


@app.command("list")
def list_() -> None:
    """Print all that was ever erased, by pseudonym, one JSON line each: keep it beside the backups, for `afterpilot erase reapply`.

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
    """Erase again who and what came back with a restored dump, or from a source; the DAG `retention` does it once a day.

    Example: afterpilot erase reapply --from erased.jsonl
    """
    from afterpilot.pipeline.erasing import read_list, reapply

    also = read_list(from_.read_text(encoding="utf-8").splitlines()) if from_ else ()
    done = reapply(_ops(), actor="cli", at=datetime.now(UTC), also=also)
    if json:
        as_json([_as_dict(one) for one in done])
        return
    for one in done:
        _line(f"Erased again: {', '.join(one.pseudonyms)} ({sum(one.counts.values())} values)")
    if not done:
        _line("Nobody and nothing that was erased is back.")


def _need(ops: Ops, workflow: str) -> None:
    from afterpilot.record.history.status import slugs

    with ops.begin() as unit:
        if workflow not in (known := slugs(unit.connection)):
            raise AnswerRefused(f"there is no workflow {workflow!r} (known: {', '.join(known) or 'none'})")


def _preview(found: Found) -> None:
    for name, pseudonym in found.pseudonyms.items():
        _line(f"{name}: {pseudonym}")
    if not found.pseudonyms:
        _line("None of these names is in the ledger.")
    for place, rows in found.counts.items():
        _line(f"  {rows:>6}  {place}")
    if not found.counts:
        _line("Nothing of it stands elsewhere.")
    for name, rows in found.others.items():
        _line(f"Perhaps the same person, and not named: {name!r} ({rows} values). Name it too if it is.")
    for hold in found.held:
        _line(f"Held: {hold}. Nothing is erased until it is released.")


def _left(left: Mapping[str, str]) -> None:
    _line("What stays:")
    for place, why in left.items():
        _line(f"  {place}: {why}")


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
    _line(
        f"Erased: {', '.join(erased.pseudonyms)} ({sum(erased.counts.values())} values). The ledger has an entry of it."
    )
    _line(
        "Keep what `afterpilot erase list` prints beside the backups: docs/deployment.md says how long they may hold keys."
    )


def _as_dict(erased: Erased) -> dict[str, Any]:
    return {"erased": list(erased.pseudonyms), "counts": dict(erased.counts)}


def _found(found: Found) -> dict[str, Any]:
    return {
        "pseudonyms": dict(found.pseudonyms),
        "counts": dict(found.counts),
        "others": dict(found.others),
        "held": list(found.held),
    }


def _ops() -> Ops:
    from afterpilot.record.ops import Ops, connect

    return Ops(connect(Settings.from_environment().database_url))


def _line(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""``afterpilot new``: a first declaration, proposed from a table."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.declare import load
from afterpilot.declare.fleet import read_fleet, schedules
from afterpilot.declare.proposing import Asked, propose
from afterpilot.declare.values import Wrong, column_name, table_name
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError, DeclarationError
from afterpilot.domain.profile import TableProfile
from afterpilot.domain.workflow import Person
from afterpilot.settings import EnvConnections, workflows_folder

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,62}")
_PERSON = re.compile(r"\s*(?P<name>[^<>]+?)\s*<(?P<slack>[UW][A-Z0-9]{6,})>\s*")
_PERSON_HELP = "Name and Slack id, such as 'Dana Ruiz <U02AB3CD4>'."


def new(
    slug: Annotated[str, typer.Argument(help="The workflow's name: small letters, digits and underscores.")],
    *,
    connection: Annotated[
        str, typer.Option(help="The database, by the name of its connection (AIRFLOW_CONN_NAME).", prompt=True)
    ],
    table: Annotated[
        str, typer.Option(help="The table with a row for each unit of work, or schema.table.", prompt=True)
    ],
    purpose: Annotated[str, typer.Option(help="What the workflow does, in one sentence.", prompt=True)],
    owner: Annotated[str, typer.Option(help=_PERSON_HELP, prompt=f"Owner. {_PERSON_HELP}")],
    deputy: Annotated[str, typer.Option(help="Who stands in, written likewise.", prompt="Deputy, written likewise.")],
    output: Annotated[
        list[str] | None, typer.Option(help="A column that the model writes; may be given several times.")
    ] = None,
    key: Annotated[str, typer.Option(help="The column that makes a row unique; found out unless given.")] = "",
    time: Annotated[
        str, typer.Option(help="The column that says when a row was finished; found out unless given.")
    ] = "",
    channel: Annotated[str, typer.Option(help="Where messages go; the fleet's channel unless given.")] = "",
    json: AsJson = False,
) -> None:
    """Propose a declaration from a table: look at its newest rows, and write expectations with the reason for each.

    Nothing of the rows is kept but counts, bounds and the values of categories. What it writes is a proposal: read it, then
    `afterpilot preview SLUG` shows what it would have found.

    Example: afterpilot new refunds --connection crm --table ai_refunds --purpose "Suggest refunds" --owner "Ana Silva <U01AAAAAA>" --deputy "Ben Ito <U01BBBBBB>" --output amount --output reason
    """  # fmt: skip
    folder = _free(slug)
    fleet, _, _names = read_fleet(folder.parent)
    if fleet is None:
        raise DeclarationError(f"{folder.parent / '_fleet.yaml'} is needed first: it names the schedules")
    asked = Asked(
        slug=slug,
        purpose=purpose,
        connection=connection,
        owner=_person(owner, "--owner"),
        deputy=_person(deputy, "--deputy"),
        channel=channel or fleet.channel,
        schedules={kind: next(iter(found)) for kind, found in schedules(folder.parent).items() if found},
        outputs=tuple(output or ()),
    )
    profile, left_out = _declarable(_profile(connection, table, key, time, quiet=json))
    _require(profile, asked)
    _write(folder, propose(profile, asked))
    declared = next(one for one in load(folder.parent).folders if one.slug == slug)
    if json:
        problems = [str(problem) for problem in declared.problems]
        as_json({"folder": str(folder), "files": sorted(path.name for path in folder.iterdir()), "problems": problems})
    else:
        _print(folder, profile, left_out, [str(problem) for problem in declared.problems])
    if declared.problems:
        raise typer.Exit(1)


def _free(slug: str) -> Path:
    if not _SLUG.fullmatch(slug):
        raise typer.BadParameter("small letters, digits and underscores, beginning with a letter", param_hint="SLUG")
    folder = workflows_folder() / slug
    if folder.exists():
        raise CheckError(f"{folder} exists already: nothing was written")
    return folder


def _person(text: str, option: str) -> Person:
    match = _PERSON.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r}: a name and a Slack id are needed. {_PERSON_HELP}", param_hint=option)
    return Person(match["name"], match["slack"])


def _profile(connection: str, table: str, key: str, time: str, *, quiet: bool) -> TableProfile:
    from afterpilot.pull.profile import profile

    url = EnvConnections().database_url(connection)
    if quiet:
        return profile(url, table, key=key, time=time)
    with console.status(f"Looking at the newest rows of {table} …"):
        return profile(url, table, key=key, time=time)


def _declarable(profile: TableProfile) -> tuple[TableProfile, list[str]]:
    """The table with the columns that a declaration can name, and the names of the others."""
    columns = tuple(column for column in profile.columns if _is_name(column_name, column.name))
    return replace(profile, columns=columns), [one.name for one in profile.columns if one not in columns]


def _is_name(read: Callable[[str], str], text: str) -> bool:
    try:
        read(text)
    except Wrong:
        return False
    return True


def _require(profile: TableProfile, asked: Asked) -> None:
    if not profile.rows:
        raise CheckError(f"{profile.table} has no rows: there is nothing to propose from")
    if not profile.time:
        raise CheckError(f"{profile.table} has no column of times that is filled: windows need one (--time COLUMN)")
    if not profile.key:
        raise CheckError(
            f"in {profile.table} no column has a value of its own in every row: name the key (--key COLUMN)"
        )
    for name, read in ((profile.table, table_name), (profile.key, column_name), (profile.time, column_name)):
        if not _is_name(read, name):
            raise CheckError(
                f"{name!r} cannot stand in a declaration (letters, digits and _): make a view that names it so"
            )
    if not any(column.filled for column in profile.columns if column.name not in (profile.key, profile.time)):
        raise CheckError(f"{profile.table} has nothing but its key and time: no other column is filled")
    for column in asked.outputs:
        if profile.column(column) is None:
            known = ", ".join(one.name for one in profile.columns)
            raise CheckError(f"{profile.table} has no column {column} (columns: {known})")


def _write(folder: Path, files: dict[str, str]) -> None:
    """All files or none."""
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        made.chmod(0o755)
        made.rename(folder)
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        raise CheckError(f"{folder} cannot be written: {error.strerror or error}") from error


def _print(folder: Path, profile: TableProfile, left_out: list[str], problems: list[str]) -> None:
    personal = [column.name for column in profile.columns if column.personal]
    console.print(
        Text.assemble(
            ("✓ ", "green"),
            (str(folder / "workflow.yaml"), "bold"),
            f"  from {plural(profile.rows, 'row')} of {profile.table}",
        )
    )
    console.print(
        f"  key {profile.key}, time {profile.time}, {plural(len(profile.columns), 'column')}", highlight=False
    )
    if personal:
        console.print(f"  redacted as personal: {', '.join(personal)}", highlight=False)
    if left_out:
        names = ", ".join(map(repr, left_out))
        console.print(
            f"  left out, for a declaration cannot name them: {names} (a view can)", highlight=False, markup=False
        )
    for problem in problems:
        console.print(Text.assemble(("✗ ", "red"), problem))
    console.print("Next:", style="bold")
    console.print(
        f"  read {folder / 'workflow.yaml'}: keep what is true, and say what it may cost and which figure counts",
        highlight=False,
    )
    console.print(f"  afterpilot preview {folder.name}    which of these checks would have fired", highlight=False)
    console.print(f"  afterpilot run {folder.name}        the whole path, once", highlight=False)

"""``afterpilot evals import``: suites of other tools become native ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.declare.importing import Imported, csv, inspect, promptfoo
from afterpilot.declare.writing import write_suite

app = typer.Typer(
    help="Carry a suite of another tool over. What cannot be carried over is listed, never dropped.",
    no_args_is_help=True,
)
Into = Annotated[Path, typer.Option("-o", "--output", help="The folder that the suites' folders are written to.")]
Force = Annotated[bool, typer.Option("--force", help="Replace suites that stand there already.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


@app.command(name="promptfoo")
def from_promptfoo(file: File, *, output: Into = Path("evals"), force: Force = False, json: AsJson = False) -> None:
    """A promptfoo configuration: one suite for each provider and prompt.

    Example: afterpilot evals import promptfoo promptfooconfig.yaml -o evals
    """
    _written(promptfoo.read(file), output, force=force, json=json)


@app.command(name="inspect")
def from_inspect(file: File, *, output: Into = Path("evals"), force: Force = False, json: AsJson = False) -> None:
    """A dataset of JSON lines as Inspect reads them: input, target, id, metadata.

    Example: afterpilot evals import inspect dataset.jsonl -o evals
    """
    _written(inspect.read(file), output, force=force, json=json)


@app.command(name="csv")
def from_csv(file: File, *, output: Into = Path("evals"), force: Force = False, json: AsJson = False) -> None:
    """A table with a header: id, a column for each variable, expected or expected.<field>, tags.

    Example: afterpilot evals import csv cases.csv -o evals
    """
    _written(csv.read(file), output, force=force, json=json)


def _written(imported: Imported, output: Path, *, force: bool, json: bool) -> None:
    folders = []
    for suite in imported.suites:
        folder = output / suite.name
        write_suite(folder, suite, force=force)
        folders.append((suite.name, folder, len(suite.cases)))
    if json:
        written = [{"suite": name, "folder": str(folder), "cases": cases} for name, folder, cases in folders]
        as_json({"written": written, "left_out": [str(one) for one in imported.left_out]})
    else:
        for name, folder, cases in folders:
            console.print(
                Text.assemble(
                    ("✓ ", "green"), (name, "bold"), f"  {cases} {'case' if cases == 1 else 'cases'} in {folder}"
                )
            )
        for one in imported.left_out:
            console.print(Text.assemble(("! ", "yellow"), "not carried over: ", str(one)))
        if folders:
            console.print(f"Next: afterpilot evals run {folders[0][1]}", highlight=False, markup=False)
    if not folders:
        raise typer.Exit(2)

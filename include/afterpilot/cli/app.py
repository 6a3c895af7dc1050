"""The commands of ``afterpilot`` and how their errors end."""

from __future__ import annotations

import sys
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console

from afterpilot.cli import baseline, database, inspect, path, validate
from afterpilot.domain.errors import AfterpilotError
from afterpilot.settings import code_version

app = typer.Typer(
    name="afterpilot",
    help="The production operations pipeline for AI workflows.\n\n"
    "Exit status: 0 good, 1 the check found something, 2 the check itself could not run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(validate.validate)
app.command()(path.run)
app.command()(path.deliver)
app.command()(inspect.status)
app.add_typer(baseline.app, name="baseline")
app.add_typer(database.app, name="db")


@app.callback(invoke_without_command=True)
def _root(*, version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(code_version())
        raise typer.Exit


def main() -> None:
    """Run the command line; every expected failure ends in one clear sentence and exit status 2."""
    try:
        app()
    except AfterpilotError as error:
        _stop(str(error))
    except sa.exc.OperationalError as error:
        # The driver's own words name host and database, never the password.
        _stop(f"the ops database cannot be used: {str(error.orig).strip().splitlines()[0]}")
    except sa.exc.ProgrammingError as error:
        _stop(f"the ops database is not as this version needs it (run `afterpilot db upgrade`): {error.orig}")


def _stop(text: str) -> None:
    Console(stderr=True).print(f"[bold red]afterpilot:[/bold red] {text}", highlight=False, soft_wrap=True)
    sys.exit(2)

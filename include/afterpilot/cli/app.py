"""The commands of ``afterpilot`` and how their errors end."""

from __future__ import annotations

import sys
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.text import Text

from afterpilot.cli import baseline, database, evals, inspect, path, validate
from afterpilot.domain.errors import AfterpilotError
from afterpilot.settings import code_version

app = typer.Typer(
    name="afterpilot",
    help="The production operations pipeline for AI workflows.\n\n"
    "First steps: `afterpilot validate` reads the declarations, `afterpilot db upgrade` prepares the ops database, "
    "`afterpilot run WORKFLOW` goes the whole path once, `afterpilot status` shows where every workflow stands.\n\n"
    "Variables: AFTERPILOT_DATABASE_URL is the ops database, AFTERPILOT_WORKFLOWS the folder of the declarations, "
    "AIRFLOW_CONN_NAME the connection NAME of a declaration, as a URI or as JSON.\n\n"
    "Exit status: 0 good, 1 the check found something, 2 the check itself could not run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command()(validate.validate)
app.command()(path.run)
app.command()(path.deliver)
app.command()(inspect.status)
app.add_typer(evals.app, name="evals")
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
        _stop(f"the ops database cannot be used: {_first_line(error.orig)}")
    except sa.exc.ProgrammingError as error:
        _stop(
            f"the ops database is not as this version needs it (run `afterpilot db upgrade`): {_first_line(error.orig)}"
        )
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
        # Its text may quote the URL, and that may hold a password.
        _stop(
            "AFTERPILOT_DATABASE_URL is no database URL that can be used, such as postgresql+psycopg://user@host/name"
        )


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).strip().splitlines()), "it gives no reason")


def _stop(text: str) -> None:
    Console(stderr=True).print(Text.assemble(("afterpilot: ", "bold red"), text), soft_wrap=True)
    sys.exit(2)

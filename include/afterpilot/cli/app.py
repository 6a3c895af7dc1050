"""The commands of ``afterpilot`` and how their errors end."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer
from rich.console import Console
from rich.text import Text

from afterpilot.cli.lazy import MARKUP, Later, LazyGroup
from afterpilot.domain.errors import AfterpilotError
from afterpilot.settings import code_version


class _Commands(LazyGroup):
    later: ClassVar[Mapping[str, Later]] = {
        "validate": Later(
            "afterpilot.cli.validate:validate", "Read every declaration and say what is wrong, with file and line."
        ),
        "new": Later(
            "afterpilot.cli.new:new",
            "Propose a declaration from a table: look at its newest rows, and write expectations with the reason for each.",
        ),
        "preview": Later(
            "afterpilot.cli.preview:preview_command",
            "Show which checks of a declaration would have fired on the last windows of its own source.",
        ),
        "run": Later(
            "afterpilot.cli.path:run",
            "Run a workflow's path here and now: pull, check, gate, review, evaluate, spend; --stage report puts the week's report together.",
        ),
        "release": Later(
            "afterpilot.cli.release:release",
            "Decide on outputs that wait for release and tell production, as the DAG `gate` does every two minutes.",
        ),
        "deliver": Later(
            "afterpilot.cli.path:deliver",
            "Send what waits in the outbox, to Slack where SLACK_BOT_TOKEN is set, else to the preview.",
        ),
        "status": Later(
            "afterpilot.cli.inspect:status",
            "Show the newest verdict of every stage of every workflow. A stage that never ran is UNKNOWN.",
        ),
        "check": Later("afterpilot.cli.check:app", "Check any table against a suite of expectations."),
        "review": Later(
            "afterpilot.cli.review:review",
            "List what waits for people, with due times and links; those due first come first.",
        ),
        "evals": Later("afterpilot.cli.evals:app", "Run, compare and import eval suites."),
        "spend": Later("afterpilot.cli.spend:app", "How every cap stands, and what people do about it."),
        "bills": Later(
            "afterpilot.cli.bills:app", "Read the providers' bills, and hold them against what was metered."
        ),
        "cost": Later(
            "afterpilot.cli.cost:show",
            "Show what a workflow costs as a whole: calls, evals, judges and people's time, for one record and for a month.",
        ),
        "incidents": Later(
            "afterpilot.cli.incidents:app", "What is wrong, all that is known of it, and what people say of it."
        ),
        "routes": Later("afterpilot.cli.routes:app", "Where alerts go, and why."),
        "alerts": Later("afterpilot.cli.alerts:app", "What is told, and what is kept silent."),
        "slack": Later("afterpilot.cli.slack:app", "Take the answers that people give in Slack."),
        "baseline": Later("afterpilot.cli.baseline:app", "The eval runs that later ones are compared with."),
        "watch": Later(
            "afterpilot.cli.watch:watch",
            "Look from outside Airflow at what must keep happening, tell what is overdue, stuck or broken, and deliver it.",
        ),
        "retention": Later(
            "afterpilot.cli.retention:app", "How long what is kept, what goes next, and what was removed."
        ),
        "hold": Later("afterpilot.cli.holds:app", "Keep data from being removed and erased, whatever its age."),
        "erase": Later("afterpilot.cli.erase:app", "Make what is known of a person or an output unreadable for good."),
        "audit": Later(
            "afterpilot.cli.audit:app",
            "The ledger: who did what, when, on which evidence, and the proof that nothing was altered.",
        ),
        "db": Later("afterpilot.cli.database:app", "Migrations of the ops database."),
    }


app = typer.Typer(
    name="afterpilot",
    cls=_Commands,
    help="The production operations pipeline for AI workflows.\n\n"
    "First steps: `afterpilot validate` reads the declarations, `afterpilot db upgrade` prepares the ops database, "
    "`afterpilot run WORKFLOW` goes the whole path once, `afterpilot status` shows where every workflow stands.\n\n"
    "Variables: AFTERPILOT_DATABASE_URL is the ops database, AFTERPILOT_WORKFLOWS the folder of the declarations, "
    "AIRFLOW_CONN_NAME the connection NAME of a declaration, as a URI or as JSON.\n\n"
    "Exit status: 0 good, 1 the check found something, 2 the check itself could not run.",
    no_args_is_help=True,
    rich_markup_mode=MARKUP,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(*, version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        typer.echo(code_version())
        raise typer.Exit


def main() -> None:
    """Run the command line; every expected failure ends in one clear sentence and exit status 2, any other in 2 as well: what broke
    off has found nothing.
    """
    gc.set_threshold(
        50_000
    )  # what a command makes lives to its end: to look for garbage so often took a tenth of its time
    try:
        app(prog_name="afterpilot")
    except AfterpilotError as error:
        _stop(str(error))
    except Exception as error:  # noqa: BLE001 - it is printed, and Python's own exit status would say that a check found something
        if not (text := _of_the_database(error)):
            traceback.print_exc()
            sys.exit(2)
        _stop(text)


def _of_the_database(error: Exception) -> str:
    """What is wrong with the ops database, by an error of SQLAlchemy's; empty for any other."""
    import sqlalchemy as sa  # a quarter of a second, which most commands do without

    if isinstance(error, sa.exc.OperationalError):
        # The driver's own words name host and database, never the password.
        return f"the ops database cannot be used: {_first_line(error.orig)}"
    if isinstance(error, sa.exc.ProgrammingError):
        why = _first_line(error.orig)
        return f"the ops database is not as this version needs it (run `afterpilot db upgrade`): {why}"
    if isinstance(error, sa.exc.ArgumentError | sa.exc.NoSuchModuleError):
        # Its text may quote the URL, and that may hold a password.
        return (
            "AFTERPILOT_DATABASE_URL is no database URL that can be used, such as postgresql+psycopg://user@host/name"
        )
    return ""


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).strip().splitlines()), "it gives no reason")


def _stop(text: str) -> None:
    Console(stderr=True).print(Text.assemble(("afterpilot: ", "bold red"), text), soft_wrap=True)
    sys.exit(2)

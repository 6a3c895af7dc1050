"""``afterpilot evals``: the suite that production runs, from a developer's own terminal."""

from __future__ import annotations

import typer

from afterpilot.cli.evals import compare, importing, run

app = typer.Typer(
    help="Run, compare and import eval suites.\n\n"
    "SUITE is a workflow's name, a suite.yaml (or its folder), or a promptfoo configuration. Results are JSON lines.\n\n"
    "Exit status: 0 good, 1 worse or below the bar, 2 it could not be judged.",
    no_args_is_help=True,
)
app.command()(run.run)
app.command()(compare.compare)
app.add_typer(importing.app, name="import")

"""``afterpilot validate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.declare import load
from afterpilot.declare.fleet import fleet_warnings
from afterpilot.domain.counting import plural
from afterpilot.domain.workflow import Declarations, Problem
from afterpilot.settings import workflows_folder


def validate(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder that holds the workflows' folders; AFTERPILOT_WORKFLOWS where none is given."),
    ] = None,
    *,
    json: AsJson = False,
) -> None:
    """Read every declaration and say what is wrong, with file and line.

    One broken folder never hides the others. A line with ! warns of what has no effect yet. Example: afterpilot validate include/workflows
    """
    folder = folder or workflows_folder()
    declarations, warnings = load(folder), fleet_warnings(folder)
    if json:
        as_json(
            {
                "usable": [workflow.slug for workflow in declarations.workflows],
                "problems": [asdict(problem) for problem in declarations.problems],
                "warnings": [asdict(warning) for warning in warnings],
            }
        )
    else:
        _print(declarations, warnings)
    if declarations.problems:
        raise typer.Exit(1)
    if not declarations.workflows:
        raise typer.Exit(2)


def _print(declarations: Declarations, warnings: Sequence[Problem]) -> None:
    for problem in declarations.fleet_problems:
        console.print(Text.assemble(("✗ ", "red"), str(problem)))
    for warning in warnings:
        console.print(Text.assemble(("! ", "yellow"), str(warning)))
    for folder in declarations.folders:
        if folder.workflow is not None:
            workflow = folder.workflow
            cases = plural(len(workflow.evals.cases), "case") if workflow.evals else "no evals"
            counts = f"{plural(len(workflow.outputs), 'output check')}, {plural(len(workflow.quality), 'expectation')}, {cases}"
            console.print(Text.assemble(("✓ ", "green"), (folder.slug, "bold"), f"  {workflow.stage}, {counts}"))
        else:
            console.print(
                Text.assemble(("✗ ", "red"), (folder.slug, "bold"), f"  {plural(len(folder.problems), 'problem')}")
            )
        for problem in folder.problems:
            console.print(Text(f"    {problem}"))
    if not declarations.folders:
        console.print("No workflow is declared here: a workflow is a folder with a workflow.yaml.")

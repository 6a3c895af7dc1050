"""``afterpilot evals``: the suite that production runs, from a developer's own terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from afterpilot.cli.lazy import Later, LazyGroup


class _Commands(LazyGroup):
    later: ClassVar[Mapping[str, Later]] = {
        "run": Later(
            "afterpilot.cli.evals.run:run",
            "Run an eval suite here and now: the very suite that production runs. Nothing is stored but the files you ask for.",
        ),
        "compare": Later(
            "afterpilot.cli.evals.compare:compare",
            "Compare two results files case by case: what broke, what was fixed, and whether chance alone explains it.",
        ),
        "judges": Later(
            "afterpilot.cli.evals.judges:judges",
            "Show where the judges of a workflow stand: their agreement with people, and whether they may decide.",
        ),
        "corrections": Later(
            "afterpilot.cli.evals.corrections:corrections",
            "Show which of people's corrections could become eval cases, and accept or decline them.",
        ),
        "import": Later(
            "afterpilot.cli.evals.importing:app",
            "Carry a suite of another tool over. What cannot be carried over is listed, never dropped.",
        ),
    }


app = typer.Typer(
    cls=_Commands,
    help="Run, compare and import eval suites.\n\n"
    "SUITE is a workflow's name, a suite.yaml (or its folder, or a folder of such folders), or a promptfoo configuration. Results are JSON lines.\n\n"
    "Exit status: 0 good, 1 worse or below the bar, 2 it could not be judged.",
    no_args_is_help=True,
)

"""What a command brings into its process: a fast start is a matter of what is not imported."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from afterpilot.cli.app import app
from afterpilot.cli.lazy import LazyCommand, LazyGroup

WORKFLOWS = Path(__file__).parents[3] / "include" / "workflows"
HEAVY = {
    "airflow", "alembic", "fastapi", "great_expectations", "jinja2", "matplotlib", "numpy", "pandas", "psycopg", "requests",
    "scipy", "slack_sdk", "sqlalchemy",
}  # fmt: skip
RUN = """
import json, sys
from afterpilot.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
SUITE = {
    "scripted": "answers.jsonl",
    "cases": "cases.jsonl",
    "scorers": ["exact"],
    "max_cost": "1 USD",
    "pass_rate": "90%",
}


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The packages that a command has loaded when it ends well, in a process of its own."""
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("evals", "--help")], ids=" ".join)
def test_help_loads_no_command(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Neither help nor version needs what any command works with."""
    assert loaded(tmp_path, *arguments) & (HEAVY | {"aiohttp", "genai_prices", "jsonschema", "yaml"}) == set()


def test_validating_loads_no_client(tmp_path: Path) -> None:
    """Declarations are read without a driver, a client or a price list."""
    shutil.copytree(WORKFLOWS, tmp_path / "workflows")
    assert loaded(tmp_path, "validate", "workflows") & (HEAVY | {"aiohttp", "genai_prices"}) == set()


def test_a_list_of_incidents_loads_no_reader_of_answers(tmp_path: Path) -> None:
    """Nor a declaration, Airflow, Great Expectations, arithmetic or a client: the database and its driver are all that it needs."""
    environ = {**os.environ, "AFTERPILOT_DATABASE_URL": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "-c", RUN, "incidents", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environ)
    assert done.returncode == 2, done.stderr  # nobody answers there
    found = set(json.loads(done.stderr.splitlines()[-1]))
    assert (
        found & (HEAVY - {"sqlalchemy", "psycopg"} | {"jsonschema", "jsonpath", "pyarrow", "genai_prices", "yaml"})
        == set()
    )


def test_a_suite_loads_no_database(tmp_path: Path) -> None:
    """A suite that is run from a terminal loads neither database, Slack nor arithmetic, and no price list it does not ask."""
    (tmp_path / "suite.yaml").write_text(json.dumps(SUITE))
    (tmp_path / "answers.jsonl").write_text('{"id": "a", "output": "yes"}\n')
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "vars": {}, "expected": {"": "yes"}}\n')
    assert (
        loaded(tmp_path, "evals", "run", "suite.yaml", "-o", "out.jsonl") & (HEAVY | {"genai_prices", "jsonpath"})
        == set()
    )
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1


def commands(group: LazyGroup, *path: str) -> dict[tuple[str, ...], LazyCommand]:
    """Every command of a group that is loaded late, and those of its groups."""
    found: dict[tuple[str, ...], LazyCommand] = {}
    for name, one in group.commands.items():
        if isinstance(one, LazyCommand):
            found[*path, name] = one
            if isinstance(inner := one.loaded(), LazyGroup):
                found |= commands(inner, *path, name)
    return found


def test_late_commands_say_what_they_do() -> None:
    """Each place in the tables exists, and the help that stands there is the first paragraph of the command's own."""
    root = typer.main.get_command(app)
    assert isinstance(root, LazyGroup)
    late = commands(root)
    assert {("run",), ("evals",), ("evals", "run")} <= late.keys()
    for path, command in late.items():
        own = inspect.cleandoc(command.loaded().help or "").partition("\n\n")[0]
        assert (path, command.help) == (path, " ".join(own.split()))


@pytest.mark.parametrize("name", ["deliver", "routes", "evals"])
def test_help_breaks_where_the_terminal_does(name: str) -> None:
    """A paragraph of a docstring is one line, of commands in a group too; examples keep lines of their own."""
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    found = group.commands[name]
    assert isinstance(found, LazyCommand)
    command = found.loaded()
    inner = getattr(command, "commands", {}).values()
    helps = [(one.loaded() if isinstance(one, LazyCommand) else one).help or "" for one in (command, *inner)]
    lines = [line for text in helps for paragraph in text.split("\n\n") for line in paragraph.split("\n")[1:]]
    assert [line for line in lines if not line.startswith((" ", "Example"))] == []

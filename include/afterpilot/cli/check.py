"""``afterpilot check``: any table against a suite of expectations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from afterpilot.check.any_table import connect
from afterpilot.check.table import TableChecker, Tell
from afterpilot.cli.output import AsJson, as_json, console, exit_status, verdict
from afterpilot.cli.validation_json import grouped_json, validation_json, verdict_of
from afterpilot.decide.quality_words import in_words
from afterpilot.declare.gx_suite import GxSuite, load_gx_suite
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import DeclarationError
from afterpilot.domain.ports import Judged
from afterpilot.domain.verdict import Verdict
from afterpilot.settings import EnvConnections

_CONNECTION = "AIRFLOW_CONN_"
_MOST_GROUPS = 40  # that do not hold; --json has them all
_MOST_NAMES = 20  # of groups that hold
_MOST_KEYS = 8
_NO_VALUE = "(no value)"

app = typer.Typer(help="Check any table against a suite of expectations.", no_args_is_help=True)
Results = Mapping[Any, Sequence[Judged]]


class Engine(StrEnum):
    """What judges the expectations."""

    SINGLE_PASS = "single-pass"  # noqa: S105 - no password
    GX = "gx"


@app.callback()
def _root() -> None:
    """A group, although it has one command yet."""


@app.command()
def table(
    *,
    url: Annotated[
        str,
        typer.Option(help="The database: a URL, the name of a variable that holds one, or a connection's name."),
    ],
    name: Annotated[str, typer.Option("--table", help="The table or view; schema.table outside the search path.")],
    suite: Annotated[
        Path, typer.Option(help="A suite of expectations in Great Expectations' JSON form.", dir_okay=False)
    ],
    group_by: Annotated[str, typer.Option(help="A column: each of its values is judged by itself.")] = "",
    key: Annotated[
        str, typer.Option(help="The column that names a failing row; the primary key where it is not said.")
    ] = "",
    engine: Annotated[
        Engine,
        typer.Option(
            help="single-pass: one statement for all that SQL can judge, Great Expectations for the rest. "
            "gx: Great Expectations alone, a batch for each group; it says the same and takes longer."
        ),
    ] = Engine.SINGLE_PASS,
    failing: Annotated[int, typer.Option(min=0, help="How many failing rows to name for each expectation.")] = 20,
    every: Annotated[
        bool,
        typer.Option("--all", help="With --group-by: show each group with all that was seen, also those that hold."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Check a table against a suite, once or for each value of a column.

    Nothing is written: the connection only reads. An expectation over no rows is UNKNOWN, unless its meta says
    {"no_rows_are_fine": true}.

    Example: afterpilot check table --url AIRFLOW_CONN_ERP --table orders --suite orders.json --group-by workflow
    """
    read = load_gx_suite(suite)
    if read.problems:
        raise DeclarationError("\n".join(str(problem) for problem in read.problems))
    checker = TableChecker(connect(_address(url)), name, group=group_by, key=key)
    checks = [one.check for one in read.expectations]
    with _progress(quiet=json) as tell:
        found = checker.judge(checks, by_library=engine is Engine.GX, most_keys=failing, tell=tell)
    if json:
        about = {"table": name, "engine": str(engine), "key": checker.key_name}
        as_json(grouped_json(found, read, about) if group_by else validation_json(found[None], read, about))
    elif group_by:
        _print_groups(found, read, name, group_by, every=every)
    else:
        _print_table(found[None], name)
    raise typer.Exit(exit_status([_as_failed(verdict_of(one)) for judged in found.values() for one in judged]))


def _address(text: str) -> str:
    """A URL as it is, or what a variable or a connection says."""
    if "://" in text:
        return text
    if text.startswith(_CONNECTION):
        return EnvConnections().database_url(text.removeprefix(_CONNECTION))
    return os.environ.get(text) or EnvConnections().database_url(text)


def _as_failed(one: Verdict) -> Verdict:
    """Here an expectation that does not hold fails, whatever its severity."""
    return Verdict.FAIL if one is Verdict.WARN else one


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tell]:
    """What is done now, on a terminal; a pipe and a program see nothing of it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("reading the table", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=None if total <= 1 else total)

        yield tell


def _print_table(judged: Sequence[Judged], name: str) -> None:
    worst = Verdict.worst(verdict_of(one) for one in judged)
    console.print(verdict(worst), Text(f"{name}: {_summary(judged)}"))
    for one in judged:
        console.print("   ", verdict(verdict_of(one)), Text(_found(one)))


def _print_groups(found: Results, suite: GxSuite, name: str, column: str, *, every: bool) -> None:
    """A line for each group that does not hold, with its reasons, and the names of the others; with ``every`` all of each."""
    verdicts = {group: Verdict.worst(verdict_of(one) for one in judged) for group, judged in found.items()}
    times = Counter(verdicts.values())
    counted = ", ".join(f"{times[one]:,} {one}" for one in Verdict if times[one])
    console.print(
        verdict(Verdict.worst(verdicts.values())),
        Text(
            f"{name} by {column}: {plural(len(found), 'group')}, {plural(len(suite.expectations), 'expectation')}: {counted}"
        ),
    )
    bad = sorted(
        (group for group, one in verdicts.items() if one is not Verdict.PASS),
        key=lambda group: (verdicts[group] is not Verdict.FAIL, str(group)),
    )
    good = sorted((group for group, one in verdicts.items() if one is Verdict.PASS), key=str)
    for group in [*bad, *good] if every else bad[:_MOST_GROUPS]:
        _print_group(group, found[group], verdicts[group], every=every)
    if len(bad) > _MOST_GROUPS and not every:
        console.print(f"and {len(bad) - _MOST_GROUPS:,} more groups that do not hold; --all shows them")
    if good and not every:
        more = f" and {len(good) - _MOST_NAMES:,} more" if len(good) > _MOST_NAMES else ""
        names = ", ".join(_group_name(group) for group in good[:_MOST_NAMES])
        console.print(verdict(Verdict.PASS), Text(f"{plural(len(good), 'group')}: {names}{more}; --all shows each"))


def _print_group(group: object, judged: Sequence[Judged], worst: Verdict, *, every: bool) -> None:
    console.print(verdict(worst), Text(f"{_group_name(group)}: {_summary(judged)}", style="bold"))
    for one in judged:
        if every or one.success is not True:
            console.print("   ", verdict(verdict_of(one)), Text(_found(one)))


def _group_name(group: object) -> str:
    return _NO_VALUE if group is None else str(group)


def _summary(judged: Sequence[Judged]) -> str:
    hold = sum(one.success is True for one in judged)
    unknown = sum(one.success is None for one in judged)
    text = f"{hold} of {plural(len(judged), 'expectation')} {'holds' if len(judged) == 1 else 'hold'}"
    return f"{text}, {unknown} could not be judged" if unknown else text


def _what(one: Judged) -> str:
    params = one.check.params
    names = [str(params[name]) for name in ("column", "column_A", "column_B") if name in params]
    names += [str(name) for name in params.get("column_list", ())]
    return f"{one.check.expect} {', '.join(names)}".strip()


def _found(one: Judged) -> str:
    if one.success is None:
        return f"{_what(one)} could not be judged: {one.error}"
    if one.success:
        return f"{_what(one)}: {one.observed}" if one.observed else _what(one)
    keys = ", ".join(one.failing_keys[:_MOST_KEYS])
    more = f" and {one.failing_total - _MOST_KEYS:,} more" if one.failing_total > _MOST_KEYS and keys else ""
    return f"{in_words(one)}{f'; rows {keys}{more}' if keys else ''}"

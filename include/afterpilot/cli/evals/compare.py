"""``afterpilot evals compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from afterpilot.cli.output import AsJson, as_json, console
from afterpilot.decide.eval_figures import LEAST_SCORED
from afterpilot.decide.paired import Compared
from afterpilot.decide.paired import compare as paired
from afterpilot.domain.counting import plural
from afterpilot.domain.errors import CheckError
from afterpilot.domain.evals import Reducer, Sample
from afterpilot.domain.intervals import percent, wilson
from afterpilot.domain.money import digits_of
from afterpilot.evaluate.results import read

_SHOWN = 60  # characters of an answer
_NAMED = 20  # changed cases that are listed
_SMALL = 0.001
_WIDE = 160  # characters of a line where no terminal is
_TABLES_FROM = 120  # characters; below, the columns would be too narrow to be read
_LABELS = ("before", "after")
_FIGURES = ("cases", "scored", "pass rate (95 % interval)", "cost", "median")


@dataclass(frozen=True, slots=True)
class Side:
    """One file: each case's verdict (None where it was not scored), the samples, cost and latency."""

    name: str
    passed: Mapping[str, bool | None]
    samples: Mapping[str, Sequence[Sample]]

    @property
    def known(self) -> dict[str, bool]:
        """Cases that were scored."""
        return {case: passed for case, passed in self.passed.items() if passed is not None}

    def figures(self) -> dict[str, Any]:
        """Cases, pass rate with interval, cost (None where any call has no price) and median latency in milliseconds."""
        everything = [sample for samples in self.samples.values() for sample in samples]
        costs = [sample.cost for sample in everything if sample.attempts]
        latencies = [sample.latency_ms for sample in everything if sample.latency_ms is not None]
        known = self.known
        rate = wilson(sum(known.values()), len(known)) if known else None
        return {
            "file": self.name,
            "cases": len(self.passed),
            "scored": len(known),
            "passed": sum(known.values()),
            "pass_rate": rate.value if rate else None,
            "interval": [rate.low, rate.high] if rate else None,
            "cost": None if None in costs or not costs else str(sum(cost for cost in costs if cost is not None)),
            "latency_ms_p50": median(latencies) if latencies else None,
        }


def compare(
    before: Annotated[Path, typer.Argument(help="Results that `evals run -o` wrote.")],
    after: Annotated[Path, typer.Argument(help="Results of the same cases, later or of another model.")],
    *,
    suite: Annotated[str, typer.Option(help="Where a file holds several suites: which one.")] = "",
    tolerance: Annotated[float, typer.Option(min=0, max=100, help="Percentage points that may be lost before it counts as worse.")] = 0.0,
    json: AsJson = False,
) -> None:  # fmt: skip
    """Compare two results files case by case: what broke, what was fixed, and whether chance alone explains it.

    The epochs of a case count as the suite of each file reduces them.

    Example: afterpilot evals compare before.jsonl after.jsonl

    The test is McNemar's, exact and one-sided (whether it got worse, not whether it changed): p is how often chance alone would break
    at least so many of the cases that changed.

    Exit status: 0 not worse, 1 worse by more than chance (p below 0.05) and by more than --tolerance, 2 it cannot be judged.
    """
    sides = _side(before, suite), _side(after, suite)
    compared = paired(sides[1].known, sides[0].known)
    unsure = _cannot_judge(sides, compared)
    worse = compared.significant and compared.drop * 100 > tolerance
    if json:
        as_json(_data(sides, compared, worse=None if unsure else worse, why=unsure))
    else:
        _print(sides, compared, worse=worse, unsure=unsure)
    raise typer.Exit(2 if unsure else int(worse))


def _side(path: Path, suite: str) -> Side:
    results = read(path)
    names = list(results.samples)
    if suite and suite not in names:
        raise CheckError(f"{path} holds no suite {suite!r} (it holds: {', '.join(names) or 'nothing'})")
    if not suite and len(names) > 1:
        raise CheckError(f"{path} holds several suites, choose one with --suite: {', '.join(names)}")
    name = suite or (names[0] if names else "")
    reducer = results.asked[name].reducer if name in results.asked else Reducer()
    by_case: dict[str, list[Sample]] = {}
    for (case, _epoch), sample in results.samples.get(name, {}).items():
        by_case.setdefault(case, []).append(sample)
    return Side(str(path), {case: reducer.passes(samples) for case, samples in by_case.items()}, by_case)


def _cannot_judge(sides: tuple[Side, Side], compared: Compared) -> str:
    for side in sides:
        if not side.passed:
            return f"{side.name} holds no case"
        if len(side.known) < LEAST_SCORED * len(side.passed):
            return f"only {len(side.known)} of {plural(len(side.passed), 'case')} of {side.name} could be scored"
    before, after = sides
    there = len(before.passed.keys() & after.passed.keys())
    if there < LEAST_SCORED * len(before.passed):  # a run that was cut off, or one of some cases only, is no proof
        return f"only {there} of {plural(len(before.passed), 'case')} of {before.name} are in {after.name}"
    return "" if compared.cases else "the two files have no scored case in common"


def _data(sides: tuple[Side, Side], compared: Compared, *, worse: bool | None, why: str) -> dict[str, Any]:
    return {
        "before": sides[0].figures(),
        "after": sides[1].figures(),
        "cases_in_both": compared.cases,
        "broken": list(compared.broken),
        "fixed": list(compared.fixed),
        "drop": compared.drop,
        "p_value": compared.p_worse,
        "worse": worse,
        "cannot_judge": why or None,
    }


def _print(sides: tuple[Side, Side], compared: Compared, *, worse: bool, unsure: str) -> None:
    _print_figures(sides)
    _print_changed(sides, compared)
    if unsure:
        console.print(Text.assemble(("? cannot be judged: ", "bold magenta"), unsure))
        return
    fixed = "1 was fixed" if len(compared.fixed) == 1 else f"{len(compared.fixed)} were fixed"
    change = f"{len(compared.broken)} broke, {fixed} of {plural(compared.cases, 'case')} in both"
    good = "not worse by more than is tolerated" if compared.significant else "not worse by more than chance"
    mark = ("✗ worse: ", "bold red") if worse else (f"✓ {good}: ", "bold green")
    console.print(Text.assemble(mark, f"{change}; p = {_p(compared.p_worse)} (exact McNemar test, one-sided)"))


def _p(value: float) -> str:
    """Three decimals; two digits where they would be nothing, five where they would round to the limit."""
    if value < _SMALL:
        return f"{value:.2g}"
    return f"{value:.5f}" if f"{value:.3f}" == "0.050" else f"{value:.3f}"


def _print_figures(sides: tuple[Side, Side]) -> None:
    rows = [(side.name, _cells(side)) for side in sides]
    if _narrow():
        for label, (name, cells) in zip(_LABELS, rows, strict=True):
            console.print(Text.assemble((label, "bold"), f"  {name}"))
            for column, cell in zip(_FIGURES, cells, strict=True):
                console.print(f"    {column}: {cell}", highlight=False, markup=False)
        return
    table = Table(box=None, padding=(0, 2))
    table.add_column("", overflow="fold")
    for column in _FIGURES:
        table.add_column(column, no_wrap=True)
    for label, (name, cells) in zip(_LABELS, rows, strict=True):
        table.add_row(Text.assemble((label, "bold"), f"  {name}"), *cells)
    console.print(table, width=_width())


def _cells(side: Side) -> tuple[str, ...]:
    figures = side.figures()
    return (
        str(figures["cases"]),
        str(figures["scored"]),
        _rate(side.known),
        "unknown" if figures["cost"] is None else digits_of(Decimal(figures["cost"])),
        "unknown" if figures["latency_ms_p50"] is None else f"{figures['latency_ms_p50']:.0f} ms",
    )


def _width() -> int:
    """Characters of a line: the terminal's; wide where a file or a program reads it."""
    return console.width if console.is_terminal else max(console.width, _WIDE)


def _narrow() -> bool:
    return _width() < _TABLES_FROM


def _rate(known: Mapping[str, bool]) -> str:
    if not known:
        return "unknown"
    rate = wilson(sum(known.values()), len(known))
    return f"{percent(rate.value)} ({percent(rate.low)} to {percent(rate.high)})"


def _print_changed(sides: tuple[Side, Side], compared: Compared) -> None:
    """A row for each case; a few lines for each where there is no room for a row."""
    changed = [(Text("✗ broke", "red"), case) for case in compared.broken]
    changed += [(Text("✓ fixed", "green"), case) for case in compared.fixed]
    table = Table(box=None, padding=(0, 2))
    for column in ("", "case", *_LABELS, "why"):
        table.add_column(column, overflow="fold", no_wrap=column == "")
    for word, case in changed[:_NAMED]:
        cells = (*(_answer(side, case) for side in sides), _why(sides, case))
        if _narrow():
            console.print(Text.assemble(word, "  ", (case, "bold")))
            for label, cell in zip((*_LABELS, "why"), cells, strict=True):
                console.print(Text.assemble(f"    {label}: ", cell))
        else:
            table.add_row(word, Text(case, "bold"), *cells)
    if table.row_count:
        console.print(table, width=_width())
    if len(changed) > _NAMED:
        console.print(f"  and {len(changed) - _NAMED} more")


def _answer(side: Side, case: str) -> Text:
    output = next((sample.output for sample in side.samples[case] if sample.scored), None) or ""
    text = Text(" ".join(output.split()))
    text.truncate(_SHOWN, overflow="ellipsis")
    return text


def _why(sides: tuple[Side, Side], case: str) -> Text:
    """The first reason of the side on which it does not pass."""
    for side in reversed(sides):
        for sample in side.samples[case]:
            for score in sample.deciding:
                if sample.scored and not score.passed:
                    return Text(f"{score.scorer}: {score.reason}")
    return Text("")

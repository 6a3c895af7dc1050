"""The summary of a suite's run, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from afterpilot.cli.evals.screen import told
from afterpilot.cli.output import verdict
from afterpilot.decide.suites import SuiteOutcome
from afterpilot.domain.counting import plural
from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import percent
from afterpilot.domain.money import Money
from afterpilot.domain.workflow import Evals

_NAMED = 15
_ALIKE = 3  # errors that say the same, from which on they are told together
out = Console(soft_wrap=True)


def print_summary(name: str, evals: Evals, samples: Sequence[Sample], outcome: SuiteOutcome) -> None:
    """The verdict first, then what failed and where."""
    out.print(Text.assemble(verdict(outcome.verdict), "  ", (name, "bold"), f"  {outcome.summary}"))
    for warning in outcome.warnings:
        out.print(Text.assemble(("! ", "yellow"), warning))
    figures = outcome.figures
    for label, count in figures.get("unusable", {}).items():
        out.print(Text.assemble(("! ", "yellow"), f"{label}: {plural(count, 'judgement')} could not be used"))
    for title, key in (("scorer", "by_scorer"), ("tag", "by_tag"), ("class", "by_class")):
        if figures.get(key):
            out.print(_shares(title, figures[key]))
    bad = _grouped([sample for sample in samples if not sample.passed])
    for alike in bad[:_NAMED]:
        out.print(told(alike[0]) if len(alike) < _ALIKE else _told_together(alike))
    if left := sum(map(len, bad[_NAMED:])):
        out.print(f"  and {left} more", style="dim")
    out.print(_cost_line(evals, figures), style="dim", highlight=False)


def _grouped(samples: Sequence[Sample]) -> Sequence[Sequence[Sample]]:
    """Errors that say the same together, from a few on; everything else alone. In the order of the first of each."""
    times = Counter(sample.error for sample in samples if sample.error)
    groups: dict[object, list[Sample]] = {}
    for number, sample in enumerate(samples):
        groups.setdefault(sample.error if times[sample.error] >= _ALIKE else number, []).append(sample)
    return list(groups.values())


def _told_together(alike: Sequence[Sample]) -> Text:
    cases = plural(len({sample.case_id for sample in alike}), "case")
    return Text.assemble(("? ", "magenta"), (cases, "bold"), f": {alike[0].error}")


def as_data(name: str, outcome: SuiteOutcome, *, left_out: Sequence[str] = ()) -> dict[str, Any]:
    """The outcome as one JSON object; ``left_out`` is what of another tool's file could not be carried over."""
    return {
        "suite": name,
        "verdict": str(outcome.verdict),
        "summary": outcome.summary,
        "warnings": list(outcome.warnings),
        "left_out": list(left_out),
        **outcome.figures,
    }


def _shares(title: str, shares: Mapping[str, Mapping[str, Any]]) -> Table:
    """Shares by name, the lowest first."""
    table = Table(box=None, padding=(0, 2))
    table.add_column(title)
    for column in ("passed", "of", "share"):
        table.add_column(column, justify="right")
    for name, share in sorted(shares.items(), key=lambda item: item[1]["share"]):
        style = "green" if share["share"] == 1 else "red" if share["share"] == 0 else ""
        advisory = Text(" (advisory)", "yellow") if share.get("advisory") else Text("")
        table.add_row(
            Text(name) + advisory, f"{share['passed']:.0f}", f"{share['of']:.0f}", Text(percent(share["share"]), style)
        )
    return table


def _cost_line(evals: Evals, figures: Mapping[str, Any]) -> str:
    cost = "cost unknown" if figures["cost"] is None else str(Money(Decimal(figures["cost"]), evals.max_cost.currency))
    unpriced = f" ({plural(figures['unpriced_calls'], 'call')} without a price)" if figures["unpriced_calls"] else ""
    median, tail = figures["latency_ms_p50"], figures["latency_ms_p95"]
    speed = (
        "" if median is None else f"; median {median:.0f} ms" + ("" if tail is None else f", 95 % within {tail:.0f} ms")
    )
    tokens = f"; {figures['input_tokens']:,} tokens in, {figures['output_tokens']:,} out"
    return f"{cost}{unpriced}{speed}{tokens}"

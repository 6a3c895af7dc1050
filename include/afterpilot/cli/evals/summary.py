"""The summary of a suite's run, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from afterpilot.cli.evals.screen import told
from afterpilot.cli.output import verdict
from afterpilot.decide.suites import SuiteOutcome
from afterpilot.domain.evals import Sample
from afterpilot.domain.intervals import percent
from afterpilot.domain.workflow import Evals

_NAMED = 15
out = Console(soft_wrap=True)


def print_summary(name: str, evals: Evals, samples: Sequence[Sample], outcome: SuiteOutcome) -> None:
    """The verdict first, then what failed and where."""
    out.print(Text.assemble(verdict(outcome.verdict), "  ", (name, "bold"), f"  {outcome.summary}"))
    for warning in outcome.warnings:
        out.print(Text.assemble(("! ", "yellow"), warning))
    figures = outcome.figures
    for title, key in (("scorer", "by_scorer"), ("tag", "by_tag"), ("class", "by_class")):
        if figures.get(key):
            out.print(_shares(title, figures[key]))
    bad = [sample for sample in samples if not sample.passed]
    for sample in bad[:_NAMED]:
        out.print(told(sample))
    if len(bad) > _NAMED:
        out.print(f"  and {len(bad) - _NAMED} more", style="dim")
    out.print(_cost_line(evals, figures), style="dim", highlight=False)


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
    cost = "cost unknown" if figures["cost"] is None else f"{float(figures['cost']):.4f} {evals.max_cost.currency}"
    unpriced = f" ({figures['unpriced_calls']} calls have no price)" if figures["unpriced_calls"] else ""
    median, tail = figures["latency_ms_p50"], figures["latency_ms_p95"]
    speed = (
        "" if median is None else f"; median {median:.0f} ms" + ("" if tail is None else f", 95 % within {tail:.0f} ms")
    )
    tokens = f"; {figures['input_tokens']:,} tokens in, {figures['output_tokens']:,} out"
    return f"{cost}{unpriced}{speed}{tokens}"

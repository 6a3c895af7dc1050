"""The part of the demo's last screen that is about money: caps, forecast, what gateways are told, bills, whole-life cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from afterpilot.domain.allowance import Allowance
from afterpilot.domain.run import FLEET, Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.whole_life import WholeLife
from afterpilot.domain.workflow import Workflow
from afterpilot.pipeline.whole_life import WEEKS, last_weeks, life_of, terms_of
from afterpilot.record.ops import Unit
from afterpilot.report.whole_life import cost_words, projection_words, title

_STYLE = {
    Verdict.PASS: ("✓", "green"),
    Verdict.WARN: ("!", "yellow"),
    Verdict.FAIL: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "magenta"),
}
_REASONS = 1  # below a run; the rest is on its page


@dataclass(frozen=True, slots=True)
class Money:
    """What is shown: the runs of spend, what gateways are told, the whole cost of those that declare a volume, the run of the bills."""

    spend: Sequence[tuple[str, Run | None]]
    gateways: Mapping[str, Allowance | None]
    lives: Sequence[WholeLife]
    bills: Run | None


def read_money(unit: Unit, workflows: Sequence[Workflow], now: datetime) -> Money:
    """What is on record now."""
    built = [workflow for workflow in workflows if workflow.spend.volume is not None]
    slugs = [*(workflow.slug for workflow in built), FLEET]
    latest = unit.runs.latest_each(slugs, Stage.SPEND)
    return Money(
        [(slug, latest.get(slug)) for slug in slugs],
        {workflow.slug: unit.allowances.find(workflow.slug) for workflow in built},
        [life_of(unit, terms_of(workflow), last_weeks(now, WEEKS)) for workflow in built],
        unit.runs.latest(FLEET, Stage.BILLS),
    )


def shown_money(money: Money) -> Group:
    """It, a line or two for each."""
    lines: list[RenderableType] = []
    for slug, run in money.spend:
        told = money.gateways.get(slug)
        gateway = f"; its gateway {'may go on' if told.allowed else 'is told to stop'}" if told else ""
        lines += _run("all of them" if slug == FLEET else slug, run, _forecast(run) + gateway)
    lines += _run("bill against meter", money.bills)
    for life in money.lives:
        before = " before launch" if life.before_launch else ""
        lines.append(Text.assemble((f"  {life.workflow}", "bold"), f"{before}, {WEEKS} weeks: {cost_words(life)}"))
        if life.projection is not None:
            lines.append(Text(f"    {title(life.projection).lower()}: {projection_words(life.projection)}"))
    return Group(*lines)


def _forecast(run: Run | None) -> str:
    """What is expected of the main cap, as the run has said it."""
    caps = (run.evidence.get("caps") if run else None) or [{}]
    words = (caps[0].get("forecast") or {}).get("words")
    return f"; {words}" if words else ""


def _run(name: str, run: Run | None, more: str = "") -> list[RenderableType]:
    """A run in a line, and its gravest finding below."""
    if run is None:
        return [Text.assemble((f"  {name}  ", "bold"), ("? UNKNOWN  no run yet", "magenta"))]
    mark, style = _STYLE[run.verdict]
    head = Text.assemble((f"  {name}  ", "bold"), (f"{mark} {run.verdict}  ", f"bold {style}"), run.summary, more)
    return [head, *(Text(f"    {reason}", style="dim") for reason in run.reasons[:_REASONS])]

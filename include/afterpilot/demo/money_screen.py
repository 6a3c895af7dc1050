"""The part of the demo's last screen that is about money: caps, forecast, what gateways are told, bills, whole-life cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
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
_LEFT, _BELOW, _HANG = 2, 4, 2  # characters
_MARK = "\N{EN DASH} "  # of what stands below a line
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
        whole = Text.assemble((life.workflow, "bold"), f"{before}, {WEEKS} weeks: {cost_words(life)}")
        lines.append(_Hanging(whole, _LEFT))
        if life.projection is not None:
            more = Text(f"{_MARK}{title(life.projection).lower()}: {projection_words(life.projection)}")
            lines.append(_Hanging(more, _BELOW))
    return Group(*lines)


def _forecast(run: Run | None) -> str:
    """What is expected of the main cap, as the run has said it."""
    caps = (run.evidence.get("caps") if run else None) or [{}]
    words = (caps[0].get("forecast") or {}).get("words")
    return f"; {words}" if words else ""


def _run(name: str, run: Run | None, more: str = "") -> list[RenderableType]:
    """A run in a line, and its gravest finding below."""
    if run is None:
        return [_Hanging(Text.assemble((f"{name}  ", "bold"), ("? UNKNOWN  no run yet", "magenta")), _LEFT)]
    mark, style = _STYLE[run.verdict]
    head = Text.assemble((f"{name}  ", "bold"), (f"{mark} {run.verdict}  ", f"bold {style}"), run.summary, more)
    below = [_Hanging(Text(f"{_MARK}{reason}", style="dim"), _BELOW) for reason in run.reasons[:_REASONS]]
    return [_Hanging(head, _LEFT), *below]


@dataclass(frozen=True, slots=True)
class _Hanging:
    """A text from ``left`` characters on; where it is wrapped, further lines stand two characters further in."""

    text: Text
    left: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, line in enumerate(self.text.wrap(console, max(options.max_width - self.left - _HANG, _HANG))):
            line.rstrip()
            yield Text(" " * (self.left + (_HANG if number else 0))).append_text(line)

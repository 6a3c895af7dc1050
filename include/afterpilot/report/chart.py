"""The picture of a weekly report: the KPI by week against baseline and target, and below it the items of each week.

Colours are from the palette of Okabe and Ito, which people with any colour vision can tell apart; lines and bars are labelled
where they are, without a legend. matplotlib's global state is not used, so that tasks may draw side by side.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from afterpilot.report.facts import WeekCounts, WeeklyOutcome
from afterpilot.report.numbers import day, number

WEEKS = 12
_SIZE = (8.0, 5.2)  # inches; at 200 dpi twice the width at which Slack shows it
_DPI = 200
_INK, _FAINT, _GRID = "#1d1c1d", "#6b6b6b", "#e8e8e8"
_KPI, _TARGET, _BASELINE = "#0072B2", "#00795A", "#8a4b00"
_ALONE, _PEOPLE = "#0072B2", "#E69F00"
_ALONE_EARLIER, _PEOPLE_EARLIER = "#8CC0DE", "#F4D58C"
_SHORT_UNIT = 8  # characters that there is room for in the margin
_SLOTS = 8  # weeks that there is room for at least, so that the first few are not drawn as large as barns
_MARGIN = 13  # characters of a label that there is room for at full size


@dataclass(frozen=True, slots=True)
class _Note:
    height: float
    words: str
    colour: str
    strong: bool = False


def weekly_chart(outcome: WeeklyOutcome) -> bytes:
    """A PNG of 1,600 by 1,040 pixels: the last twelve weeks up to the reported one. What was not measured is not drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    weeks = _weeks(outcome)
    figure = Figure(figsize=_SIZE, dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    figure.subplots_adjust(left=0.068, right=0.815, top=0.915, bottom=0.07, hspace=0.4)
    _draw_kpi(above, outcome, weeks)
    _draw_items(below, outcome.facts.counts, weeks)
    _name_weeks(below, weeks)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _weeks(outcome: WeeklyOutcome) -> list[date]:
    """The Mondays shown, without gaps, so that a week without data is seen as one."""
    known = [*(week for week, _ in outcome.facts.kpi), *(counts.week for counts in outcome.facts.counts)]
    first = max(min([*known, outcome.week]), outcome.week - timedelta(weeks=WEEKS - 1))
    return [first + timedelta(weeks=n) for n in range((outcome.week - first).days // 7 + 1)]


def _draw_kpi(axes: Any, outcome: WeeklyOutcome, weeks: Sequence[date]) -> None:  # noqa: ANN401 - matplotlib is untyped
    values = dict(outcome.facts.kpi)
    heights = [float(values[week]) if week in values else float("nan") for week in weeks]
    levels = (float(outcome.baseline), float(outcome.target))
    measured = [height for week, height in zip(weeks, heights, strict=True) if week in values]
    axes.set_ylim(min([*levels, *measured, 0.0]) * 1.15, max([*levels, *measured, 0.0]) * 1.12 or 1.0)
    _frame(axes, f"{outcome.kpi_name.capitalize()}, by week")
    for level, colour in zip(levels, (_BASELINE, _TARGET), strict=True):
        axes.axhline(level, color=colour, linewidth=1.5, linestyle=(0, (5, 3)))
    axes.plot(range(len(weeks)), heights, color=_KPI, linewidth=2.6, marker="o", markersize=5.5, zorder=3)
    notes = [
        _Note(levels[0], f"baseline {number(outcome.baseline)}", _BASELINE),
        _Note(levels[1], f"target {number(outcome.target)}", _TARGET),
    ]
    if outcome.week in values:
        axes.plot([len(weeks) - 1], heights[-1:], color=_KPI, marker="o", markersize=10, zorder=4)
        unit = outcome.kpi_unit if len(outcome.kpi_unit) <= _SHORT_UNIT else ""
        notes.append(_Note(heights[-1], f"{number(values[outcome.week])} {unit}".strip(), _KPI, strong=True))
    else:
        _say(axes, "UNKNOWN: not measured this week")
    _label_right(axes, notes, apart=0.115)


def _draw_items(axes: Any, counts: Sequence[WeekCounts], weeks: Sequence[date]) -> None:  # noqa: ANN401
    found = {week.week: week for week in counts}
    for place, week in enumerate(weeks):
        if (counted := found.get(week)) is not None:
            now = place == len(weeks) - 1
            rest = counted.outputs - counted.alone
            axes.bar(place, counted.alone, width=0.64, color=_ALONE if now else _ALONE_EARLIER)
            axes.bar(place, rest, width=0.64, bottom=counted.alone, color=_PEOPLE if now else _PEOPLE_EARLIER)
    highest = max((found[week].outputs for week in weeks if week in found), default=0)
    axes.set_ylim(0, highest * 1.12 or 1.0)
    _frame(axes, "Items, by week")
    last = found.get(weeks[-1])
    if last is None:
        _say(axes, "no items this week")
        axes.set_yticks([])
        return
    # The lighter colour is too pale for words: its label is a darker shade of it.
    notes = [
        _Note(last.alone / 2, f"{last.alone:,} alone", _ALONE, strong=True),
        _Note((last.alone + last.outputs) / 2, f"{last.outputs - last.alone:,} by people", _BASELINE, strong=True),
    ]
    _label_right(axes, notes, apart=0.17)


def _frame(axes: Any, title: str) -> None:  # noqa: ANN401
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=_INK, pad=9)
    axes.grid(axis="y", color=_GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=10.5, labelcolor=_FAINT)
    axes.locator_params(axis="y", nbins=4)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c8c8c8")


def _say(axes: Any, words: str) -> None:  # noqa: ANN401
    box = {"facecolor": "white", "edgecolor": "none", "pad": 6}
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=_FAINT, size=12.5, bbox=box)


def _label_right(axes: Any, notes: Sequence[_Note], *, apart: float) -> None:  # noqa: ANN401
    """Write each label in the margin beside its height; ``apart`` is the least distance, as a share of the panel."""
    low, high = axes.get_ylim()
    at = -apart
    for note in sorted(notes, key=lambda note: note.height):
        at = max((note.height - low) / (high - low), at + apart)
        look = {"color": note.colour, "weight": "bold" if note.strong else "normal", "va": "center"}
        size = 12 * min(1.0, _MARGIN / len(note.words))
        axes.text(1.015, at, note.words, transform=axes.transAxes, size=size, **look)


def _name_weeks(axes: Any, weeks: Sequence[date]) -> None:  # noqa: ANN401
    last = len(weeks) - 1
    step = 1 if len(weeks) <= _SLOTS else 2
    shown = [place for place in range(len(weeks)) if (last - place) % step == 0]
    axes.set_xlim(last + 0.5 - max(len(weeks), _SLOTS), last + 0.5)
    axes.set_xticks(shown, [_short(weeks[place]) for place in shown])


def _short(week: date) -> str:
    number_of_day, month = day(week).split()
    return f"{number_of_day} {month[:3]}"

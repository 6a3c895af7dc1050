"""The picture of a weekly report."""

from __future__ import annotations

import itertools
import struct
from datetime import timedelta
from typing import Any

import pytest

from afterpilot.report import chart
from afterpilot.report.facts import WeeklyOutcome
from afterpilot.report.outcome import weekly_outcome
from doubles.weeks import MONDAY, WORKFLOW, counts, facts, weeks


def outcome(**more: Any) -> WeeklyOutcome:
    """The outcome of a week."""
    return weekly_outcome(WORKFLOW, facts(**more))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"kpi": (), "counts": ()},
        {"kpi": weeks(["1.4"]), "counts": (counts(),)},
        {"kpi": weeks(["0", "-3", "2"])},
        {"kpi": weeks([str(n) for n in range(60)])},
        {"counts": (counts(outputs=0, released=0, routed=0, overridden=0),)},
    ],
    ids=["usual", "nothing", "first week", "below zero", "a year", "an empty week"],
)
def test_any_week_gives_a_picture_of_the_agreed_size(more: dict[str, Any]) -> None:
    """No data, one week or a year: a PNG of 1,600 by 1,040 pixels."""
    png = chart.weekly_chart(outcome(**more))
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (1600, 1040)


def test_the_weeks_shown_have_no_gaps_and_end_with_the_reported_one() -> None:
    """A week without data is seen as one; older ones than twelve weeks are left out."""
    old = ((MONDAY - timedelta(weeks=30), weeks(["1"])[0][1]),)
    shown = chart._weeks(outcome(kpi=old, counts=()))
    assert shown == [MONDAY - timedelta(weeks=n) for n in range(11, -1, -1)]
    assert chart._weeks(outcome(kpi=(), counts=())) == [MONDAY]


def test_a_week_that_was_not_measured_is_said_to_be_unknown() -> None:
    """The picture does not draw a line to where nothing was measured."""
    axes = Recorder()
    chart._draw_kpi(axes, outcome(kpi=weeks(["2", "1"])[:1]), [MONDAY - timedelta(weeks=1), MONDAY])
    assert "UNKNOWN: not measured this week" in axes.words
    drawn = axes.lines[0]
    assert drawn[0] == 2.0
    assert drawn[1] != drawn[1]  # not a number: a gap


def test_labels_stand_beside_what_they_name() -> None:
    """Baseline, target and this week's value need no legend."""
    axes = Recorder()
    chart._draw_kpi(axes, outcome(), chart._weeks(outcome()))
    assert axes.words == ["target 1.2", "1.4 min", "baseline 6"]
    heights = sorted(axes.heights)
    assert all(above - below >= 0.114 for below, above in itertools.pairwise(heights))


class Recorder:
    """As much of matplotlib's axes as the picture uses; remembers words and lines."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.heights: list[float] = []
        self.lines: list[list[float]] = []
        self.limits = (0.0, 1.0)
        self.transAxes = None

    def set_ylim(self, low: float, high: float) -> None:
        """Keep the limits."""
        self.limits = (low, high)

    def get_ylim(self) -> tuple[float, float]:
        """The limits that were set."""
        return self.limits

    def text(self, _: float, height: float, words: str, **__: Any) -> None:
        """Keep the words."""
        self.words.append(words)
        self.heights.append(height)

    def plot(self, _: Any, heights: list[float], **__: Any) -> None:
        """Keep the line."""
        self.lines.append(list(heights))

    def __getattr__(self, _: str) -> Any:
        return _Nothing()


class _Nothing:
    """Takes any call."""

    def __call__(self, *_: Any, **__: Any) -> _Nothing:
        return self

    def __getitem__(self, _: str) -> _Nothing:
        return self

    def __getattr__(self, _: str) -> _Nothing:
        return self

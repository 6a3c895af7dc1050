"""Bars from evidence."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.web.measures import bar_of, split


def test_the_gate_splits_released_and_routed() -> None:
    """170 of 200 released fill 85 % of the bar."""
    bar = bar_of("gate", {"released": 170, "routed": 30})
    assert bar is not None
    assert [(part.tone, part.start, part.width) for part in bar.parts] == [("good", 0.0, 85.0), ("warn", 85.0, 15.0)]


def test_an_eval_has_the_line_that_must_be_reached() -> None:
    """The declared pass rate is a line across the bar."""
    bar = bar_of("evaluate", {"passed": 45, "pass_rate": 0.75, "bar": "0.90"})
    assert bar is not None
    assert bar.mark == 90.0
    assert bar.text == "75.0 % passed, 90 % must"


def test_spend_beyond_the_cap_fills_the_bar_in_red() -> None:
    """More than the cap is not drawn beyond the bar, and its text has the true figures."""
    bar = bar_of("spend", {"spent": "500", "cap": "400", "currency": "USD", "period": "month"})
    assert bar is not None
    assert [(part.tone, part.width) for part in bar.parts] == [("bad", 100.0)]
    assert bar.text == "500.00 USD of 400.00 USD this month"


@pytest.mark.parametrize(
    ("stage", "evidence"),
    [
        ("gate", {}),
        ("gate", {"released": 0, "routed": 0}),
        ("gate", {"released": "many", "routed": 1}),
        ("evaluate", {"passed": 0}),
        ("evaluate", {"pass_rate": 1.2}),
        ("spend", {"spent": None, "cap": "400"}),
        ("spend", {"spent": "1", "cap": "NaN"}),
        ("spend", {"spent": "1"}),
        ("spend", {"spent": True, "cap": 2}),
        ("pull", {"released": 1, "routed": 1}),
    ],
)
def test_what_cannot_be_read_gives_no_bar(stage: str, evidence: dict[str, Any]) -> None:
    """Missing or odd figures give no bar, never an empty or a full one."""
    assert bar_of(stage, evidence) is None


@given(st.lists(st.tuples(st.integers(min_value=0, max_value=10**9), st.just("good")), min_size=1, max_size=6))
def test_parts_fill_the_bar_without_overlap(parts: list[tuple[int | Decimal, str]]) -> None:
    """Parts lie side by side and together are the whole."""
    bar = split("x", parts)
    if bar is None:
        assert sum(size for size, _ in parts) == 0
        return
    assert sum(part.width for part in bar.parts) == pytest.approx(100, abs=0.1)
    for left, right in zip(bar.parts, bar.parts[1:], strict=False):
        assert left.start + left.width == pytest.approx(right.start, abs=0.05)

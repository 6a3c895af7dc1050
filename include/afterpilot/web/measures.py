"""Small bars from the evidence of a run: released against routed, passed against the bar, spent against the cap.

Evidence is data of another part, perhaps of another version: what cannot be read gives no bar, never a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from afterpilot.web.text import money


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a bar: its share of the whole in percent, where it begins, and its tone."""

    start: float
    width: float
    tone: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its figures in words; ``mark`` is a line across it, in percent, or None."""

    text: str
    parts: tuple[Part, ...]
    mark: float | None = None


def split(text: str, parts: list[tuple[int | Decimal, str]], *, mark: Decimal | None = None) -> Bar | None:
    """A bar split into parts of these sizes and tones; None where they sum to nothing."""
    whole = sum((Decimal(size) for size, _ in parts), Decimal())
    if whole <= 0:
        return None
    drawn, start = [], 0.0
    for size, tone in parts:
        width = float(Decimal(size) / whole * 100)
        if width > 0:
            drawn.append(Part(round(start, 2), round(width, 2), tone))
        start += width
    return Bar(text, tuple(drawn), round(float(mark * 100), 2) if mark is not None else None)


def bar_of(stage: str, evidence: Mapping[str, Any]) -> Bar | None:
    """The bar of a stage's newest run, or None."""
    draw = _DRAWN.get(stage)
    return draw(evidence) if draw is not None else None


def gate_bar(evidence: Mapping[str, Any]) -> Bar | None:
    """Released against routed."""
    released, routed = _number(evidence, "released"), _number(evidence, "routed")
    if released is None or routed is None:
        return None
    return split(f"{released:f} released, {routed:f} to a person", [(released, "good"), (routed, "warn")])


def eval_bar(evidence: Mapping[str, Any]) -> Bar | None:
    """The share of cases that passed, against the share that must."""
    passed, failed = _number(evidence, "passed"), _number(evidence, "failed")
    if passed is None or failed is None or passed + failed <= 0:
        return None
    needed = _number(evidence, "pass_rate_needed", "pass_rate_declared", "bar")
    text = f"{passed / (passed + failed):.1%} passed" + (f", {needed:.0%} must" if needed is not None else "")
    return split(text, [(passed, "good"), (failed, "bad")], mark=needed)


def spend_bar(evidence: Mapping[str, Any]) -> Bar | None:
    """Spent against the cap; a sum with unpriced calls in it is a lower bound and says so."""
    spent, cap = _number(evidence, "spent", "cost", "total"), _number(evidence, "cap", "limit")
    if spent is None or cap is None or cap <= 0:
        return None
    currency = str(evidence.get("currency") or "")
    period = str(evidence.get("period") or "")
    unpriced = _number(evidence, "unpriced", "unpriced_calls") or Decimal()
    text = f"{money(spent, currency)} of {money(cap, currency)}" + (f" this {period}" if period else "")
    if unpriced > 0:
        text = f"at least {text}: {unpriced:f} calls without a price"
    share = min(spent / cap, Decimal(1))
    tone = "bad" if spent >= cap else "plain"
    return split(text, [(share, tone), (Decimal(1) - share, "empty")])


def _number(evidence: Mapping[str, Any], *names: str) -> Decimal | None:
    """The first of these entries that is a finite number that is not negative."""
    for name in names:
        value = evidence.get(name)
        if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                continue
            if number.is_finite() and number >= 0:
                return number
    return None


_DRAWN: Mapping[str, Callable[[Mapping[str, Any]], Bar | None]] = {
    "gate": gate_bar,
    "evaluate": eval_bar,
    "spend": spend_bar,
}

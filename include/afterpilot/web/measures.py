"""Small bars from the evidence of a run: released against routed, passed against the bar, spent against the cap.

Evidence is data of another part, perhaps of another version: what cannot be read gives no bar, never a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from afterpilot.domain.counting import per_cent, plural
from afterpilot.web.reading import amount
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
    released, routed = amount(evidence.get("released")), amount(evidence.get("routed"))
    if released is None or routed is None:
        return None
    return split(f"{released:f} released, {routed:f} to a person", [(released, "good"), (routed, "warn")])


def eval_bar(evidence: Mapping[str, Any]) -> Bar | None:
    """The share of cases that passed, against the share that must."""
    rate, least = amount(evidence.get("pass_rate")), amount(evidence.get("bar"))
    if rate is None or rate > 1:
        return None
    text = f"{per_cent(rate, places=1)} passed" + (f", {per_cent(least)} must" if least is not None else "")
    return split(text, [(rate, "good"), (1 - rate, "bad")], mark=least)


def spend_bar(evidence: Mapping[str, Any]) -> Bar | None:
    """Spent against the cap; a sum with unpriced calls in it is a lower bound and says so."""
    spent, cap = amount(evidence.get("spent")), amount(evidence.get("cap"))
    if spent is None or cap is None or cap <= 0:
        return None
    currency = str(evidence.get("currency") or "")
    period = str(evidence.get("period") or "")
    unpriced = amount(evidence.get("unpriced")) or Decimal()
    text = f"{money(spent, currency)} of {money(cap, currency, exact=True)}" + _when(period)
    if unpriced > 0:
        text = f"at least {text}: {plural(int(unpriced), 'call')} without a price"
    share = min(spent / cap, Decimal(1))
    tone = "bad" if spent >= cap else "plain"
    return split(text, [(share, tone), (Decimal(1) - share, "empty")])


def _when(period: str) -> str:
    """`` this month``, or `` in 7 days`` of a rolling cap."""
    if not period:
        return ""
    return f" in {period}" if period[0].isdigit() else f" this {period}"


_DRAWN: Mapping[str, Callable[[Mapping[str, Any]], Bar | None]] = {
    "gate": gate_bar,
    "evaluate": eval_bar,
    "spend": spend_bar,
}

"""The whole cost of a workflow in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from afterpilot.domain.counting import plural
from afterpilot.domain.money import Money, digits_of
from afterpilot.domain.whole_life import CALLS, EVALS, JUDGES, PEOPLE, Each, Part, Projection, WholeLife
from afterpilot.report.numbers import each, minutes, number

NAMES = {CALLS: "production calls", EVALS: "evals", JUDGES: "judges", PEOPLE: "people's time"}
_LEAST_NAMED = Decimal("0.005")  # of the whole: a smaller part is not named in a line


def cost_words(life: WholeLife) -> str:
    """``1.34 USD an item (1.52 handled alone, 1.40 accepted); 271.40 USD in all: people's time 270.40, production calls 1.00``."""
    if life.total is None:
        return f"UNKNOWN: {life.unknown}" + (f"; at least {life.known}" if life.known.amount else "")
    record = life.each[0]
    in_all = f"{life.total} in all{_made_of(life, life.total)}"
    if record.cost is None:
        return f"UNKNOWN per item: no outputs; {in_all}"
    words = each(life.total, record.count)
    return f"{words}{_others(life.each) if words.endswith(' an item') else ''}; {in_all}"


def _others(of: Sequence[Each]) -> str:
    """What one handled alone and one accepted cost, where that differs: `` (1.52 handled alone, 1.40 accepted)``."""
    record, alone, accepted = of
    named = [
        f"{digits_of(one.cost.amount)} {word}"
        for one, word in ((alone, "handled alone"), (accepted, "accepted"))
        if one.cost is not None and one.count != record.count
    ]
    return f" ({', '.join(named)})" if named else ""


def _made_of(life: WholeLife, total: Money) -> str:
    """The parts, largest first, where there are several worth a word; and what is left out."""
    costs = [(part.cost.amount, part) for part in life.parts if part.cost is not None and part.cost.amount]
    named = [
        f"{NAMES[part.name]} {digits_of(cost)}"
        for cost, part in sorted(costs, key=lambda pair: -pair[0])
        if cost >= total.amount * _LEAST_NAMED
    ]
    parts = f": {', '.join(named)}" if len(named) > 1 or (named and named[0].startswith(NAMES[PEOPLE])) else ""
    return parts + (f", without {life.left_out}" if life.left_out else "")


def projection_words(projection: Projection) -> str:
    """``212 USD (180 to 251), cap 400 USD a month``; with people's time where that is known, models then apart."""
    cap = f"cap {number(projection.cap.limit.amount)} {projection.cap.limit.currency}"
    if projection.cap.every != "month":
        cap += f" {'in' if projection.cap.length else 'a'} {projection.cap.every}"
    if projection.calls is None:
        return f"UNKNOWN: {projection.unknown}; {cap}"
    models = ranged(projection.calls, projection.calls_low, projection.calls_high)
    if projection.whole is None:
        return f"{models} without people's time, {cap}"
    if projection.whole == projection.calls:
        return f"{models}, {cap}"
    return f"{ranged(projection.whole, projection.whole_low, projection.whole_high)}; models alone {models}, {cap}"


def ranged(amount: Money, low: Money | None, high: Money | None) -> str:
    """``212 USD (180 to 251)``, or the amount alone."""
    middle = f"{_rounded(amount.amount)} {amount.currency}"
    if low is None or high is None:
        return f"{middle} (no interval yet)"
    return f"{middle} ({_rounded(low.amount)} to {_rounded(high.amount)})"


def _rounded(amount: Decimal) -> str:
    """As other numbers; a small one with two digits that say something, or an interval would be a point."""
    return f"{Decimal(f'{amount:.1e}').normalize():f}" if 0 < amount < 1 else number(amount)


def part_words(part: Part) -> str:
    """What a part is made of: ``1,203 calls``, ``203 decisions, 12.5 hours``."""
    made = plural(part.count, "decision" if part.name == PEOPLE else "call")
    if part.minutes:
        made += f", {minutes(part.minutes).removeprefix('about ')}"
    return "; ".join(word for word in (made, part.note if part.count else "") if word)


def title(projection: Projection) -> str:
    """``At 30,000 a month``."""
    return f"At {number(projection.volume)} a month"

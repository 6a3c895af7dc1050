"""Charts of spend: days as stacked bars, and a month's sum against its cap. What nobody knows is hatched, never a zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from afterpilot.domain.counting import plural
from afterpilot.web.evals.shapes import short
from afterpilot.web.evals.standing import short_day
from afterpilot.web.spend.caps import CapView, percent
from afterpilot.web.spend.days import WIDE, DayChart, DaySum, Legend, Mark, Month, Rect, Table
from afterpilot.web.text import money

SERIES = 7  # that a chart can tell apart; the rest is one more
_WORD = 15.0  # pixels that a line of words takes
_HATCH = 9.0  # pixels that a day with unpriced calls has on top of what is known


def bars(
    month: Month,
    days: Mapping[date, DaySum],
    series: Sequence[tuple[str, str]],
    currency: str,
    *,
    title: str,
    links: Mapping[str, str] | None = None,
    limit: CapView | None = None,
) -> DayChart:
    """Each day's spend, stacked by ``series`` (key, name), the first at the foot. ``limit`` is a cap of a day to be drawn."""
    height, top = 190, 14
    highest = max([one.whole for one in days.values()] + ([limit.limit] if limit else []), default=Decimal(0))
    ends = _ceiling(float(highest)) if highest else 1.0

    def tall(value: Decimal) -> float:
        return float(value) / ends * (height - top)

    rects: list[Rect] = []
    names = dict(series)
    for on, one in sorted(days.items()):
        x, wide = month.left(on) + 0.35, WIDE / month.count - 0.7
        foot = float(height)
        for number, (key, name) in enumerate(series):
            cost = one.costs.get(key)
            if not cost:
                continue
            piece = max(tall(cost), 1.0)
            foot -= piece
            words = f"{short_day(on)}, {name or 'others'}: {money(cost, currency)}"
            rects.append(Rect(str(number), round(x, 2), round(foot, 1), round(wide, 2), round(piece, 1), words))
        if one.unpriced:
            words = f"{short_day(on)}: {plural(one.unpriced, 'call')} without a known cost, on top of {money(one.whole, currency)}"
            rects.append(Rect("unknown", round(x, 2), round(foot - _HATCH, 1), round(wide, 2), _HATCH, words))
    lines = (
        [
            Mark(
                "limit",
                y=round(height - tall(limit.limit), 1),
                text=f"cap {money(limit.limit, currency, exact=True)} a day",
            )
        ]
        if limit
        else []
    )
    return DayChart(
        title=title,
        words=_bar_words(days, currency),
        height=height,
        rects=tuple(rects),
        lines=tuple(lines),
        ticks=_ticks(ends, height, top),
        days=month.names,
        legend=_legend(days, names, currency, links or {}),
        table=_table(days, names, currency),
    )


def cumulative(month: Month, days: Mapping[date, DaySum], cap: CapView, *, today: date | None) -> DayChart:
    """The month's sum day by day against its cap; where ``today`` lies in it, with what is expected of the rest.

    From the first day with unpriced calls on the line is dotted: it is a lower bound.
    """
    height, top = 220, 18
    known = [on for on in _days(month) if today is None or on <= today]
    sums, whole = [], Decimal(0)
    for on in known:
        whole += days.get(on, DaySum()).whole
        sums.append((on, whole))
    outlook = cap.outlook if today is not None else None
    highest = max([cap.limit, whole] + ([outlook.high] if outlook and outlook.high is not None else []))
    ends = _ceiling(float(highest) * 1.02)

    def y(value: Decimal) -> float:
        return round(top + (1 - float(value) / ends) * (height - top), 1)

    paths = list(_line(month, sums, days, y))
    dots = (
        [Mark("last", month.end(known[-1]), y(whole), f"{money(whole, cap.currency)} by {short_day(known[-1])}")]
        if known
        else []
    )
    if outlook and known and None not in (outlook.expected, outlook.low, outlook.high):
        paths = [*_fan(month, known[-1], whole, cap, y), *paths]
    raised = f" (raised from {money(cap.declared, cap.currency, exact=True)})" if cap.declared != cap.limit else ""
    lines = [Mark("limit", y=y(cap.limit), text=f"cap {money(cap.limit, cap.currency, exact=True)}{raised}")]
    lines += [
        Mark("warn", y=y(cap.limit * level), text=f"{percent(level)} of it") for level in cap.warn_at if level < 1
    ]
    return DayChart(
        title=f"Sum of the month against the cap, {cap.currency}",
        words=_sum_words(whole, cap, days, known, now=outlook is not None),
        height=height,
        paths=tuple(paths),
        lines=tuple(_readable(lines)),
        dots=tuple(dots),
        ticks=_ticks(ends, height, top),
        days=month.names,
    )


def _readable(lines: Sequence[Mark]) -> Iterator[Mark]:
    """Lines whose words would lie on those of one before them keep none."""
    taken: list[float] = []
    for line in lines:
        clear = all(abs(line.y - other) >= _WORD for other in taken)
        if clear:
            taken.append(line.y)
        yield line if clear else replace(line, text="")


def _days(month: Month) -> list[date]:
    return [month.first + timedelta(days=n) for n in range(month.count)]


def _line(
    month: Month, sums: Sequence[tuple[date, Decimal]], days: Mapping[date, DaySum], y: Callable[[Decimal], float]
) -> Iterator[Mark]:
    """The line of the sum: solid as long as all is known, dotted from then on."""
    unsure = next((on for on, _ in sums if on in days and days[on].unpriced), None)
    points = [(month.left(month.first), y(Decimal(0)), month.first)]
    points += [(month.end(on), y(value), on + timedelta(days=1)) for on, value in sums]
    for kind, part in (
        ("line", [one for one in points if unsure is None or one[2] <= unsure]),
        ("second", [one for one in points if unsure is not None and one[2] >= unsure]),
    ):
        if len(part) > 1:
            yield Mark(kind, d="M" + " L".join(f"{x * 10:g},{height:g}" for x, height, _ in part))


def _fan(month: Month, last: date, spent: Decimal, cap: CapView, y: Callable[[Decimal], float]) -> Iterator[Mark]:
    """What is expected from now to the end of the month: the interval, and its middle."""
    expected, low, high = (cap.outlook.expected, cap.outlook.low, cap.outlook.high)
    if expected is None or low is None or high is None:
        return
    here, end = month.end(last) * 10, month.end(month.last) * 10
    yield Mark("band", d=f"M{here:g},{y(spent):g} L{end:g},{y(high):g} L{end:g},{y(low):g}Z")
    yield Mark("expected", d=f"M{here:g},{y(spent):g} L{end:g},{y(expected):g}")


def _ceiling(value: float) -> float:
    """The next round number whose half is a round one too."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999)


def _ticks(ends: float, height: int, top: int) -> tuple[Mark, ...]:
    return tuple(
        Mark("tick", y=round(height - (height - top) * share, 1), text=short(ends * share) if share else "0")
        for share in (0.0, 0.5, 1.0)
    )


def _legend(
    days: Mapping[date, DaySum], names: Mapping[str, str], currency: str, links: Mapping[str, str]
) -> tuple[Legend, ...]:
    found = []
    for number, (key, name) in enumerate(names.items()):
        costs = [one.costs[key] for one in days.values() if key in one.costs]
        if costs:
            total = money(sum(costs, Decimal(0)), currency)
            found.append(Legend(str(number), name or "all others", total, links.get(key, "")))
    unpriced = sum(one.unpriced for one in days.values())
    if unpriced:
        found.append(Legend("unknown", "cost not known", plural(unpriced, "call")))
    return tuple(found)


def _table(days: Mapping[date, DaySum], names: Mapping[str, str], currency: str) -> Table:
    shown = [key for key in names if any(key in one.costs for one in days.values())]
    rows = [
        (
            f"{on:%Y-%m-%d}",
            (
                *(money(one.costs.get(key, Decimal(0)), currency) for key in shown),
                money(one.whole if one.costs or not one.unpriced else None, currency),
            ),
            plural(one.unpriced, "call") if one.unpriced else "none",
        )
        for on, one in sorted(days.items())
    ]
    return Table((*(names[key] or "all others" for key in shown), "Sum"), tuple(rows))


def _bar_words(days: Mapping[date, DaySum], currency: str) -> str:
    spent = {on: one.whole for on, one in days.items() if one.whole}
    unpriced = sum(one.unpriced for one in days.values())
    unknown = f" The cost of {plural(unpriced, 'call')} is not known (hatched)." if unpriced else ""
    if not spent:
        return "Nothing is known to be spent." + unknown
    dearest = max(spent, key=lambda on: spent[on])
    whole = money(sum(spent.values(), Decimal(0)), currency)
    least = "At least " if unpriced else ""
    return f"{least}{whole} on {plural(len(spent), 'day')}; the dearest is {short_day(dearest)} with {money(spent[dearest], currency)}.{unknown}"


def _sum_words(spent: Decimal, cap: CapView, days: Mapping[date, DaySum], known: Sequence[date], *, now: bool) -> str:
    """What is spent of the cap; what is expected too where the month is not over."""
    least = "At least " if (now and cap.unknown) or any(days[on].unpriced for on in known if on in days) else ""
    outlook = f"; {cap.outlook.words}" if now and cap.outlook.words else ""
    of = money(cap.limit, cap.currency, exact=True) + ("" if now else ", the cap as it is now")
    return f"{least}{money(spent, cap.currency)} of {of}{outlook}."

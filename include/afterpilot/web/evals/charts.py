"""The small charts of the eval pages as shapes that a template draws: what is unknown is a gap, never a zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime

from afterpilot.record.history.paging import Row
from afterpilot.web.evals.alarms import SURE
from afterpilot.web.evals.reading import rate_of
from afterpilot.web.evals.shapes import POINTS, Chart, Shape, Time, ceiling, linear, logarithmic, short, stretches
from afterpilot.web.evals.standing import short_day
from afterpilot.web.reading import number


def evidence_chart(rows: Sequence[Row], threshold: float) -> Chart:
    """How strongly the runs speak for a drop, on a logarithmic scale, and the line at which the alarm is raised."""
    values = [(row, number(row["evidence"])) for row in rows]
    highest, most = max([threshold * 3, *(value for _, value in values if value)]), threshold * SURE
    top = highest if highest <= most else 10.0 ** math.floor(math.log10(most))
    scale = logarithmic(0.1, top)
    ticks = [(10.0**power) for power in range(0, math.ceil(math.log10(top)) + 1, 2) if 10.0**power <= top]
    newest = next((value for _, value in reversed(values) if value is not None), None)
    above = next((row for row, value in values if value is not None and value > top), None)
    cut = f" The curve is cut at {short(top)}." if above else ""
    return _small(
        rows,
        [("line", values)],
        title="Evidence of a drop",
        words=f"Newest {short(newest) if newest is not None else 'unknown'}; the alarm is raised at {short(threshold)}.{cut}",
        scale=scale,
        ticks=[(value, short(value)) for value in ticks],
        lines=[("limit", threshold, f"alarm at {short(threshold)}")],
        said=lambda value: f"evidence {short(value)}",
        cut=(above["at"], f"> {short(top)}") if above else None,
    )


def cost_chart(rows: Sequence[Row], currency: str) -> Chart:
    """What each run cost."""
    values = [(row, number(row["cost"])) for row in rows]
    known = [value for _, value in values if value is not None]
    top = ceiling(max(known, default=0.0))
    words = f"Newest {short(known[-1])} {currency}." if known else "The cost of no run is known."
    return _small(
        rows, [("line", values)], title=f"Cost per run{f', {currency}' if currency else ''}", words=words,
        scale=linear(top), ticks=[(0.0, "0"), (top / 2, short(top / 2)), (top, short(top))],
        said=lambda value: f"{short(value)} {currency}".strip(),
    )  # fmt: skip


def latency_chart(rows: Sequence[Row]) -> Chart:
    """How long answers took: the middle one and the slowest of twenty."""
    half = [(row, _seconds(row["latency_p50"])) for row in rows]
    slow = [(row, _seconds(row["latency_p95"])) for row in rows]
    known = [value for _, value in [*half, *slow] if value is not None]
    top = ceiling(max(known, default=0.0))
    last = [next((value for _, value in reversed(one) if value is not None), None) for one in (half, slow)]
    words = ", ".join(
        f"{name} {short(value)} s"
        for name, value in zip(("p50 (solid)", "p95 (dotted)"), last, strict=True)
        if value is not None
    )
    return _small(
        rows, [("line", half), ("second", slow)], title="Latency, seconds",
        words=f"Newest {words}." if words else "The latency of no run is known.",
        scale=linear(top), ticks=[(0.0, "0"), (top / 2, short(top / 2)), (top, short(top))],
        said=lambda value: f"{short(value)} s",
    )  # fmt: skip


def spark(rows: Sequence[Row], *, width: int = 150, height: int = 34) -> tuple[Shape, ...]:
    """A line of pass rates without axes, in pixels: its stretches, UNKNOWN runs, runs under alarm, and the newest."""
    rates = [(row, rate_of(row)) for row in rows]
    floor = min([rate.value for _, rate in rates if rate] + [0.9]) - 0.05
    step = (width - 8) / max(1, len(rows) - 1)
    places = {row["run_id"]: round(4 + step * n, 1) for n, row in enumerate(rows)}

    def y(value: float) -> float:
        return round(4 + (1 - value) / (1 - floor) * (height - 8), 1)

    shapes = [
        Shape("line", d="M" + " L".join(f"{places[row['run_id']]},{y(rate.value)}" for row, rate in part))
        for part in stretches(rates)
    ]
    for row, rate in rates:
        if rate is None:
            shapes.append(Shape("gap", places[row["run_id"]], height - 6))
    if rates and rates[-1][1] is not None:
        kind = "last-alarm" if rates[-1][0]["alarm"] == "alarm" else "last"
        shapes.append(Shape(kind, places[rates[-1][0]["run_id"]], y(rates[-1][1].value)))
    return tuple(shapes)


Values = Sequence[tuple[Row, float | None]]


def _small(
    rows: Sequence[Row],
    series: Sequence[tuple[str, Values]],
    *,
    title: str,
    words: str,
    scale: Callable[[float], float],
    ticks: Sequence[tuple[float, str]],
    said: Callable[[float], str],
    lines: Sequence[tuple[str, float, str]] = (),
    cut: tuple[datetime, str] | None = None,
) -> Chart:
    height, top, foot = 110, 12, 8
    time = Time(rows[0]["at"], rows[-1]["at"])

    def y(value: float) -> float:
        return round(top + (1 - scale(value)) * (height - top - foot), 1)

    paths, dots = [], []
    for kind, values in series:
        for part in stretches(values):
            places = [f"{time.x(row['at']) * 10:g},{y(value)}" for row, value in part]
            if len(places) > 1:
                paths.append(Shape(kind, d=f"M{' L'.join(places)}"))
            dots += (
                []
                if len(rows) > POINTS
                else [
                    Shape(
                        "point",
                        time.x(row["at"]),
                        y(value),
                        title=f"{short_day(row['at'])}: {said(value)}",
                        run=row["run_id"],
                    )
                    for row, value in part
                ]
            )
    return Chart(
        title=title,
        words=words,
        height=height,
        paths=tuple(paths),
        dots=tuple(dots),
        lines=tuple(Shape(kind, y=y(value), text=text) for kind, value, text in lines),
        ticks=tuple(Shape("tick", y=y(value), text=text) for value, text in ticks),
        notes=_cut(time, *cut) if cut else (),
        days=(time.days[-1], time.days[0]) if len(time.days) > 1 else time.days,
    )


def _cut(time: Time, at: datetime, text: str) -> tuple[Shape]:
    """The words where a curve leaves the chart at its top, on the side that has room for them."""
    x = time.x(at)
    return (Shape("start" if x < 50 else "end", x, 9, text=text),)  # noqa: PLR2004 - percent, the middle


def _seconds(milliseconds: object) -> float | None:
    found = number(milliseconds)
    return None if found is None else found / 1000

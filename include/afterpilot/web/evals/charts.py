"""The charts of the eval pages as shapes that a template draws: what is unknown is a gap, never a zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from afterpilot.record.history.paging import Row
from afterpilot.web.evals.alarms import SURE, spans
from afterpilot.web.evals.answering import Event
from afterpilot.web.evals.reading import number, rate_of
from afterpilot.web.evals.shapes import Chart, Shape, Time, ceiling, linear, logarithmic, short, steps
from afterpilot.web.evals.standing import short_day

POINTS = 120  # runs of which each can be pointed at; with more, only those of the pass rate can


def rate_chart(
    rows: Sequence[Row], *, bar: float | None, baselines: Sequence[tuple[datetime, str]], events: Sequence[Event]
) -> Chart:
    """The pass rate of each run with its interval, the bar, the baseline, alarms, and changes of what answers."""
    height, top, foot = 250, 22, 10
    time = Time(rows[0]["at"], rows[-1]["at"])
    rates = [(row, rate_of(row)) for row in rows]
    lowest = min([rate.low for _, rate in rates if rate] + ([bar] if bar is not None else []) + [0.9])
    floor = max(0.0, math.floor((lowest - 0.02) * 10) / 10)

    def y(value: float) -> float:
        return round(top + (1 - value) / (1 - floor) * (height - top - foot), 1)

    paths: list[Shape] = []
    for part in _stretches(rates):
        upper = [f"{time.x(row['at']) * 10:g},{y(rate.high)}" for row, rate in part]
        lower = [f"{time.x(row['at']) * 10:g},{y(rate.low)}" for row, rate in reversed(part)]
        middle = [f"{time.x(row['at']) * 10:g},{y(rate.value)}" for row, rate in part]
        kind = "whisker" if len(part) == 1 else "band"
        paths.append(Shape(kind, d=f"M{' L'.join([*upper, *lower])}Z"))
        if len(part) > 1:
            paths.append(Shape("line", d=f"M{' L'.join(middle)}"))
    lines = [Shape("bar", y=y(bar), text=f"bar {bar:.0%}".replace("%", " %"))] if bar is not None else []
    marks = [
        Shape("event", time.x(event.at), text=event.letter, title=f"{short_day(event.at)}: {event.words}")
        for event in events
    ]
    marks += [
        Shape("base", time.x(at), text="baseline", title=title)
        for at, title in baselines
        if time.first <= at <= time.last
    ]
    dots = [_rate_dot(time, row, rate, y) for row, rate in rates]
    return Chart(
        title="Pass rate",
        words=_rate_words(rates, bar),
        height=height,
        paths=tuple(paths),
        spans=tuple(_alarms(rows, time)),
        lines=tuple(lines),
        marks=tuple(marks),
        dots=tuple(dots),
        ticks=tuple(Shape("tick", y=y(value), text=f"{value:.0%}".replace("%", " %")) for value in steps(floor)),
        days=time.days,
        dense=len(rows) > POINTS,
    )


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
        for part in _stretches(rates)
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
        for part in _stretches(values):
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


def _stretches(values: Sequence[tuple[Row, Any]]) -> Iterator[list[tuple[Row, Any]]]:
    """Runs of neighbours that are known; what is unknown is a gap."""
    part: list[tuple[Row, Any]] = []
    for row, value in values:
        if value is None:
            if part:
                yield part
            part = []
        else:
            part.append((row, value))
    if part:
        yield part


def _alarms(rows: Sequence[Row], time: Time) -> Iterator[Shape]:
    """The spans during which an alarm was open."""
    for span in spans(rows):
        first, over = span.rows[0]["at"], span.after is not None
        start, end = time.x(first), time.x(span.end)
        title = f"alarm from {short_day(first)} to {short_day(span.end) if over else 'now'}"
        yield Shape("alarm", start - 0.5, width=max(end - start + (0 if over else 1), 1.0), text="alarm", title=title)


def _rate_dot(time: Time, row: Row, rate: Any, y: Callable[[float], float]) -> Shape:  # noqa: ANN401 - Interval or None
    on = short_day(row["at"])
    if rate is None:
        return Shape(
            "gap",
            time.x(row["at"]),
            y(1.0) + 10,
            title=f"{on}: UNKNOWN, {row['scored']} of {row['cases']} cases scored",
            run=row["run_id"],
        )
    return Shape(
        "dot",
        time.x(row["at"]),
        y(rate.value),
        title=f"{on}: {row['passed']} of {row['scored']} pass, {rate.span}",
        run=row["run_id"],
    )


def _rate_words(rates: Sequence[tuple[Row, Any]], bar: float | None) -> str:
    known = [rate for _, rate in rates if rate is not None]
    unknown = len(rates) - len(known)
    first, last = (f"{short_day(at)} {at.year}" for at in (rates[0][0]["at"], rates[-1][0]["at"]))
    if not known:
        return (
            "1 run, which could not be judged." if unknown == 1 else f"{unknown} runs, none of which could be judged."
        )
    if len(rates) == 1:
        return f"1 run, of {first}: {known[0]}.{_must(bar)}".replace("%", " %").replace("  %", " %")
    text = f"{len(rates)} runs from {first} to {last}, from {min(rate.value for rate in known):.0%} to {max(rate.value for rate in known):.0%}, newest {known[-1]}."
    return (text + _must(bar) + (f" {unknown} unknown." if unknown else "")).replace("%", " %").replace("  %", " %")


def _must(bar: float | None) -> str:
    return f" {bar:.0%} must pass." if bar is not None else ""


def _seconds(milliseconds: object) -> float | None:
    found = number(milliseconds)
    return None if found is None else found / 1000

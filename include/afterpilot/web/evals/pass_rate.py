"""The chart of the pass rate: each run with its interval, the bar, the baseline, alarms, and changes of what answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from afterpilot.domain.counting import plural
from afterpilot.domain.intervals import percent
from afterpilot.record.history.paging import Row
from afterpilot.web.evals.alarms import spans
from afterpilot.web.evals.answering import Event
from afterpilot.web.evals.reading import rate_of
from afterpilot.web.evals.shapes import POINTS, Chart, Shape, Time, steps, stretches
from afterpilot.web.evals.standing import short_day


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
    for part in stretches(rates):
        upper = [f"{time.x(row['at']) * 10:g},{y(rate.high)}" for row, rate in part]
        lower = [f"{time.x(row['at']) * 10:g},{y(rate.low)}" for row, rate in reversed(part)]
        middle = [f"{time.x(row['at']) * 10:g},{y(rate.value)}" for row, rate in part]
        kind = "whisker" if len(part) == 1 else "band"
        paths.append(Shape(kind, d=f"M{' L'.join([*upper, *lower])}Z"))
        if len(part) > 1:
            paths.append(Shape("line", d=f"M{' L'.join(middle)}"))
    lines = [Shape("bar", y=y(bar), text=f"bar {percent(bar)}")] if bar is not None else []
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
        ticks=tuple(Shape("tick", y=y(value), text=percent(value)) for value in steps(floor)),
        days=time.days,
        dense=len(rows) > POINTS,
    )


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
        return f"1 run, of {first}: {known[0]}.{_must(bar)}"
    lowest, highest = (percent(end(rate.value for rate in known)) for end in (min, max))
    text = f"{plural(len(rates), 'run')} from {first} to {last}, from {lowest} to {highest}, newest {known[-1]}."
    return text + _must(bar) + (f" {unknown} of them unknown." if unknown else "")


def _must(bar: float | None) -> str:
    return f" {percent(bar)} must pass." if bar is not None else ""

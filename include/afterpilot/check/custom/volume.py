"""How many rows the window holds: against fixed bounds, and against the same weekday's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.outcome import by_figure, figure, share
from afterpilot.check.custom.scope import EARLIEST, Scope
from afterpilot.check.words import moment
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

WEEKS = 8
MOST_WEEKS = 52
LEAST_WEEKS = 3  # a median of fewer says nothing
AT_LEAST = 0.5
AT_MOST = 2.0


def volume_between(check: Check, scope: Scope) -> Judged:
    """Whether the window holds at least ``min_value`` and at most ``max_value`` rows, and with ``like_weekdays`` so many per
    cent of what the same span of the same weekday held in the weeks before: the median of their counts.

    Raises:
        CheckError: it has no bounds, or too little history and no fixed bounds.
    """
    rows, like = scope.count(), check.params.get("like_weekdays")
    if like is None:
        return volume_verdict(check, {"rows": rows})
    low, high, within = _bounded(check, rows)
    terms = like if isinstance(like, Mapping) else {}
    counts = _history(terms, scope)
    if len(counts) < LEAST_WEEKS or not median(counts):
        lacks = _lacks(counts)
        if not within or low is not None or high is not None:
            observed = f"{rows} ({lacks}: judged by the fixed bounds alone)"
            return by_figure(
                check, success=within, observed=observed, value=rows, elements=rows, history=counts, lacks=lacks
            )
        raise CheckError(f"{lacks}; min_value or max_value would hold until there is more")
    usual = median(counts)
    least, most = share(terms, "at_least", unless=AT_LEAST), share(terms, "at_most", unless=AT_MOST)
    fits = least * usual <= rows <= most * usual
    return by_figure(
        check,
        success=within and fits,
        observed=f"{rows} ({100 * rows / usual:.0f} % of the usual {usual:g} of this weekday, {len(counts)} weeks)",
        value=rows,
        elements=rows,
        usual=usual,
        share_of_usual=rows / usual,
        history=counts,
    )


def volume_measures(_check: Check, _scope: Scope) -> Mapping[str, sa.ColumnElement[Any]]:
    """What is measured where there are fixed bounds alone."""
    return {"rows": sa.func.count()}


def volume_verdict(check: Check, figures: Mapping[str, Any]) -> Judged:
    """What follows from fixed bounds alone.

    Raises:
        CheckError: there are none.
    """
    rows = int(figures["rows"])
    low, high, within = _bounded(check, rows)
    if low is None and high is None:
        raise CheckError("it needs min_value, max_value or like_weekdays")
    return by_figure(check, success=within, observed=str(rows), value=rows, elements=rows)


def _bounded(check: Check, rows: int) -> tuple[float | None, float | None, bool]:
    low, high = figure(check.params, "min_value"), figure(check.params, "max_value")
    return low, high, (low is None or rows >= low) and (high is None or rows <= high)


def _lacks(counts: Sequence[int]) -> str:
    if len(counts) < LEAST_WEEKS:
        known = "no week" if not counts else "1 week" if len(counts) == 1 else f"{len(counts)} weeks"
        return f"the history of this weekday is {known} long, {LEAST_WEEKS} are needed"
    return "there are usually no rows on this weekday"


def _history(terms: Mapping[str, Any], scope: Scope) -> list[int]:
    """Counts of the same span one week, two weeks … earlier, the latest first, as far back as there were rows at all."""
    weeks = figure(terms, "weeks")
    number = WEEKS if weeks is None else int(weeks)
    if not 1 <= number <= MOST_WEEKS:
        raise CheckError(f"weeks is {number}; 1 to {MOST_WEEKS} can be")
    if scope.window is None or scope.span is None or not scope.time:
        raise CheckError("like_weekdays needs the column of time and the window")
    shifted = [_earlier(scope.window, week) for week in range(1, number + 1)]
    reach = scope.span(Window(shifted[-1].start, scope.window.start))
    at = reach.columns[scope.time]
    counted = scope.select(*(_within(at, window) for window in shifted), rows=reach)
    counts = [int(count or 0) for count in scope.connection.execute(counted).one()]
    first = _first(scope)
    return [count for count, window in zip(counts, shifted, strict=True) if first is not None and window.start >= first]


def _first(scope: Scope) -> datetime | None:
    """The day of the oldest row: the first day may be incomplete only by its beginning."""
    if scope.span is None:  # pragma: no cover - asked before
        return None
    rows = scope.span(Window(EARLIEST, scope.end))
    return moment(scope.connection.scalar(scope.select(sa.func.min(rows.columns[scope.time]), rows=rows)))


def _earlier(window: Window, weeks: int) -> Window:
    back = timedelta(weeks=weeks)
    return Window(window.start - back, window.end - back)


def _within(at: sa.ColumnElement[Any], window: Window) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((sa.and_(at >= window.start, at < window.end), 1), else_=0))

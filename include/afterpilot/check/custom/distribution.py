"""Whether a column is distributed as it was in a reference window."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.drift import Distance, jensen_shannon, moved, psi
from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, by_figure, figure, shown
from afterpilot.check.custom.parameters import length, needs, window_of
from afterpilot.check.custom.scope import Column, Scope
from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.counting import per_cent
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

BINS = 10
LEAST = 100
MOST_CATEGORIES = 20
OTHERS = "(other)"
_MOST_OTHERS = 0.5
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Binned:
    """Counts of the same bins in the reference and in the window, and the rows without a value."""

    names: Sequence[str]
    reference: Sequence[int]
    current: Sequence[int]
    missing: tuple[int, int]


def distribution_like(check: Check, scope: Scope) -> Judged:
    """Whether a column's values are spread as in the reference: ``max_psi``, ``max_js`` or both are not exceeded.

    Numbers fall into ten bins that hold a tenth of the reference each; texts and booleans into its 20 most frequent values, the
    rest pooled. It fails only where the lower end of the 95 % interval lies above the limit.

    Raises:
        CheckError: fewer than 100 values on either side, no limit, a column without bins.
    """
    limits = {name: figure(check.params, name) for name in ("max_psi", "max_js")}
    if all(limit is None for limit in limits.values()):
        raise CheckError("it needs max_psi, max_js or both")
    scope.column(check.column)
    window = _reference(check, scope)
    if scope.span is None:
        raise CheckError("the rows of the reference cannot be read: name the column of time and the window")
    before = scope.span(window)
    binned = _numbers(check, scope, before) if scope.kind(check.column) == "number" else _classes(check, scope, before)
    _enough(binned)
    distances = {
        "max_psi": psi(binned.reference, binned.current),
        "max_js": jensen_shannon(binned.reference, binned.current),
    }
    exceeded = [name for name, limit in limits.items() if limit is not None and distances[name].low > limit]
    return by_figure(
        check,
        success=not exceeded,
        observed=_said(distances, binned),
        value=distances["max_psi" if limits["max_psi"] is not None else "max_js"].value,
        elements=sum(binned.current),
        **_details(distances, binned),
        reference=str(window),
    )


def _reference(check: Check, scope: Scope) -> Window:
    given = needs(check, "reference")
    if isinstance(given, Mapping):
        return window_of(given, "reference")
    back = length(given, "reference")
    if scope.window is None or not back:
        raise CheckError("a reference before the window needs a window, and a length above nothing")
    return Window(scope.window.start - back, scope.window.start)


def _enough(binned: Binned) -> None:
    found = {"reference_count": sum(binned.reference), "element_count": sum(binned.current)}
    if not any(found.values()):
        raise CannotSay(NO_ROWS if not any(binned.missing) else "no values", **found)
    for words, count in (("the reference", found["reference_count"]), ("the window", found["element_count"])):
        if count < LEAST:
            raise CannotSay(f"{words} holds {count} values, {LEAST} are needed", **found)


def _numbers(check: Check, scope: Scope, before: Rows) -> Binned:
    """Counts up to each edge, in one statement a side; the edges are the tenths of the reference."""
    edges = _edges(scope, before, before.columns[check.column])
    sides = [_up_to(scope, rows, rows.columns[check.column], edges) for rows in (before, scope.rows)]
    counts = [[high - low for low, high in zip([0, *side[:-1]], side, strict=True)] for side, _ in sides]
    words = [f"{edge:.6g}" for edge in edges]
    names = [f"up to {words[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(words)), f"above {words[-1]}"]
    return Binned(names if edges else ["all"], counts[0], counts[1], (sides[0][1], sides[1][1]))


def _edges(scope: Scope, rows: Rows, value: Column) -> list[float]:
    tiled = scope.select(value.label("value"), sa.func.ntile(BINS).over(order_by=value).label("tile"), rows=rows)
    inner = tiled.where(value.is_not(None)).subquery()
    tops = sa.select(sa.func.max(inner.c.value)).group_by(inner.c.tile).order_by(inner.c.tile)
    found = [float(top) for top in scope.connection.scalars(tops)]
    return sorted({edge for edge in found[:-1] if math.isfinite(edge)}) or [0.0]


def _up_to(scope: Scope, rows: Rows, value: Column, edges: Sequence[float]) -> tuple[list[int], int]:
    below = [sa.func.sum(sa.case((value <= edge, 1), else_=0)) for edge in edges]
    counted = scope.select(*below, sa.func.count(value), sa.func.count(), rows=rows)
    *parts, known, total = (int(count or 0) for count in scope.connection.execute(counted).one())
    return [*parts, known], total - known


def _classes(check: Check, scope: Scope, before: Rows) -> Binned:
    if scope.kind(check.column) == "time":
        raise CheckError(f"{check.column} is a time; numbers, texts and booleans have a distribution")
    texts = [_text(scope, rows, rows.columns[check.column]) for rows in (before, scope.rows)]
    common = _most_frequent(scope, texts[0])
    sides, missing = [], []
    for text in texts:
        counts, others, nulls = _counted(scope, text, common)
        sides.append([*counts, others])
        missing.append(nulls)
    total = sum(sides[0])
    if total and sides[0][-1] > _MOST_OTHERS * total:
        raise CheckError(
            f"the {MOST_CATEGORIES} most frequent values are {100 - 100 * sides[0][-1] / total:.0f} % of the reference: "
            f"{check.column} holds no categories"
        )
    return Binned([*(shown(name) for name in common), OTHERS], sides[0], sides[1], (missing[0], missing[1]))


def _text(scope: Scope, rows: Rows, value: Column) -> sa.Subquery:
    text = sa.func.substr(sa.cast(value, sa.Text), 1, _LONGEST)
    return scope.select(text.label("value"), rows=rows).subquery()


def _most_frequent(scope: Scope, text: sa.Subquery) -> list[str]:
    """The 20 most frequent values; no others are fetched, however many there are."""
    found = sa.select(text.c.value).where(text.c.value.is_not(None)).group_by(text.c.value)
    return list(scope.connection.scalars(found.order_by(sa.func.count().desc(), text.c.value).limit(MOST_CATEGORIES)))


def _counted(scope: Scope, text: sa.Subquery, common: Sequence[str]) -> tuple[list[int], int, int]:
    """How often each of these values occurs, any other one, and none."""
    bins = [sa.func.sum(sa.case((text.c.value == name, 1), else_=0)) for name in common]
    *known, values, rows = scope.connection.execute(
        sa.select(*bins, sa.func.count(text.c.value), sa.func.count()).select_from(text)
    ).one()
    counts = [int(count or 0) for count in known]
    return counts, int(values) - sum(counts), int(rows) - int(values)


def _details(distances: Mapping[str, Distance], binned: Binned) -> dict[str, Any]:
    one, other = distances["max_psi"], distances["max_js"]
    totals = (sum(binned.reference), sum(binned.current))
    return {
        "psi": one.value,
        "psi_interval": [one.low, one.high],
        "js_distance": other.value,
        "js_interval": [other.low, other.high],
        "share_moved": moved(binned.reference, binned.current),
        "bins": [
            {"bin": name, "reference": before / totals[0], "window": now / totals[1]}
            for name, before, now in zip(binned.names, binned.reference, binned.current, strict=True)
        ],
        "reference_count": totals[0],
        "value_count": totals[1],
        "missing_share": [missing / (missing + total) for missing, total in zip(binned.missing, totals, strict=True)],
    }


def _said(distances: Mapping[str, Distance], binned: Binned) -> str:
    one, other = distances["max_psi"], distances["max_js"]
    totals = (sum(binned.reference), sum(binned.current))
    changes = sorted(
        zip(binned.names, binned.reference, binned.current, strict=True),
        key=lambda part: -abs(part[2] / totals[1] - part[1] / totals[0]),
    )[:2]
    most = ", ".join(
        f"{name}: {per_cent(before / totals[0])} → {per_cent(now / totals[1])}" for name, before, now in changes
    )
    share = moved(binned.reference, binned.current)
    return f"PSI {one.value:.3f} ({one.low:.3f} to {one.high:.3f}), JS distance {other.value:.3f}; {per_cent(share)} moved ({most})"

"""How long texts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.outcome import Counted, by_value, figure
from afterpilot.check.custom.scope import Column, Scope, key_of
from afterpilot.check.window import MOST_KEYS
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

UNITS = ("characters", "words", "tokens")
CHARACTERS_OF_A_TOKEN = 4  # of English, as providers say as a rule of thumb


def length_between(check: Check, scope: Scope) -> Judged:
    """Whether texts are so many characters, words (what stands between blanks) or tokens long.

    Tokens are estimated as a quarter of the characters, rounded up: each model cuts texts in its own way.

    Raises:
        CheckError: it has no bounds, or its unit is none.
    """
    figures = scope.measured(length_measures(check, scope))
    if not figures["failing"]:
        return length_verdict(check, figures)
    size, key = _size(check, scope), key_of(scope.rows)
    found = scope.select(key, size).where(_wrong(check, size)).order_by(key).limit(MOST_KEYS)
    return length_verdict(check, figures, [(key, length) for key, length in scope.connection.execute(found)])


def length_measures(check: Check, scope: Scope) -> Mapping[str, Column]:
    """What is measured, as aggregates that can stand in any SELECT over the rows.

    Raises:
        CheckError: it has no bounds, or its unit is none.
    """
    size = _size(check, scope)
    return {
        "rows": sa.func.count(),
        "values": sa.func.count(scope.column(check.column)),
        "failing": sa.func.sum(sa.case((_wrong(check, size), 1), else_=0)),
        "shortest": sa.func.min(size),
        "longest": sa.func.max(size),
    }


def length_verdict(check: Check, figures: Mapping[str, Any], examples: Sequence[tuple[str | None, Any]] = ()) -> Judged:
    """What follows from the measures. Raises CannotSay."""
    rows = int(figures["rows"])
    counted = Counted(rows, rows - int(figures["values"]), int(figures["failing"] or 0), examples)
    unit = check.params.get("unit", UNITS[0])
    return by_value(check, counted, unit=unit, shortest=_whole(figures["shortest"]), longest=_whole(figures["longest"]))


def _wrong(check: Check, size: Column) -> Column:
    low, high = figure(check.params, "min_value"), figure(check.params, "max_value")
    if low is None and high is None:
        raise CheckError("it needs min_value, max_value or both")
    limits = [size < low] if low is not None else []
    limits += [size > high] if high is not None else []
    return sa.or_(*limits)


def _size(check: Check, scope: Scope) -> Column:
    unit, text = check.params.get("unit", UNITS[0]), scope.text(check.column)
    length: Column = sa.func.length(text)
    if unit == "characters":
        return length
    if unit == "tokens":
        return (length + (CHARACTERS_OF_A_TOKEN - 1)) // CHARACTERS_OF_A_TOKEN
    if unit != "words":
        raise CheckError(f"unit is {str(unit)[:50]!r}; {', '.join(UNITS)} can be")
    if scope.connection.dialect.name != "postgresql":
        raise CheckError(f"words are counted in PostgreSQL only, not in {scope.connection.dialect.name}")
    words: Column = sa.func.regexp_count(text, r"\S+")
    return words


def _whole(value: Any) -> int | None:  # noqa: ANN401 - a number of the driver's
    return None if value is None else int(value)

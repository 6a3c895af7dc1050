"""Whether values are keys of another table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.outcome import NO_ROWS, CannotSay, Counted, by_value
from afterpilot.check.custom.parameters import needs
from afterpilot.check.custom.scope import Scope, key_of
from afterpilot.check.window import MOST_KEYS
from afterpilot.check.words import is_missing
from afterpilot.domain.errors import AfterpilotError, CheckError
from afterpilot.domain.ports import Judged, ReferenceTables
from afterpilot.domain.workflow import Check

MOST_VALUES = 1_000_000
LONGEST = 1_000
_AT_ONCE = 1_000
_NAMED = 100  # values for which the rows are looked up


def in_table(check: Check, scope: Scope) -> Judged:
    """Whether each value is a key of a table, in whichever database. Blanks around a value do not matter, its case does; NULLs
    and blanks alone are not judged. Each different value is looked up once, a thousand at a time.

    Raises:
        CheckError: the table cannot be read, or there are more than a million different values.
    """
    place = (str(needs(check, "table")), str(needs(check, "key")))
    text = sa.func.substr(scope.text(check.column), 1, LONGEST)
    rows = scope.count()
    if not rows:
        raise CannotSay(NO_ROWS)
    values = unknown = different = 0
    named: list[str] = []
    for part in _parts(scope, text):
        different += len(part)
        if different > MOST_VALUES:
            raise CheckError(f"there are more than {MOST_VALUES:,} different values")
        wanted = sorted({value.strip() for value, _ in part})
        known = _known(check, scope.references, place, wanted)
        absent = [(value, count) for value, count in part if value.strip() not in known]
        values += sum(count for _, count in part)
        unknown += sum(count for _, count in absent)
        named += [value for value, _ in absent[: _NAMED - len(named)]]
    examples = _rows_of(scope, text, named) if named else []
    return by_value(check, Counted(rows, rows - values, unknown, examples), distinct_count=different)


def _parts(scope: Scope, text: sa.ColumnElement[Any]) -> Iterator[Sequence[tuple[str, int]]]:
    """Each different value with its count, a thousand at a time; what is missing is left out."""
    inner = scope.select(text.label("value")).subquery()
    grouped = sa.select(inner.c.value, sa.func.count()).group_by(inner.c.value).order_by(inner.c.value)
    with scope.connection.execute(grouped, execution_options={"yield_per": _AT_ONCE}) as found:
        there = ((str(value), int(count)) for value, count in found if not is_missing(value))
        while part := list(itertools.islice(there, _AT_ONCE)):
            yield part


def _known(check: Check, references: ReferenceTables | None, place: tuple[str, str], wanted: Sequence[str]) -> set[str]:
    if references is None:
        raise CheckError("other tables cannot be read from here")
    table, key = place
    try:
        rows = references.rows(str(check.params.get("connection", "")), table, key, wanted, [key])
    except AfterpilotError as error:
        raise CheckError(f"{table} cannot be looked up: {error}") from error
    return {str(value) for value in rows}


def _rows_of(scope: Scope, text: sa.ColumnElement[Any], values: Sequence[str]) -> list[tuple[str | None, Any]]:
    key = key_of(scope.rows)
    statement = scope.select(key, text).where(text.in_(values)).order_by(key).limit(MOST_KEYS)
    return [(found, value) for found, value in scope.connection.execute(statement)]

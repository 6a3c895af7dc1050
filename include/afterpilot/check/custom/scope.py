"""What an expectation of ours looks at: the rows of a window, and whatever else it may need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import ReferenceTables
from afterpilot.domain.source import FieldType
from afterpilot.domain.window import Window

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

Column = sa.ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that are judged, over an open connection.

    ``window`` is the span of time that they are of, None where nobody said; ``span`` gives the rows of another span, with the
    same columns, None where only these can be read. ``time`` is the column that places a row in time. ``references`` reads
    tables of other databases. ``decided`` gives what people say that a column should have been, ``spent`` what a record's call
    cost or used (``cost``, ``tokens``), with NULL where it is not known; None where neither is on record here. ``counted`` is
    how many rows there are, None where nobody has counted them yet.
    """

    connection: sa.Connection
    rows: Rows
    window: Window | None = None
    time: str = ""
    span: Callable[[Window], Rows] | None = None
    references: ReferenceTables | None = None
    decided: Callable[[str], Column] | None = None
    spent: Mapping[str, Column] = field(default_factory=dict)
    counted: int | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def end(self) -> datetime:
        """The end of the window; now, where there is none."""
        return self.window.end if self.window else self.now

    def count(self) -> int:
        """How many rows there are."""
        if self.counted is not None:
            return self.counted
        return int(self.connection.scalar(self.select(sa.func.count())) or 0)

    def measured(self, measures: Mapping[str, Column]) -> Mapping[str, Any]:
        """Aggregates over the rows, by name."""
        row = self.connection.execute(self.select(*measures.values())).one()
        return dict(zip(measures, row, strict=True))

    def column(self, name: object) -> Column:
        """The expression of a column.

        Raises:
            CheckError: there is none of that name.
        """
        if not isinstance(name, str) or name not in self.rows.columns:
            known = ", ".join(list(self.rows.columns)[:30])
            raise CheckError(f"{str(name)[:100] or 'its column'} is not among the columns that are kept ({known})")
        return self.rows.columns[name]

    def kind(self, name: str) -> FieldType:
        """What a column holds; text where nothing is known."""
        return self.rows.kinds.get(name) or "text"

    def text(self, name: object) -> Column:
        """A column as text."""
        return sa.cast(self.column(name), sa.Text)

    def select(self, *columns: Column, rows: Rows | None = None) -> sa.Select[Any]:
        """A SELECT over the rows, or over ``rows`` in their place."""
        return selected(rows or self.rows, *columns)


def selected(rows: Rows, *columns: Column) -> sa.Select[Any]:
    """A SELECT of expressions over rows."""
    statement = sa.select(*columns).select_from(rows.select)
    return statement if rows.where is None else statement.where(rows.where)


def key_of(rows: Rows) -> Column:
    """The key as text, NULL where rows have none."""
    return sa.null() if rows.key is None else sa.cast(rows.key, sa.Text)

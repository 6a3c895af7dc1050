"""The records of one workflow and window as typed columns, in SQL of our own.

Records keep their fields as JSON. Here each declared field becomes a column of its declared type; a value that is not of its
type becomes NULL there, and is found by :meth:`WindowRows.invalid`. The record's key and time are columns too, under the
names that the source gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB

from afterpilot.domain.errors import CheckError
from afterpilot.domain.source import FieldType
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

MOST_KEYS = 200

records = sa.table(
    "records",
    sa.column("workflow", sa.Text()),
    sa.column("key", sa.Text()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("data", JSONB()),
)

_SQL_TYPES: dict[FieldType, tuple[str, sa.types.TypeEngine[Any]]] = {
    "number": ("numeric", sa.Numeric()),
    "time": ("timestamptz", sa.DateTime(timezone=True)),
    "boolean": ("boolean", sa.Boolean()),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows the window has; for each column, how many values of its type and how many others."""

    rows: int
    valid: Mapping[str, int]
    invalid: Mapping[str, int]


class WindowRows:
    """The records of a workflow whose time lies in the window."""

    def __init__(self, workflow: Workflow, window: Window) -> None:
        source = workflow.source
        # What was redacted is text, whatever it was before.
        self.types: dict[str, FieldType] = {
            name: "text" if name in source.personal else kind for name, kind in source.fields.items()
        }
        self._slug = workflow.slug
        self._window = window
        self._names = {source.time: records.c.at, source.key: records.c.key}
        self.time = source.time
        self.key_label = "record_key"
        while self.key_label in self.columns:
            self.key_label += "_"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that a check may use."""
        return tuple(dict.fromkeys([*self.types, *self._names]))

    def kind(self, column: str) -> FieldType:
        """The declared type of a column; the source's time column is a time."""
        if column in self.types:
            return self.types[column]
        return "time" if column == self.time else "text"

    def query(self) -> str:
        """The typed rows as one SELECT with its values written out, for Great Expectations.

        Raises:
            CheckError: a name holds a percent sign or a colon before a word. Great Expectations would double the one and
                take the other for a parameter, and silently find no rows.
        """
        dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # leaves % alone
        text = str(self.select().compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        if "%" in text or sa.text(text).compile().params:
            raise CheckError("the name of the workflow or of a column holds a percent sign or a colon")
        return text

    def select(self) -> sa.Select[Any]:
        """The typed rows, with the record's key under ``key_label``."""
        columns = [self.value(name).label(name) for name in self.columns]
        return sa.select(records.c.key.label(self.key_label), *columns).where(*self._inside())

    def value(self, column: str) -> sa.ColumnElement[Any]:
        """A column as its type, NULL where the value is not of that type."""
        if column not in self.types:
            return self._names[column]
        raw, kind = _raw(column), self.types[column]
        if kind == "text":
            return raw
        _, sql_type = _SQL_TYPES[kind]
        return sa.case((self._is_valid(column), sa.cast(raw, sql_type)))

    def counts(self, connection: sa.Connection) -> Counts:
        """Rows, values and wrong values, in one pass."""
        measures = [sa.func.count().label("rows")]
        for index, name in enumerate(self.columns):
            measures.append(sa.func.count(self.value(name)).label(f"valid_{index}"))
            measures.append(sa.func.count().filter(self._wrong(name)).label(f"wrong_{index}"))
        row = connection.execute(sa.select(*measures).where(*self._inside())).one()._mapping  # noqa: SLF001 - public by its documentation
        return Counts(
            rows=row["rows"],
            valid={name: row[f"valid_{index}"] for index, name in enumerate(self.columns)},
            invalid={name: row[f"wrong_{index}"] for index, name in enumerate(self.columns)},
        )

    def invalid_keys(self, connection: sa.Connection, column: str) -> Sequence[str]:
        """Keys of records whose value is not of the declared type, the oldest 200."""
        statement = sa.select(records.c.key).where(*self._inside(), self._wrong(column))
        return connection.scalars(statement.order_by(records.c.at, records.c.key).limit(MOST_KEYS)).all()

    def repeated_keys(self, connection: sa.Connection, columns: Sequence[str]) -> Sequence[str]:
        """Keys of records whose values in these columns, taken together, occur more than once; at most 200."""
        values = [self.value(name) for name in columns]
        counted = sa.select(records.c.key, sa.func.count().over(partition_by=values).label("times"))
        found = counted.where(*self._inside(), *(value.is_not(None) for value in values)).subquery()
        return connection.scalars(
            sa.select(found.c.key).where(found.c.times > 1).order_by(found.c.key).limit(MOST_KEYS)
        ).all()

    def newest(self, connection: sa.Connection, column: str, since: datetime) -> datetime | None:
        """The newest value of a time column before the window's end, in records since then; the source's time column is
        looked up over all records.
        """
        before = (records.c.workflow == self._slug, records.c.at < self._window.end)
        if column == self.time:
            return connection.scalar(sa.select(records.c.at).where(*before).order_by(records.c.at.desc()).limit(1))
        value = self.value(column)
        found: datetime | None = connection.scalar(sa.select(sa.func.max(value)).where(*before, records.c.at >= since))
        return found

    def _inside(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            records.c.workflow == self._slug,
            records.c.at >= self._window.start,
            records.c.at < self._window.end,
        )

    def _is_valid(self, column: str) -> sa.ColumnElement[bool]:
        name, _ = _SQL_TYPES[self.types[column]]
        return sa.func.pg_input_is_valid(_raw(column), name, type_=sa.Boolean())

    def _wrong(self, column: str) -> sa.ColumnElement[bool]:
        if self.types.get(column, "text") == "text":
            return sa.false()
        return sa.and_(_raw(column).is_not(None), sa.not_(self._is_valid(column)))


def _raw(column: str) -> sa.ColumnElement[Any]:
    text: sa.ColumnElement[Any] = records.c.data[column].astext
    return text

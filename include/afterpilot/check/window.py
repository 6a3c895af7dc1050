"""The records of workflows and their windows as typed columns, in SQL of our own.

Records keep their fields as JSON. Here each declared field becomes a column of its declared type; a value that is not of its
type becomes NULL there, and is found as its wrong text. The record's key and time are columns too, under the names that the
source gives them.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.source import FieldType
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow

MOST_KEYS = 200
# A subquery with an offset is not merged into the query around it: PostgreSQL would read each value anew for each check.
_NOTHING: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer())
_CHARACTER = {"postgresql": "chr", "sqlite": "char"}
WORKFLOW = "workflow of the record"
KEY = "key of the record"

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
        self.key_label = source.key
        if source.key in self.types:  # then that name is the declared field's, which may be another than the key
            self.key_label = _free("record_key", self.columns)

    @property
    def span(self) -> tuple[str, datetime, datetime]:
        """The workflow, and the start and end of its window."""
        return self._slug, self._window.start, self._window.end

    @property
    def columns(self) -> tuple[str, ...]:
        """The names that a check may use."""
        return tuple(dict.fromkeys([*self.types, *self._names]))

    def kind(self, column: str) -> FieldType:
        """The declared type of a column; the source's time column is a time."""
        if column in self.types:
            return self.types[column]
        return "time" if column == self.time else "text"

    def select(self) -> sa.Select[Any]:
        """The typed rows in the order of time, with the record's key under ``key_label``."""
        columns = [self.value(name).label(name) for name in self.columns]
        key = [] if self.key_label in self.columns else [records.c.key.label(self.key_label)]
        return sa.select(*key, *columns).where(*self._inside()).order_by(records.c.at, records.c.key)

    def value(self, column: str) -> sa.ColumnElement[Any]:
        """A column as its type, NULL where the value is not of that type."""
        if column not in self.types:
            return self._names[column]
        return _typed(_raw(column), self.types[column])

    @property
    def shape(self) -> tuple[tuple[str, str], ...]:
        """Where each column comes from: workflows of the same shape can be read by one statement."""
        return tuple((name, self.types.get(name) or str(self._names[name].key)) for name in self.columns)

    def rows(self) -> Rows:
        """The rows of this window alone."""
        columns = {name: self.value(name) for name in self.columns}
        return Rows(records, columns, {name: self.kind(name) for name in self.columns}, records.c.key, self.where())

    def where(self) -> sa.ColumnElement[bool]:
        """What keeps the records of the workflow and window apart from all others."""
        return sa.and_(*self._inside())

    def invalid_keys(self, connection: sa.Connection, column: str) -> Sequence[str]:
        """Keys of records whose value is not of the declared type, the oldest 200."""
        statement = sa.select(records.c.key).where(*self._inside(), self.is_wrong(column))
        return connection.scalars(statement.order_by(records.c.at, records.c.key).limit(MOST_KEYS)).all()

    def _inside(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            records.c.workflow == spelled(self._slug, "postgresql"),
            records.c.at >= self._window.start,
            records.c.at < self._window.end,
        )

    def is_wrong(self, column: str) -> sa.ColumnElement[bool]:
        """Whether there is a value that is not of the column's type."""
        if self.types.get(column, "text") == "text":
            return sa.false()
        return sa.and_(_raw(column).is_not(None), sa.not_(_is_valid(_raw(column), self.types[column])))


def wrong_label(column: str, columns: Sequence[str]) -> str:
    """The name under which the text stands that is no value of the column's type."""
    return _free(f"wrong_{columns.index(column)}", columns)


def together(windows: Sequence[WindowRows], *, typing: bool = False) -> Rows:
    """The rows of several workflows of one shape, each in its own window; ``Rows.select`` has the column WORKFLOW besides.

    With ``typing`` there is a column more for each that is not text: its text where that is of another type. Values are read
    out of the JSON once for each row, however many checks look at them.
    """
    first = windows[0]
    read = _read(windows)
    kinds = {name: first.types.get(name, "text") for name in first.columns}
    values = [_typed(read.c[name], kinds[name]).label(name) for name in first.columns]
    texts = {wrong_label(name, first.columns): name for name in first.columns if typing and kinds[name] != "text"}
    raw = [read.c[name].label(label) for label, name in texts.items()]
    inner = sa.select(read.c[WORKFLOW], read.c[KEY], *values, *raw).offset(_NOTHING).subquery("typed")
    columns: dict[str, sa.ColumnElement[Any]] = {name: inner.c[name] for name in first.columns}
    columns |= {label: sa.case((inner.c[name].is_(None), inner.c[label])) for label, name in texts.items()}
    return Rows(
        select=inner,
        columns=columns,
        kinds={name: first.kind(name) for name in first.columns},
        key=inner.c[KEY],
    )


def _read(windows: Sequence[WindowRows]) -> sa.Subquery:
    """The fields of records as text, each read once."""
    first, (slugs, starts, ends) = windows[0], zip(*(one.span for one in windows), strict=True)
    times = ARRAY(sa.DateTime(timezone=True))
    spans = (
        sa.func.unnest(sa.cast(list(slugs), ARRAY(sa.Text())), sa.cast(list(starts), times), sa.cast(list(ends), times))
        .table_valued("workflow", "start", "end", name="windows")
        .render_derived()
    )
    fields = [(_raw(name) if name in first.types else first.value(name)).label(name) for name in first.columns]
    return (
        sa.select(records.c.workflow.label(WORKFLOW), records.c.key.label(KEY), *fields)
        .join_from(records, spans, records.c.workflow == spans.c.workflow)
        .where(records.c.at >= spans.c.start, records.c.at < spans.c.end)
        # The whole span besides: only its partitions are read.
        .where(records.c.at >= min(starts), records.c.at < max(ends))
        .offset(_NOTHING)
        .subquery("read")
    )


def spelled(value: Any, dialect: str) -> Any:  # noqa: ANN401 - of any type that a column can have
    """A value to compare with, spelled without any percent sign or colon: Great Expectations would double the one and take the
    other for a parameter.
    """
    if not isinstance(value, str) or dialect not in _CHARACTER:
        return value
    parts = [part for part in re.split("([%:])", value) if part]
    if len(parts) <= 1 and value not in {"%", ":"}:
        return value
    code = getattr(sa.func, _CHARACTER[dialect])
    pieces = [code(ord(part), type_=sa.Text()) if part in {"%", ":"} else sa.literal(part, sa.Text()) for part in parts]
    return functools.reduce(operator.add, pieces)


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _typed(raw: sa.ColumnElement[Any], kind: FieldType) -> sa.ColumnElement[Any]:
    """A text as its type, NULL where it is not of that type."""
    if kind == "text":
        return raw
    return sa.case((_is_valid(raw, kind), sa.cast(raw, _SQL_TYPES[kind][1])))


def _is_valid(raw: sa.ColumnElement[Any], kind: FieldType) -> sa.ColumnElement[bool]:
    return sa.func.pg_input_is_valid(raw, _SQL_TYPES[kind][0], type_=sa.Boolean())


def _raw(column: str) -> sa.ColumnElement[Any]:
    text: sa.ColumnElement[Any] = records.c.data[column].astext
    return text

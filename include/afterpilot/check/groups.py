"""The values of a column that name groups, where Python and the database differ about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.check.window import spelled

NOT_A_NUMBER = "NaN"
_FROM, _BEFORE = "0001-01-01", "10000-01-01"  # what Python's dates and times can say


def readable(column: sa.Column[Any], connection: sa.Connection) -> sa.ColumnElement[Any]:
    """The column as what a driver can read: as text where PostgreSQL keeps an infinite date or time there, or one that lies
    outside of the years 1 to 9999.
    """
    kind = column.type
    if connection.dialect.name != "postgresql" or not isinstance(kind, sa.DateTime | sa.Date):
        return column
    first, end = (sa.cast(sa.literal(text, sa.Text()), kind) for text in (_FROM, _BEFORE))
    beyond = sa.select(sa.exists().where(sa.or_(column < first, column >= end)))
    return sa.cast(column, sa.Text()) if connection.scalar(beyond) else column


def is_group(column: sa.ColumnElement[Any], value: Any, dialect: str) -> sa.ColumnElement[bool]:  # noqa: ANN401 - of any type that a column can have
    """Whether a row is of the group, in words that Great Expectations takes as well."""
    if value is None:
        return column.is_(None)
    if _is_nan(value):
        return column == sa.cast(sa.literal(NOT_A_NUMBER, sa.Text()), column.type)
    same: sa.ColumnElement[bool] = column == spelled(value, dialect)
    return same


def named(column: sa.Column[Any], value: Any) -> Any:  # noqa: ANN401 - of any type that a column can have
    """The group's value for people: ``NaN`` where it is no number; a time or date that was read as text as what it is, where
    Python can say it.
    """
    if _is_nan(value):
        return NOT_A_NUMBER
    if not isinstance(value, str) or not isinstance(column.type, sa.DateTime | sa.Date):
        return value
    read: Callable[[str], date] = datetime.fromisoformat if isinstance(column.type, sa.DateTime) else date.fromisoformat
    try:
        return read(value)
    except ValueError:
        return value


def _is_nan(value: Any) -> bool:  # noqa: ANN401 - of any type that a column can have
    return isinstance(value, float) and math.isnan(value)

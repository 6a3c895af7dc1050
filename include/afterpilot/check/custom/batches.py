"""A table or query of any database, as our own expectations look at it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.check.custom.judging import judge
from afterpilot.check.custom.parameters import window_of
from afterpilot.check.custom.scope import Column, Scope
from afterpilot.check.references import SqlReferences
from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.connections import Endpoint
from afterpilot.domain.errors import CheckError, ConfigurationError
from afterpilot.domain.ports import Judged
from afterpilot.domain.source import FieldType
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check

_RENAMED = {"json_schema": "schema"}  # what Great Expectations has to call otherwise
_NAMING = ("column", "against", "time")  # parameters that name a column of the batch
_VARIABLE = re.compile(r"^\$\{?(\w+)\}?$")
_POSTGRES = re.compile(r"^postgres(ql)?://")


def judge_batch(check: Check, batch: Any, connection: sa.Connection, *, key: str) -> Judged:  # noqa: ANN401 - selectable
    """One of our expectations judged over a table, a query or a sub-query; ``key`` names the column that names rows, or is
    empty. Where ``time`` and ``window`` are among the parameters, the rows of that span are judged.
    """
    named = replace(check, params={_RENAMED.get(name, name): value for name, value in check.params.items()})
    try:
        scope = _scope(named, batch, connection, key)
    except CheckError as error:
        return Judged(check, None, "", 0, 0, (), {}, str(error)[:300])
    return replace(judge(named, scope), check=check)


def _scope(check: Check, batch: Any, connection: sa.Connection, key: str) -> Scope:  # noqa: ANN401 - as above
    source = batch.subquery("afterpilot_batch") if isinstance(batch, sa.SelectBase) else batch
    names = list(connection.execute(sa.select(sa.text("*")).select_from(source).limit(0)).keys())
    used = [check.params.get(name) for name in _NAMING]
    kinds = {name: _kind(connection, source, name) for name in names if name in used}
    columns: dict[str, Column] = {name: _column(name, kinds.get(name)) for name in names}
    time = str(check.params.get("time") or "")
    if time and time not in columns:
        raise CheckError(f"{time} is not a column of the batch")
    window = window_of(check.params["window"], "window") if check.params.get("window") else None
    if window and not time:
        raise CheckError("a window needs the column of time")
    whole = Rows(source, columns, kinds, columns.get(key))

    def span(other: Window) -> Rows:
        at = columns[time]
        return Rows(source, columns, kinds, columns.get(key), sa.and_(at >= other.start, at < other.end))

    return Scope(
        connection=connection,
        rows=span(window) if window else whole,
        window=window,
        time=time,
        span=span if time else None,
        references=_References(connection),
    )


def _column(name: str, kind: FieldType | None) -> Column:
    types: dict[FieldType | None, sa.types.TypeEngine[Any]] = {
        "number": sa.Numeric(),
        "time": sa.DateTime(timezone=True),
        "boolean": sa.Boolean(),
        "text": sa.Text(),
    }
    return sa.column(name, types.get(kind, sa.types.NULLTYPE))


def _kind(connection: sa.Connection, source: Any, name: str) -> FieldType | None:  # noqa: ANN401 - a FROM clause
    """What a column holds, by its first value; None where it has none, or holds something else (JSON)."""
    column: Column = sa.column(name)
    value = connection.scalar(sa.select(column).select_from(source).where(column.is_not(None)).limit(1))
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float | Decimal):
        return "number"
    return "time" if hasattr(value, "isoformat") else "text" if isinstance(value, str) else None


class _References:
    """Other tables for Great Expectations alone: without a connection's name those of the batch's own database."""

    def __init__(self, opened: sa.Connection) -> None:
        self._opened = opened
        self._named = SqlReferences(_Environment())

    def rows(
        self, connection: str, table: str, key: str, values: Sequence[Any], columns: Sequence[str]
    ) -> Mapping[Any, Mapping[str, Any]]:
        """Rows by their key. Raises SourceError, or ConfigurationError."""
        if connection:
            return self._named.rows(connection, table, key, values, columns)
        return self._named.rows_of(self._opened, table, key, values, columns)


class _Environment:
    """Connections for Great Expectations alone: ``${NAME}`` is a URL in the environment, and any other name that of an Airflow
    connection there, ``AIRFLOW_CONN_<NAME>``.
    """

    def database_url(self, name: str) -> str:
        """A SQLAlchemy URL. Raises ConfigurationError where the variable is not set."""
        found = _VARIABLE.match(name)
        variable = found[1] if found else f"AIRFLOW_CONN_{name.upper()}"
        url = os.environ.get(variable, "").strip()
        if not url:
            raise ConfigurationError(f"there is no connection {name!r}: set {variable}")
        return _POSTGRES.sub("postgresql+psycopg://", url)

    def endpoint(self, name: str) -> Endpoint:
        """No HTTP service is asked here. Raises ConfigurationError."""
        raise ConfigurationError(f"{name} is asked for as a service, but only databases are read here")

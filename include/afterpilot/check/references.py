"""Rows of other databases that outputs are compared with."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from afterpilot.check.words import number
from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.connections import Connections
from afterpilot.domain.errors import SourceError
from afterpilot.domain.secrecy import in_brief

CHUNK = 1000
TIMEOUT_SECONDS = 60


class Repeated(dict[str, Any]):
    """A row whose key other rows have too: which of them is meant nobody can say."""


class SqlReferences:
    """Looks rows up by their key, over named connections. Engines and column types are kept for the process's life."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._engines: dict[str, sa.Engine] = {}
        self._types: dict[tuple[str, str], dict[str, sa.types.TypeEngine[Any]]] = {}

    def rows(
        self, connection: str, table: str, key: str, values: Sequence[Any], columns: Sequence[str]
    ) -> Mapping[Any, Mapping[str, Any]]:
        """Rows of ``table`` (or ``schema.table``) by the given values of their key column; values without a row are left out.

        A value that cannot be one of the key's type has no row. Where several rows have the same key, one of them is
        given as :class:`Repeated`.

        Raises:
            SourceError: the database cannot be read, or the table or a column is not there.
            ConfigurationError: there is no such connection.
        """
        engine = self._engine(connection)
        try:
            with engine.connect() as opened:
                if engine.dialect.name == "postgresql":
                    opened.execute(sa.text("SET TRANSACTION READ ONLY"))
                    opened.execute(sa.text(f"SET LOCAL statement_timeout = {TIMEOUT_SECONDS * 1000}"))
                return self._rows(opened, connection, table, key, values=values, columns=columns)
        except SQLAlchemyError as error:
            raise SourceError(f"{connection}: {_reason(error, engine.url)}") from error

    def rows_of(
        self, opened: sa.Connection, table: str, key: str, values: Sequence[Any], columns: Sequence[str]
    ) -> Mapping[Any, Mapping[str, Any]]:
        """The same over a connection that is open already, within a savepoint.

        Raises:
            SourceError: the database cannot be read, or the table or a column is not there.
        """
        try:
            with opened.begin_nested():
                return self._rows(opened, "", table, key, values=values, columns=columns)
        except SQLAlchemyError as error:
            raise SourceError(f"the database: {_reason(error, opened.engine.url)}") from error

    def _rows(
        self,
        opened: sa.Connection,
        connection: str,
        table: str,
        key: str,
        *,
        values: Sequence[Any],
        columns: Sequence[str],
    ) -> Mapping[Any, Mapping[str, Any]]:
        types = self._columns(opened, connection, table, [key, *columns])
        return dict(_found(opened, table, key=key, values=values, columns=columns, types=types))

    def _engine(self, connection: str) -> sa.Engine:
        if connection not in self._engines:
            try:
                url = sa.make_url(self._connections.database_url(connection))
                limit = connect_limit(url.get_driver_name(), url.query)
                self._engines[connection] = sa.create_engine(
                    url, pool_size=1, max_overflow=2, pool_pre_ping=True, hide_parameters=True, connect_args=limit
                )
            except (ArgumentError, ValueError, ImportError) as error:
                # The text of these errors may quote parts of the URL, and the chain would show it.
                raise SourceError(f"{connection}: its URL cannot be used ({type(error).__name__})") from None
        return self._engines[connection]

    def _columns(
        self, opened: sa.Connection, connection: str, table: str, wanted: Sequence[str]
    ) -> dict[str, sa.types.TypeEngine[Any]]:
        known = self._types.get((connection, table))
        if known is None or not set(wanted) <= known.keys():
            schema, _, name = table.rpartition(".")
            try:
                described = sa.inspect(opened).get_columns(name, schema=schema or None)
            except NoSuchTableError:
                raise SourceError(f"{connection or 'the database'}: there is no table {table}") from None
            known = self._types[connection, table] = {
                column["name"]: _as_precise(column["type"], opened.dialect.name) for column in described
            }
        absent = [column for column in wanted if column not in known]
        if absent:
            raise SourceError(
                f"{connection or 'the database'}: {table} has no column {absent[0]} (columns: {', '.join(sorted(known))})"
            )
        return known


def _found(
    opened: sa.Connection,
    table: str,
    *,
    key: str,
    values: Sequence[Any],
    columns: Sequence[str],
    types: Mapping[str, sa.types.TypeEngine[Any]],
) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    schema, _, name = table.rpartition(".")
    names = list(dict.fromkeys([key, *columns]))
    place = sa.table(name, *(sa.column(column, types[column]) for column in names), schema=schema or None)
    given: dict[Any, Any] = {}
    for value in values:
        typed = _typed(value, types[key])
        if typed is not None:
            given.setdefault(typed, []).append(value)
    wanted, single = list(given), isinstance(types[key], sa.REAL)
    found: dict[Any, Mapping[str, Any]] = {}
    for start in range(0, len(wanted), CHUNK):
        statement = sa.select(*(place.c[column] for column in names)).where(
            place.c[key].in_(wanted[start : start + CHUNK])
        )
        for row in opened.execute(statement).mappings():
            said = _typed(row[key], types[key]) if single else _unpadded(row[key], types[key])
            kind = Repeated if said in found else dict
            found[said] = kind({column: _unpadded(row[column], types[column]) for column in columns})
    for typed, values_of in found.items():
        for value in given.get(typed, ()):
            yield value, values_of


def _typed(value: object, kind: sa.types.TypeEngine[Any]) -> Any:  # noqa: ANN401 - any key
    """The value as one of the key column's type, None where it cannot be one."""
    try:
        if isinstance(kind, sa.Integer | sa.Numeric | sa.Float):
            return _number(value, kind)
        if isinstance(kind, sa.Uuid):
            return uuid.UUID(str(value))
    except (ValueError, OverflowError):
        return None
    if isinstance(kind, sa.String):
        return None if "\x00" in str(value) else _unpadded(str(value), kind)
    return value


def _number(value: object, kind: sa.types.TypeEngine[Any]) -> int | float | Decimal | None:
    """The value as a number of the type. Raises ValueError or OverflowError where it cannot be one."""
    found = number(value)
    if found is None:
        return None
    if isinstance(kind, sa.Integer):
        return int(found) if found == int(found) and abs(found) < _largest(kind) else None
    if isinstance(kind, sa.REAL):
        return _single(float(found))
    return float(found) if isinstance(kind, sa.Float) else found


def _as_precise(kind: sa.types.TypeEngine[Any], dialect: str) -> sa.types.TypeEngine[Any]:
    """The type, with REAL for numbers of single precision alone: elsewhere than in PostgreSQL it is a word for double ones."""
    return sa.Double() if isinstance(kind, sa.REAL) and dialect != "postgresql" else kind


def _single(value: float) -> float:
    """The number as a column of single precision keeps it (IEEE 754 binary32). Raises OverflowError where it is too large."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _unpadded(value: Any, kind: sa.types.TypeEngine[Any]) -> Any:  # noqa: ANN401 - any value
    """Without the blanks that a column of type ``CHAR(n)`` puts behind each text."""
    return value.rstrip(" ") if isinstance(kind, sa.CHAR) and isinstance(value, str) else value


def _largest(kind: sa.Integer) -> int:
    """The first number that is too large for the type; the database would refuse the whole query for it."""
    return 2**15 if isinstance(kind, sa.SmallInteger) else 2**63 if isinstance(kind, sa.BigInteger) else 2**31


def _reason(error: SQLAlchemyError, url: sa.URL) -> str:
    """What the database said, on one line, without statement, parameters and password."""
    text = str(getattr(error, "orig", None) or error)
    return in_brief(text, str(url.password or ""), most=500) or type(error).__name__

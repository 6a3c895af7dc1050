"""A decision of the review queue as one row at the source, however often it is given.

Nothing is ever changed there: a row is added, where no row of this decision stands. Attempts at once wait for each other, and
an attempt whose answer was lost is found by the next one.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from afterpilot.domain.connect_limit import connect_limit
from afterpilot.domain.errors import SourceError
from afterpilot.domain.record import HumanDecision
from afterpilot.domain.review import WriteBack
from afterpilot.domain.secrecy import hidden

PATIENCE_SECONDS = 30
_WITHIN = timedelta(seconds=1)  # a column may hold no parts of a second
_YES, _NO = frozenset({"true", "yes", "1", "t"}), frozenset({"false", "no", "0", "f"})


class SourceWriteBack:
    """Writes decisions into the table that the declaration names. ``url`` is SQLAlchemy's."""

    def __init__(self, url: str, declared: WriteBack) -> None:
        self._url = url
        self._declared = declared

    def write(self, decision: HumanDecision, data: Mapping[str, Any]) -> bool:
        """Add the row; False where it stands there already. ``data`` is the record's, for ``final.FIELD``.

        Raises:
            SourceError: the table cannot be written to, or a value does not fit its column. Nothing was written, unless only
                the answer was lost; the next attempt finds out.
        """
        engine = _engine(self._url)
        try:
            with _errors(engine.url), engine.begin() as connection:
                return self._write(connection, decision, data)
        finally:
            engine.dispose()

    def _write(self, connection: sa.Connection, decision: HumanDecision, data: Mapping[str, Any]) -> bool:
        table = self._table(connection)
        row = {
            column: _fitting(_value(what, decision, data, self._declared.words), table.c[column])
            for column, what in self._declared.columns.items()
        }
        _alone(connection, f"{self._declared.table}\x1f{decision.key}")
        same = [self._of_this(table, column, what, row[column]) for column, what in self._declared.columns.items()]
        there = sa.select(sa.literal(1)).select_from(table).where(*(one for one in same if one is not None))
        if connection.execute(there.limit(1)).first() is not None:
            return False
        connection.execute(sa.insert(table).values(row))
        return True

    def _of_this(self, table: sa.Table, column: str, what: str, value: Any) -> sa.ColumnElement[bool] | None:  # noqa: ANN401
        """What a row of this decision has in a column; None where that column does not tell decisions apart."""
        place = table.c[column]
        if what == "decided_at" and isinstance(value, datetime):
            return sa.and_(place >= value - _WITHIN, place <= value + _WITHIN)
        return sa.and_(place == value) if what in {"key", "decision"} else None

    def _table(self, connection: sa.Connection) -> sa.Table:
        schema, _, name = self._declared.table.rpartition(".")
        try:
            table = sa.Table(name, sa.MetaData(), schema=schema or None, autoload_with=connection, resolve_fks=False)
        except NoSuchTableError:
            raise SourceError(f"there is no table {self._declared.table} to write decisions to") from None
        for column in self._declared.columns:
            if column not in table.c:
                raise SourceError(f"table {self._declared.table} has no column {column} to write decisions to")
        return table


def _value(what: str, decision: HumanDecision, data: Mapping[str, Any], words: Mapping[str, str]) -> Any:  # noqa: ANN401
    part, _, name = what.partition(".")
    if part == "corrected":
        return decision.corrected.get(name)
    if part == "final":
        return decision.corrected.get(name, data.get(name))
    values: Mapping[str, Callable[[], Any]] = {
        "key": lambda: decision.key,
        "decision": lambda: words.get(decision.decision, decision.decision),
        "reason": lambda: decision.note,
        "reviewer": lambda: decision.decided_by,
        "decided_at": lambda: decision.decided_at,
        "minutes": lambda: decision.minutes,
    }
    return values[what]()


def _fitting(value: Any, column: sa.Column[Any]) -> Any:  # noqa: ANN401 - any JSON value, any type of a column
    """The value as the column's type takes it.

    Raises:
        SourceError: it does not fit.
    """
    if value is None:
        return None
    try:
        return _as(value, column.type)
    except (ValueError, InvalidOperation) as error:
        raise SourceError(f"{str(value)[:60]!r} does not fit the column {column.name} ({column.type})") from error


def _as(value: Any, kind: sa.types.TypeEngine[Any]) -> Any:  # noqa: ANN401 - see _fitting
    for wanted, read in _READ:
        if isinstance(kind, wanted):
            return read(value, kind)
    return value if isinstance(value, str) else str(value)


def _boolean(value: object, _kind: sa.types.TypeEngine[Any]) -> bool:
    word = str(value).strip().casefold()
    if word not in _YES | _NO:
        raise ValueError(word)
    return word in _YES


def _number(value: object, kind: sa.types.TypeEngine[Any]) -> Decimal:
    number, scale = Decimal(str(value)), getattr(kind, "scale", None)
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number if scale is None else round(number, scale)


def _time(value: object, kind: sa.types.TypeEngine[Any]) -> datetime:
    at = _moment(value)
    return at if getattr(kind, "timezone", False) else at.replace(tzinfo=None)


def _moment(value: object) -> datetime:
    """An aware time in UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


_READ: tuple[tuple[type[sa.types.TypeEngine[Any]], Callable[[Any, sa.types.TypeEngine[Any]], Any]], ...] = (
    (sa.Boolean, _boolean),
    (sa.Integer, lambda value, _kind: int(str(value))),
    (sa.Float, lambda value, _kind: float(str(value))),
    (sa.Numeric, _number),
    (sa.DateTime, _time),
    (sa.Date, lambda value, _kind: _moment(value).date()),
    (sa.JSON, lambda value, _kind: value),
    (sa.Uuid, lambda value, _kind: uuid.UUID(str(value))),
)


def _alone(connection: sa.Connection, name: str) -> None:
    """Let no other attempt on this key look or write until this one is over, also one whose lock on our side was lost."""
    if connection.dialect.name == "postgresql":
        statement = sa.text("SELECT pg_advisory_xact_lock(hashtext('afterpilot.write_back'), hashtext(:name))")
        connection.execute(statement, {"name": name})


def _engine(url: str) -> sa.Engine:
    try:
        parts = sa.make_url(url)
        given = connect_limit(parts.get_driver_name(), parts.query)
        if parts.get_backend_name() == "postgresql":
            given["options"] = f"-c statement_timeout={PATIENCE_SECONDS * 1000} -c timezone=UTC"
            return sa.create_engine(parts, poolclass=sa.NullPool, hide_parameters=True, connect_args=given)
        return sa.create_engine(
            parts, poolclass=sa.NullPool, hide_parameters=True, isolation_level="SERIALIZABLE", connect_args=given
        )
    except NoSuchModuleError as error:
        raise SourceError(f"no driver is installed for this kind of database: {error}") from None
    except (ArgumentError, ValueError, ImportError) as error:
        # The text of these errors may quote parts of the URL, and the chain would show it.
        raise SourceError(f"the connection's URL cannot be used ({type(error).__name__})") from None


@contextlib.contextmanager
def _errors(url: sa.URL) -> Iterator[None]:
    """What the database refuses becomes a :class:`SourceError` on one line, without statement, values and password."""
    try:
        yield
    except SQLAlchemyError as error:
        text = hidden(str(getattr(error, "orig", None) or type(error).__name__), str(url.password or ""))
        said = " ".join(text.split()).partition(" DETAIL:")[0][:500]  # the detail quotes the row
        raise SourceError(f"{url.get_backend_name()} database {url.database or ''}: {said}") from None

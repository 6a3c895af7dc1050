"""What a table looks like beside its rows: its columns and types, its rows by day, its newest time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from afterpilot.domain.looking import AHEAD, Columns, Counted
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.database import (
    TIMEOUT_SECONDS,
    columns_of,
    demand,
    engine_of,
    existing_columns,
    instead,
    reading,
    table_of,
)
from afterpilot.pull.values import moment

Types = dict[str, sa.types.TypeEngine[Any]]
_MOST_AHEAD = 10_000  # rows ahead of the clock are counted up to here
_ASKED = 1000  # keys in one question
_BATCH = 10_000


class Place(NamedTuple):
    """A table with what tells its rows apart: their key, their time, and whose they are where others lie in it too."""

    table: sa.TableClause
    key: sa.ColumnElement[Any]
    at: sa.ColumnElement[Any]
    own: Sequence[sa.ColumnElement[bool]] = ()

    def inside(self, window: Window) -> Sequence[sa.ColumnElement[bool]]:
        """That a row is the workflow's own and lies in the window."""
        return (self.at >= bound(window.start, self.at.type), self.at < bound(window.end, self.at.type), *self.own)


class SqlShape:
    """A table of production records as it can be looked at; see :class:`~afterpilot.domain.looking.Looked`."""

    def __init__(
        self, engine_or_url: sa.Engine | str, workflow: Workflow, *, timeout_seconds: int = TIMEOUT_SECONDS
    ) -> None:
        """Nothing is read yet."""
        self._given = engine_or_url
        self._workflow = workflow
        self._source = workflow.source
        self._timeout = timeout_seconds

    def columns(self) -> Columns:
        """The declared columns of the records, those of decisions as ``table.column``. Raises SourceError where the table is
        not there, or the column of its key or time.
        """
        source, decided = self._source, self._source.decisions
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            types, missing = found(connection, source.table, declared(self._workflow), needed=(source.key, source.time))
            seen = {name: family(kind) for name, kind in types.items()}
            if decided is not None and not decided.connection:
                optional = [decided.minutes, decided.note, *decided.corrected_fields.values()]
                needed = (decided.key, decided.time, decided.decision)
                types, gone = found(connection, decided.table, [*needed, *filter(None, optional)], needed=needed)
                seen |= {f"{decided.table}.{name}": family(kind) for name, kind in types.items()}
                missing |= {f"{decided.table}.{name}": instead for name, instead in gone.items()}
        return Columns(seen, missing)

    def counted(self, window: Window, *, now: datetime) -> Counted:
        """The rows of the window by day, and how the newest times stand to the clock."""
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            place = self._place(connection)
            at, own = place.at, place.own
            day = sa.func.date(at) if connection.dialect.name == "sqlite" else sa.cast(at, sa.Date)
            counts = sa.select(day, sa.func.count()).select_from(place.table).where(*place.inside(window)).group_by(day)
            days = {_day(row[0]): int(row[1]) for row in connection.execute(counts)}
            limit = bound(now + AHEAD, at.type)
            newest = connection.scalar(sa.select(sa.cast(sa.func.max(at), sa.Text)).where(at <= limit, *own))
            ahead = sa.select(at).where(at > limit, *own).limit(_MOST_AHEAD).subquery()
            count, furthest = connection.execute(
                sa.select(sa.func.count(), sa.cast(sa.func.max(ahead.c[0]), sa.Text))
            ).one()
        return Counted(days, moment(newest), int(count), moment(furthest))

    def keys(self, window: Window) -> Iterator[str]:
        """The keys of the window's rows, streamed."""
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            place = self._place(connection)
            statement = sa.select(place.key).where(*place.inside(window))
            streaming = connection.execution_options(stream_results=True, yield_per=_BATCH)
            yield from (str(key) for key in streaming.scalars(statement) if key is not None)  # as records have it

    def elsewhere(self, keys: Sequence[str]) -> frozenset[str]:
        """Which of these keys the table has, at whatever time."""
        there: set[str] = set()
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            column = self._place(connection).key
            # A CHAR is padded with blanks where it is read, and cast without them.
            asked = {key.rstrip(" ") if isinstance(column.type, sa.CHAR) else key: key for key in keys}
            text, plain = sa.cast(column, sa.Text), list(asked)
            # PostgreSQL takes any number of keys as one array and reads the table once for all; others have a limit.
            at_once = len(plain) if connection.dialect.name == "postgresql" else _ASKED
            for start in range(0, len(plain), at_once or 1):
                some = plain[start : start + at_once]
                among = text == sa.any_(sa.cast(some, ARRAY(sa.Text))) if at_once > _ASKED else text.in_(some)
                there |= {asked[key] for key in connection.scalars(sa.select(text).where(among))}
        return frozenset(there)

    def _place(self, connection: sa.Connection) -> Place:
        source = self._source
        table = table_of(source.table, columns_of(connection, source.table, [source.key, source.time]))
        return Place(table, table.c[source.key], table.c[source.time])


def declared(workflow: Workflow) -> list[str]:
    """The columns of the records' table that the declaration names, its key and time first."""
    source = workflow.source
    return list(dict.fromkeys([source.key, source.time, *source.fields, *source.usage.places]))


def found(
    connection: sa.Connection, table: str, wanted: Sequence[str], *, needed: Collection[str]
) -> tuple[Types, dict[str, str]]:
    """The types of the wanted columns that are there, and of each that is not what there is instead, in words.

    Raises:
        SourceError: the table is not there, or a column that is needed.
    """
    types = existing_columns(connection, table)
    demand(table, types, needed)
    missing = {
        name: instead(name, list(types), "columns").removeprefix("; ").strip() for name in wanted if name not in types
    }
    return {name: types[name] for name in wanted if name in types}, missing


def selected(place: sa.TableClause, types: Mapping[str, Any], name: str) -> sa.ColumnElement[Any]:
    """The column, or NULL under its name where the source has lost it."""
    return place.c[name] if name in types else sa.null().label(name)


def family(kind: sa.types.TypeEngine[Any]) -> str:
    """The type in words that stay the same where nothing that is read changes: another length or precision is no change."""
    if isinstance(kind, sa.DateTime):
        return "time with time zone" if kind.timezone else "time without time zone"
    for base, name in (
        (sa.Boolean, "boolean"),
        (sa.Numeric | sa.Float | sa.Integer, "number"),
        (sa.Date, "date"),
        (sa.JSON, "json"),
        (sa.String | sa.Uuid, "text"),
    ):
        if isinstance(kind, base):
            return name
    return str(kind).lower()


def bound(at: datetime, kind: sa.types.TypeEngine[Any]) -> Any:  # noqa: ANN401 - what the column can be compared with
    """The moment as the column's type can be compared with."""
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return at.astimezone(UTC)
    return sa.literal(at.astimezone(UTC).replace(tzinfo=None), sa.DateTime())


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])

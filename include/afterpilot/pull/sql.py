"""Production records in a SQL database.

Only the declared columns are read, through a cursor on the server, in batches: memory does not grow with the rows.
A row whose time is NULL lies in no window: as a rule it is not finished yet. Such rows are counted (in ``noted``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.errors import SourceError
from afterpilot.domain.record import HumanDecision, Record, Usage
from afterpilot.domain.record_lines import RecordLines
from afterpilot.domain.source import UsageColumns
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.copy import Copied
from afterpilot.pull.copy_statement import SETTINGS, statement_of
from afterpilot.pull.database import TIMEOUT_SECONDS, engine_of, reading, table_of
from afterpilot.pull.decisions import DecisionsOf
from afterpilot.pull.details import details_of
from afterpilot.pull.shape import SqlShape, Types, declared, found, selected
from afterpilot.pull.values import NotFinite, decimal, kept, model_name, moment, tokens, unfit

BATCH = 1000
MOST_COUNTED = 10_000


class SqlSource(SqlShape):
    """Reads the records of one workflow. ``skipped`` and ``noted`` fill up while its iterators are read.

    ``skipped`` counts rows that could not be taken, by reason. ``noted`` counts what was met and is no error: values taken
    as missing, rows without a time (up to 10,000).
    """

    def __init__(
        self, engine_or_url: sa.Engine | str, workflow: Workflow, *, timeout_seconds: int = TIMEOUT_SECONDS
    ) -> None:
        """Nothing is read yet; a URL is only used when something is."""
        super().__init__(engine_or_url, workflow, timeout_seconds=timeout_seconds)
        self.skipped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()

    def records(self, window: Window) -> Iterator[Record]:
        """Stream the rows whose time lies in the window, oldest first.

        Raises:
            SourceError: the database cannot be read, or a declared table or column is not there.
        """
        source = self._source
        for row in self._rows(source.table, declared(self._workflow), (source.time, source.key), window):
            record = self._record(row)
            if record is not None:
                yield record

    def lines(self, window: Window, *, rows: int) -> Generator[RecordLines] | None:
        """The records of the window as they may be kept, many at once; None where they must be read one by one.

        Raises:
            SourceError: as for :meth:`records`.
        """
        source = self._source
        engine = engine_of(self._given)
        if source.reader or source.paths or source.where or engine.dialect.driver != "psycopg":
            return None
        with reading(engine, timeout_seconds=self._timeout) as connection:
            types, _ = found(connection, source.table, declared(self._workflow), needed=(source.time, source.key))
            ends = _ends(window, types[source.time], f"{source.table}.{source.time}")
            bytewise = connection.scalar(sa.text("SHOW server_encoding")) == "SQL_ASCII"
        statement = None if bytewise else statement_of(source, types, ends)
        return self._copied(statement, types, rows) if statement else None

    def _copied(self, statement: str, types: Types, rows: int) -> Generator[RecordLines]:
        copied = Copied(self._workflow, types, self.skipped, self.noted)
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            place = table_of(self._source.table, types)
            self._note_waiting(connection, self._source.table, place.c[self._source.time])
            for setting in SETTINGS:
                connection.exec_driver_sql(setting)
            yield from copied.lines(connection, statement, rows=rows, timeout=self._timeout)

    def decisions(self, window: Window) -> Iterator[HumanDecision]:
        """Stream what people decided in the window, oldest first; nothing where no decisions are declared.

        Raises:
            SourceError: the database cannot be read, or a declared table or column is not there.
        """
        said = self._source.decisions
        if said is None:
            return
        columns = [said.key, said.time, said.decision, said.minutes, said.note, *said.corrected_fields.values()]
        wanted = list(dict.fromkeys(column for column in columns if column))
        made = DecisionsOf(self._workflow, said, self.skipped, self.noted)
        for row in self._rows(said.table, wanted, (said.time, said.key, said.decision), window):
            decision = made.decision(row)
            if decision is not None:
                yield decision

    def kpi(self, since: datetime) -> Sequence[tuple[datetime, Decimal]]:
        """The KPI's weekly values since then, oldest first, from the team's own SQL; it may use ``:since``.

        A week without a value is left out: it is unknown, not 0.

        Raises:
            SourceError: the SQL fails, or does not return a date and a number.
        """
        statement = sa.text(self._workflow.kpi.sql)
        given = {"since": since} if "since" in statement.compile().params else {}
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            result = connection.execute(statement, given)
            if not result.returns_rows or len(result.keys()) != 2:  # noqa: PLR2004 - week and value
                raise SourceError("the KPI's SQL must return two columns: the start of the week and the value")
            rows = result.all()
        values = [_weekly(*row) for row in rows if row[1] is not None]
        return sorted(pair for pair in values if pair[0] >= since)

    def _rows(
        self, table: str, wanted: Sequence[str], needed: Sequence[str], window: Window
    ) -> Iterator[Mapping[str, Any]]:
        """Rows of the window; ``needed`` names the columns that must be there, time and key first. What else is lost is NULL."""
        time_column, key, *_ = needed
        with reading(engine_of(self._given), timeout_seconds=self._timeout) as connection:
            types, _ = found(connection, table, wanted, needed=needed)
            place = table_of(table, types)
            at = place.c[time_column]
            start, end = _bounds(window, types[time_column], f"{table}.{time_column}")
            infinite = connection.dialect.name == "postgresql"
            columns = [
                _as_text(column) if infinite and column.name != time_column else column
                for column in (selected(place, types, name) for name in wanted)
            ]
            statement = sa.select(*columns).where(at >= start, at < end).order_by(at, place.c[key])
            self._note_waiting(connection, table, at)
            streaming = connection.execution_options(stream_results=True, yield_per=BATCH)
            for row in streaming.execute(statement).mappings():
                yield dict(row)

    def _note_waiting(self, connection: sa.Connection, table: str, at: sa.ColumnElement[Any]) -> None:
        waiting = connection.scalar(
            sa.select(sa.func.count()).select_from(sa.select(at).where(at.is_(None)).limit(MOST_COUNTED).subquery())
        )
        if waiting:
            self.noted[f"rows of {table} without {at.key} lie in no window"] = waiting

    def _record(self, row: Mapping[str, Any]) -> Record | None:
        source = self._source
        key, at = row[source.key], moment(row[source.time])
        if reason := unfit(key, source.key):
            self.skipped[reason] += 1
            return None
        if at is None:
            self.skipped[f"row whose {source.time} is no time"] += 1
            return None
        data = {}
        for name, kind in source.fields.items():
            try:
                data[name] = kept(row[name], kind)
            except NotFinite:
                data[name] = None
                self.noted[f"{name} is not a finite number: kept as missing"] += 1
        return Record(self._workflow.slug, str(key), at, data, _usage(row, source.usage))


def _usage(row: Mapping[str, Any], columns: UsageColumns) -> Usage | None:
    """What the call used; None where the declaration names no column for it, None in a count that was not reported.

    Cached tokens that were not reported count as 0: the call is then priced without the discount, never too low.
    """
    if not columns.places:
        return None
    return Usage(
        model=model_name(row[columns.model]) if columns.model else "",
        input_tokens=tokens(row[columns.input_tokens]) if columns.input_tokens else None,
        output_tokens=tokens(row[columns.output_tokens]) if columns.output_tokens else None,
        cached_tokens=(tokens(row[columns.cached_tokens]) if columns.cached_tokens else None) or 0,
        details=details_of({name: row[column] for name, column in columns.details.items()}),
    )


def _bounds(window: Window, kind: sa.types.TypeEngine[object], name: str) -> tuple[Any, Any]:
    """The window's ends as the column's type can be compared with."""
    start, end = _ends(window, kind, name)
    if start.tzinfo:
        return start, end
    return sa.literal(start, sa.DateTime()), sa.literal(end, sa.DateTime())


def _ends(window: Window, kind: sa.types.TypeEngine[object], name: str) -> tuple[datetime, datetime]:
    """The window's ends, without a zone where the column's times have none."""
    if not isinstance(kind, sa.DateTime | sa.Date):
        raise SourceError(f"{name} holds no times (its type is {kind}); a column of times is needed")
    start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
    if not isinstance(kind, sa.DateTime):
        # A day stands at its first moment: what was written later on that day is seen only by reading the day again.
        start = start.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    if isinstance(kind, sa.DateTime) and kind.timezone:
        return start, end
    return start.replace(tzinfo=None), end.replace(tzinfo=None)


def _as_text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Times as text: the driver refuses times such as ``infinity``, and one of them would end the whole pull."""
    timed = isinstance(column.type, sa.DateTime | sa.Date)
    return sa.cast(column, sa.Text).label(column.name) if timed else column


def _weekly(week: object, value: object) -> tuple[datetime, Decimal]:
    start = moment(week) if isinstance(week, date | str) else None
    number = decimal(value)
    if start is None or number is None:
        raise SourceError(
            f"the KPI's SQL returned ({str(week)[:40]}, {str(value)[:40]}); a date and a number are needed"
        )
    return datetime.combine(start.date(), time(), UTC), number

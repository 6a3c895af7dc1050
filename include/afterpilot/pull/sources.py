"""Chooses what reads a workflow's production records, decisions and KPI, by its declaration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

from afterpilot.domain.connections import Endpoint, SourceConnections
from afterpilot.domain.looking import Columns, Counted
from afterpilot.domain.ports import RecordSource
from afterpilot.domain.record import HumanDecision, Record
from afterpilot.domain.source import (
    FilesReader,
    HttpReader,
    LangfuseReader,
    LiteLlmApi,
    LiteLlmTable,
    OtelReader,
    Reader,
)
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.rows import Own, Records, Row, Tally
from afterpilot.pull.sql import SqlSource


class RowReader(Protocol):
    """Reads rows of one kind of place."""

    def rows(self, window: Window) -> Iterator[Row]:
        """The rows of the window, maybe with others around it. Raises SourceError."""
        ...


Opened = Callable[[Tally], tuple[RowReader, Callable[[], None]]]  # the reader, and what closes it


def source_of(workflow: Workflow, connections: SourceConnections) -> RecordSource:
    """What reads this workflow's production data. Connections are looked up when something is read there, but for the
    records' own.

    Raises:
        ConfigurationError: there is no such connection.
    """
    source = workflow.source
    if source.reader is not None:
        opened = _opener(source.reader, workflow, connections)
        if isinstance(source.reader, LiteLlmTable) and source.paths.get(source.key, source.key) == "request_id":
            return _LookedRows(workflow, connections, opened, connections.database_url(source.connection))
        return RowSource(workflow, connections, opened)
    url = connections.database_url(source.connection)
    decided = source.decisions.connection if source.decisions else ""
    if decided or workflow.kpi.connection:
        return _ApartSource(url, workflow, connections)
    return SqlSource(url, workflow)


class RowSource:
    """Records made of the rows of a reader; decisions and KPI from the databases that they name."""

    def __init__(self, workflow: Workflow, connections: SourceConnections, opened: Opened) -> None:
        self._workflow, self._connections, self._opened = workflow, connections, opened
        self._tally = Tally()
        self.skipped, self.noted = self._tally.skipped, self._tally.noted
        self._given: dict[Window, Counter[date]] = {}

    def records(self, window: Window) -> Iterator[Record]:
        """The records whose time lies in the window. Raises SourceError."""
        days: Counter[date] = Counter()
        for record in self._records(window, self._tally):
            days[record.at.astimezone(UTC).date()] += 1
            yield record
        self._given[window] = days

    def given(self, window: Window) -> Mapping[date, int] | None:
        """The records by UTC day that the window held when it was read to its end; None where it was not."""
        return self._given.get(window)

    def keys(self, window: Window) -> Iterator[str]:
        """The keys of the window's records, read anew; what cannot be taken was counted before. Raises SourceError."""
        return (record.key for record in self._records(window, Tally()))

    def _records(self, window: Window, tally: Tally) -> Iterator[Record]:
        reader, close = self._opened(tally)
        made = Records(self._workflow, tally, texts=getattr(reader, "texts", False))
        own = Own(self._workflow.source.where)
        try:
            for row in reader.rows(window):
                record = made.record(row, window) if own.holds(row) else None
                if record is not None:
                    yield record
            if isinstance(self._workflow.source.reader, HttpReader | FilesReader):  # a gateway's names are not its own
                made.ended()
        finally:
            close()

    def decisions(self, window: Window) -> Iterator[HumanDecision]:
        """What people decided. Raises SourceError, or ConfigurationError where the database is not known."""
        decided = self._workflow.source.decisions
        if decided is None:
            return iter(())
        source = _database(self._workflow, self._connections, decided.connection)
        source.skipped, source.noted = self.skipped, self.noted
        return source.decisions(window)

    def kpi(self, since: datetime) -> Sequence[tuple[datetime, Decimal]]:
        """The KPI's weekly values. Raises SourceError, or ConfigurationError where the database is not known."""
        return _database(self._workflow, self._connections, self._workflow.kpi.connection).kpi(since)


class _LookedRows(RowSource):
    """Records made of the rows of LiteLLM's table, which can be looked at beside them."""

    def __init__(self, workflow: Workflow, connections: SourceConnections, opened: Opened, url: str) -> None:
        from afterpilot.pull.litellm_shape import SpendLogShape

        super().__init__(workflow, connections, opened)
        self._shape = SpendLogShape(url, workflow)

    def columns(self) -> Columns:
        """Which of the declared fields the table has. Raises SourceError."""
        return self._shape.columns()

    def counted(self, window: Window, *, now: datetime) -> Counted:
        """The workflow's calls by day. Raises SourceError."""
        return self._shape.counted(window, now=now)

    def keys(self, window: Window) -> Iterator[str]:
        """The keys of the workflow's calls. Raises SourceError."""
        return self._shape.keys(window)

    def elsewhere(self, keys: Sequence[str]) -> frozenset[str]:
        """Which of these the table has. Raises SourceError."""
        return self._shape.elsewhere(keys)


class _ApartSource(SqlSource):
    """Records in one database, decisions or KPI in another."""

    def __init__(self, url: str, workflow: Workflow, connections: SourceConnections) -> None:
        super().__init__(url, workflow)
        self._connections = connections

    def decisions(self, window: Window) -> Iterator[HumanDecision]:
        """What people decided. Raises SourceError, or ConfigurationError where the database is not known."""
        decided = self._workflow.source.decisions
        if decided is None or not decided.connection:
            return super().decisions(window)
        source = _database(self._workflow, self._connections, decided.connection)
        source.skipped, source.noted = self.skipped, self.noted
        return source.decisions(window)

    def kpi(self, since: datetime) -> Sequence[tuple[datetime, Decimal]]:
        """The KPI's weekly values. Raises SourceError, or ConfigurationError where the database is not known."""
        name = self._workflow.kpi.connection
        return _database(self._workflow, self._connections, name).kpi(since) if name else super().kpi(since)


def _database(workflow: Workflow, connections: SourceConnections, name: str) -> SqlSource:
    return SqlSource(connections.database_url(name or workflow.source.connection), workflow)


def _opener(reader: Reader, workflow: Workflow, connections: SourceConnections) -> Opened:
    """What opens the reader. Raises ConfigurationError where its connection is not known."""
    place = workflow.source.connection
    match reader:
        case HttpReader():
            from afterpilot.pull.http.client import Client
            from afterpilot.pull.http.reader import HttpRows

            endpoint = connections.endpoint(place)

            def http(tally: Tally) -> tuple[RowReader, Callable[[], None]]:
                client = Client(endpoint, auth=reader.auth)
                return HttpRows(client, reader, tally), client.close

            return http
        case FilesReader():
            from afterpilot.pull.file_formats import file_rows

            def files(tally: Tally) -> tuple[RowReader, Callable[[], None]]:
                return file_rows(reader, tally, connections.filesystem, places=_places(workflow)), _nothing

            return files
        case OtelReader():
            from afterpilot.pull.otel import Spans

            return lambda tally: (Spans(reader, workflow.source, tally, connections.filesystem), _nothing)
        case LiteLlmTable():
            from afterpilot.pull.litellm import SpendLogTable

            url = connections.database_url(place)
            return lambda _: (SpendLogTable(url, workflow.source), _nothing)
        case LiteLlmApi() | LangfuseReader():
            return _gateway(reader, workflow, connections.endpoint(place))


def _gateway(reader: LiteLlmApi | LangfuseReader, workflow: Workflow, endpoint: Endpoint) -> Opened:
    def opened(tally: Tally) -> tuple[RowReader, Callable[[], None]]:
        from afterpilot.pull.http.client import Client
        from afterpilot.pull.langfuse import Observations
        from afterpilot.pull.litellm import SpendLogApi

        client = Client(endpoint, auth="bearer" if isinstance(reader, LiteLlmApi) else "basic")
        if isinstance(reader, LiteLlmApi):
            return SpendLogApi(client, reader, workflow.source, tally), client.close
        return Observations(client, reader, workflow.source, tally), client.close

    return opened


def _places(workflow: Workflow) -> list[str]:
    """The names and JSONPaths of all that is kept or counted."""
    source = workflow.source
    named = [source.key, source.time, *source.fields]
    return [source.paths.get(name, name) for name in (*named, *source.usage.places, *source.where)]


def _nothing() -> None:
    """Nothing is held open."""

"""From PostgreSQL to PostgreSQL by COPY: the source makes the lines, Python looks at those alone that it has to.

That are lines that may hold something personal, and the *odd* ones: see :mod:`afterpilot.pull.postgres`. What comes out is what
reading row by row would have given.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from types import TracebackType
from typing import Any, Self

import psycopg
import sqlalchemy as sa
from psycopg.abc import Buffer

from afterpilot.domain.errors import SourceError
from afterpilot.domain.record_lines import RecordLines, line_of, values_of
from afterpilot.domain.source import Source
from afterpilot.domain.workflow import Workflow
from afterpilot.pull.database import reason
from afterpilot.pull.patterns import masked, without_addresses
from afterpilot.pull.postgres import odd_value, type_of
from afterpilot.pull.redact import redacted
from afterpilot.pull.screen import BUT_ADDRESSES, suspects
from afterpilot.pull.values import NotFinite, kept, model_name, unfit

_END = b"\t\\N\n"  # of a line that is not odd
_AT_ONCE = 200  # rows for which the source may take its time
_MOST_BYTES = 32 * 1024 * 1024  # of a batch


@dataclass(slots=True)
class Copied:
    """The records of one statement of :func:`afterpilot.pull.copy_statement.statement_of`. ``skipped`` and ``noted`` are added to."""

    workflow: Workflow
    types: Mapping[str, sa.types.TypeEngine[Any]]
    skipped: Counter[str]
    noted: Counter[str]

    def lines(self, connection: sa.Connection, sql: str, *, rows: int, timeout: float) -> Generator[RecordLines]:
        """The records, so many rows of the source in a batch.

        Raises:
            SourceError: the source refused, or nothing came for ``timeout`` seconds.
        """
        raw = connection.connection.driver_connection
        if not isinstance(raw, psycopg.Connection):  # pragma: no cover - asked for before
            raise TypeError(type(raw).__name__)
        watch = Watch(raw, timeout)
        try:
            with watch, raw.cursor() as cursor, cursor.copy(sql.encode()) as copy:
                for batch in _batches(watch.over(copy), rows):
                    yield self._batch(batch)
        except psycopg.Error as error:
            if watch.expired:
                raise SourceError(f"{connection.engine.url.database}: nothing came for {timeout:g} seconds") from None
            raise SourceError(reason(error, connection.engine.url)) from error

    def _batch(self, lines: list[bytes]) -> RecordLines:
        """The lines without their last column, which says what is odd."""
        odd = {place for place, line in enumerate(lines) if not line.endswith(_END)}
        places = sorted(odd.union(suspects(lines)))
        more = {places[one] for one in suspects([lines[place] for place in places], BUT_ADDRESSES)}
        kept_lines: list[bytes] = [line[: -len(_END)] for line in lines]
        for place in places:
            mask = masked if place in more or place in odd else without_addresses
            kept_lines[place] = self._mended(lines[place][:-1], mask)
        whole = [line for line in kept_lines if line]
        return RecordLines(self.workflow.slug, b"\n".join([*whole, b""]), len(whole))

    def _mended(self, line: bytes, mask: Callable[[str], str]) -> bytes:
        """The line as Python keeps it; empty where it cannot be taken."""
        source = self.workflow.source
        key, at, text, model, *tokens, odd = values_of(line)
        if why := unfit(key, source.key):
            self.skipped[why] += 1
            return b""
        data: dict[str, Any] = json.loads(text or "{}")
        for name, value in json.loads(odd or "{}").items():
            data[name] = self._kept(name, value, source)
        data = {name: redacted(name, value, source, mask) for name, value in data.items()}
        return line_of([key, at, json.dumps(data, ensure_ascii=False), model_name(model), *tokens])

    def _kept(self, name: str, text: str, source: Source) -> Any:  # noqa: ANN401 - any JSON value
        try:
            return kept(odd_value(text, type_of(self.types[name])), source.fields[name])
        except NotFinite:
            self.noted[f"{name} is not a finite number: kept as missing"] += 1
            return None


def _batches(lines: Iterator[bytes], rows: int) -> Iterator[list[bytes]]:
    """So many lines, or fewer where they are long: memory grows with neither."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) >= rows or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Watch:
    """Ends a statement of which nothing has come for so long; what we take for ourselves between batches does not count."""

    def __init__(self, connection: psycopg.Connection[Any], seconds: float) -> None:
        self.expired = False
        self._connection, self._seconds = connection, seconds
        self._since: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._since = monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def over(self, copy: psycopg.Copy) -> Iterator[bytes]:
        """The rows, while the clock runs."""
        rows = iter(copy)
        while some := self._next(rows):
            yield from some

    def _next(self, rows: Iterator[Buffer]) -> Sequence[bytes]:
        self._since = monotonic()
        some = [bytes(row) for row in islice(rows, _AT_ONCE)]
        self._since = None
        return some

    def _look(self) -> None:
        while not self._over.wait(min(1.0, self._seconds / 4)):
            since = self._since  # read once: the other thread may set it to None at any moment
            if since is not None and monotonic() - since > self._seconds:
                self.expired = True
                self._connection.cancel_safe()
                return

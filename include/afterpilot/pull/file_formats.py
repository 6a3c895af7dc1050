"""Rows of JSON lines, CSV and Parquet, streamed: memory grows with neither rows nor files.

A line that is cut off is not finished yet: it is noted, and taken when it is whole.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from typing import IO, Any

from afterpilot.domain.errors import SourceError
from afterpilot.domain.source import FilesReader
from afterpilot.domain.window import Window
from afterpilot.pull.database import instead
from afterpilot.pull.files import Files, Open, failing
from afterpilot.pull.json_values import NotJson, loads
from afterpilot.pull.paths import first_key
from afterpilot.pull.rows import Row, Tally

LONGEST_LINE = 16_000_000  # bytes
_BATCH = 1_000
_CUT = "last line that is not finished yet"


class JsonLines:
    """Rows of JSON lines."""

    def __init__(self, files: Files, tally: Tally) -> None:
        self._files, self._tally = files, tally

    def rows(self, window: Window) -> Iterator[Row]:
        """Each object. Raises SourceError."""
        for name, content in self._files.each(window):
            with failing(name):
                for value in json_lines(name, content, self._tally):
                    if isinstance(value, Mapping):
                        yield Row(value, value)
                    else:
                        self._tally.skipped["line that is no JSON object"] += 1


def json_lines(name: str, content: IO[bytes], tally: Tally) -> Iterator[Any]:
    """The JSON value of each line; a last line that is cut off is noted, any other that is no JSON is skipped and counted."""
    for line, ended in _lines(name, content, tally):
        try:
            yield loads(line)
        except NotJson as error:
            if ended:
                tally.skipped[f"line that cannot be read: {error}"] += 1
            else:
                tally.noted[_CUT] += 1


def _lines(name: str, content: IO[bytes], tally: Tally) -> Iterator[tuple[bytes, bool]]:
    """Each line that is not empty, and whether its end was written."""
    try:
        while line := content.readline(LONGEST_LINE):
            if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
                while (part := content.readline(LONGEST_LINE)) and not part.endswith(b"\n"):
                    pass
                tally.skipped[f"line of more than {LONGEST_LINE:,} bytes"] += 1
            elif line.strip():
                yield line, line.endswith(b"\n")
    except EOFError:
        tally.noted[unfinished(name)] += 1


def unfinished(name: str) -> str:
    """The note on a packed file whose end is not written yet."""
    return f"{name.rpartition('/')[2]} is not written to its end yet"


class Csv:
    """Rows of a CSV with a header. Every value is a text, and an empty one is missing."""

    texts = True

    def __init__(self, files: Files, tally: Tally, *, separator: str, needed: list[str]) -> None:
        self._files, self._tally = files, tally
        self._separator, self._needed = separator, needed

    def rows(self, window: Window) -> Iterator[Row]:
        """Each row. Raises SourceError, also where a column that is needed is not there."""
        csv.field_size_limit(LONGEST_LINE)
        for name, content in self._files.each(window):
            text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace", newline="")
            try:
                with failing(name):
                    yield from self._table(name, text)
            finally:
                with contextlib.suppress(ValueError):
                    text.detach()

    def _table(self, name: str, text: io.TextIOWrapper) -> Iterator[Row]:
        lines = _Lines(text)
        header: list[str] = []
        for cells in self._cells(name, csv.reader(lines, delimiter=self._separator, strict=True)):
            if not header:
                header = [cell.strip() for cell in cells]
                _demand(name, header, self._needed)
            elif len(cells) == len(header):
                values = dict(zip(header, cells, strict=True))
                yield Row(values, values)
            elif cells and not lines.ended:
                self._tally.noted[_CUT] += 1
            elif cells:
                self._tally.skipped[f"row whose number of columns is not the header's {len(header)}"] += 1

    def _cells(self, name: str, reader: Any) -> Iterator[list[str]]:  # noqa: ANN401 - csv's readers have no public type
        while True:
            before = reader.line_num
            try:
                yield next(reader)
            except StopIteration:
                return
            except EOFError:
                self._tally.noted[unfinished(name)] += 1
                return
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    if (lines := reader.line_num - before) > 1:
                        self._tally.skipped["line behind a quote that is never closed"] += lines
                    else:
                        self._tally.noted[_CUT] += 1
                    return
                self._tally.skipped["row that is no CSV"] += 1


class _Lines:
    """The lines of a text; ``ended`` says whether the newest one was written to its end."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text, self.ended = text, True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline()
        if not line:
            raise StopIteration
        self.ended = line.endswith(("\n", "\r"))
        return line


class Parquet:
    """Rows of Parquet files, read in batches; only the columns that are needed."""

    def __init__(self, files: Files, *, needed: list[str], whole: bool) -> None:
        self._files, self._needed, self._whole = files, needed, whole

    def rows(self, window: Window) -> Iterator[Row]:
        """Each row. Raises SourceError, also where a column that is needed is not there."""
        from pyarrow.parquet import ParquetFile

        for name, content in self._files.each(window):
            with failing(name):
                file = ParquetFile(content)
                _demand(name, file.schema_arrow.names, self._needed)
                for batch in file.iter_batches(batch_size=_BATCH, columns=None if self._whole else self._needed):
                    for row in batch.to_pylist():
                        yield Row(row, row)


def file_rows(reader: FilesReader, tally: Tally, open_store: Open, *, places: list[str]) -> JsonLines | Csv | Parquet:
    """What reads the files of a declaration; ``places`` are the names and JSONPaths that it keeps."""
    files = Files(reader.path, tally, open_store)
    columns = [first_key(place) if place.startswith("$") else place for place in places]
    needed = list(dict.fromkeys(filter(None, columns)))
    if reader.format == "jsonl":
        return JsonLines(files, tally)
    if reader.format == "csv":
        return Csv(files, tally, separator=reader.separator, needed=needed)
    return Parquet(files, needed=needed, whole="" in columns)


def _demand(name: str, header: list[str], needed: list[str]) -> None:
    for column in needed:
        if column not in header:
            raise SourceError(f"the file {name} has no column {column}{instead(column, header, 'columns')}")

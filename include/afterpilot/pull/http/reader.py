"""The rows of a JSON API that the declaration describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from afterpilot.domain.source import HttpReader
from afterpilot.domain.window import Window
from afterpilot.pull.http.client import Client
from afterpilot.pull.http.paging import pages
from afterpilot.pull.rows import Row, Tally

_TEMPLATE = re.compile(r"\{\{\s*(start|end)\s*(?:\|\s*(\w+)\s*)?\}\}")


class HttpRows:
    """Reads the pages of a service, asking for the window where the query says so."""

    def __init__(self, client: Client, reader: HttpReader, tally: Tally) -> None:
        self._client, self._reader, self._tally = client, reader, tally

    def rows(self, window: Window) -> Iterator[Row]:
        """All rows that the service gives for the window, and what else it gives. Raises SourceError."""
        query = [(name, filled(text, window)) for name, text in self._reader.query.items()]
        for page in pages(self._client, self._reader.path, query, rows=self._reader.rows, paging=self._reader.paging):
            for row in page:
                if isinstance(row, Mapping):
                    yield Row(row, row)
                else:
                    self._tally.skipped["row that is no JSON object"] += 1


def filled(text: str, window: Window) -> str:
    """A text with the window's ends in it, as ISO 8601 in UTC, a date, or a number since 1970."""

    def put(match: re.Match[str]) -> str:
        return _written(window.start if match[1] == "start" else window.end, match[2] or "")

    return _TEMPLATE.sub(put, text)


def _written(moment: datetime, how: str) -> str:
    moment = moment.astimezone(UTC)
    if how == "date":
        return f"{moment:%Y-%m-%d}"
    if how in {"unix", "unix_ms"}:
        return str(int(moment.timestamp()) * (1 if how == "unix" else 1000))
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z" if not moment.microsecond else f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"

"""Page after page, in each of the ways that services have for it; one that never ends is an error."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urljoin

from afterpilot.domain.errors import SourceError
from afterpilot.domain.source import Paging
from afterpilot.pull.http.client import Answer, Client
from afterpilot.pull.json_values import NotJson, dumps
from afterpilot.pull.paths import finder, rows_finder
from afterpilot.pull.values import tokens

MOST_PAGES = 100_000
_MOST_EMPTY = 100  # pages in a row without a row, while the service says that there is more
_COUNTED = {"page", "offset"}
Query = Sequence[tuple[str, str]]


def pages(
    client: Client, path: str, query: Query, *, rows: str, paging: Paging, most_pages: int = MOST_PAGES
) -> Iterator[list[Any]]:
    """The rows of each page, as the service gives them.

    Raises:
        SourceError: a page cannot be read, comes again, or they never end; or rows vanished while they were read.
    """
    walk = _Walk(paging, path, [*query, *_size(paging)])
    found_in = rows_finder(rows)
    seen: set[bytes] = set()
    empty = 0
    for _ in range(most_pages):
        answer = client.get(walk.path, walk.asked)
        found = found_in(answer.body)
        if found:
            empty = 0
            if (digest := _digest(found)) in seen:
                raise SourceError(f"{path} gives the same page again and again: its paging is not what is declared")
            seen.add(digest)
            yield found
        else:
            empty += 1
        if not walk.on(answer, found):
            return
        if empty >= _MOST_EMPTY:
            raise SourceError(f"{path} gives empty pages without an end")
    raise SourceError(f"{path} gives more than {most_pages:,} pages")


def _digest(rows: list[Any]) -> bytes:
    """What tells a page from another one; of rows that cannot be written down, how many there are."""
    try:
        text = dumps(rows)
    except NotJson:
        text = f"{len(rows)} rows at {id(rows)}"
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _size(paging: Paging) -> list[tuple[str, str]]:
    return [(paging.size_parameter, str(paging.size))] if paging.size_parameter else []


class _Walk:
    """Where the next page is: ``path`` and the whole query ``asked``."""

    def __init__(self, paging: Paging, path: str, query: list[tuple[str, str]]) -> None:
        self._paging, self._query = paging, query
        self._at = finder(paging.at) if paging.kind in {"cursor", "next"} else None
        self._total = finder(paging.total) if paging.total else None
        self._most = 0
        self._place = paging.first if paging.kind == "page" else 0
        self._cursors: set[str] = set()
        self.path = path
        self.asked = self._with(str(self._place)) if paging.kind in _COUNTED else query

    def on(self, answer: Answer, found: list[Any]) -> bool:
        """Go on to the next page; False where there is none."""
        match self._paging.kind:
            case "cursor" | "next":
                return self._follow(self._at(answer.body) if self._at else None, answer)
            case "link":
                return self._follow(answer.links.get(self._paging.at), answer)
            case "page" | "offset":
                return self._count(answer, found)
        return False

    def _follow(self, told: Any, answer: Answer) -> bool:  # noqa: ANN401 - whatever the service says
        """The next page by what this one told: a cursor, or an address, which carries its own query."""
        if told is None or told is False or told == "":
            return False
        if isinstance(told, (dict, list)):
            raise SourceError(f"{self.path}: what leads to the next page is no text ({self._paging.at})")
        text = str(told)
        if text in self._cursors:
            raise SourceError(f"{self.path} leads back to a page that was read already: it would never end")
        self._cursors.add(text)
        if self._paging.kind == "cursor":
            self.asked = self._with(text)
        else:
            self.path, self.asked = urljoin(answer.url, text), []
        return True

    def _count(self, answer: Answer, found: list[Any]) -> bool:
        """The next page by number. A page that is shorter than it might be says nothing; an empty one, or the total, does."""
        total = tokens(self._total(answer.body)) if self._total else None
        if total is not None:
            if total < self._most:
                raise SourceError(f"{self.path}: rows vanished while they were read (from {self._most:,} to {total:,})")
            self._most = total
        if not found:
            first = self._paging.kind == "page" and self._place == self._paging.first  # one empty page is none
            if total is not None and self._left(total) and not first:
                raise SourceError(f"{self.path}: a page is empty, although {total:,} are told of")
            return False
        self._place += 1 if self._paging.kind == "page" else len(found)
        self.asked = self._with(str(self._place))
        return total is None or self._left(total)

    def _left(self, total: int) -> bool:
        """Whether the place is before the end: pages count from ``first``, rows from 0."""
        return self._place < total + (self._paging.first if self._paging.kind == "page" else 0)

    def _with(self, value: str) -> list[tuple[str, str]]:
        return [*(pair for pair in self._query if pair[0] != self._paging.parameter), (self._paging.parameter, value)]

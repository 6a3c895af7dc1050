"""The files of a path, on this machine or in an object store, opened as streams; :mod:`afterpilot.pull.file_formats` reads them.

A file whose last change lies before the window holds nothing of it and is not opened. A file that vanishes while it is read is
an error: the window is read again.
"""

from __future__ import annotations

import contextlib
import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from afterpilot.domain.errors import AfterpilotError, SourceError
from afterpilot.domain.window import Window
from afterpilot.pull.rows import Tally

_SLACK = timedelta(days=1)  # how far clocks may be apart
_DATE = re.compile(r"\{\{\s*date\s*\}\}")
_WILD = re.compile(r"[*?\[]")
_PLACE = re.compile(r"([a-z][a-z0-9+]*)://(?:([A-Za-z0-9_.-]+)@)?(.*)", re.DOTALL)

Open = Callable[[str, str], Any]  # scheme and connection → fsspec filesystem


@dataclass(frozen=True, slots=True)
class Place:
    """A path as declared: ``s3://connection@bucket/runs/*.jsonl``, or one of this machine (scheme ``file``)."""

    scheme: str
    connection: str
    path: str

    @classmethod
    def of(cls, text: str) -> Place:
        """Read it, as Airflow's object storage does."""
        match = _PLACE.fullmatch(text)
        if match is None:
            return cls("file", "", text)
        scheme, connection, rest = match.groups()
        return cls(scheme, connection or "", rest)


class Files:
    """The files of a path, in the order of their names. ``open_store`` gives filesystems of object stores."""

    def __init__(self, path: str, tally: Tally, open_store: Open) -> None:
        self._declared, self._tally = path, tally
        self._place = Place.of(path)
        self._open_store = open_store

    def each(self, window: Window) -> Iterator[tuple[str, IO[bytes]]]:
        """Name and content of each file that may hold rows of the window, unpacked.

        Raises:
            SourceError: there is no such file, or one cannot be read; ConfigurationError where the store is not known.
        """
        store = self._store()
        for name in self._names(store, window):
            with failing(name):
                if self._older(store, name, window.start):
                    continue
                with store.open(name, "rb") as raw, _unpacked(name, raw) as content:
                    yield name, content

    def _store(self) -> Any:  # noqa: ANN401 - an fsspec filesystem
        if self._place.scheme == "file" and not self._place.connection:
            from fsspec.implementations.local import LocalFileSystem

            return LocalFileSystem()
        return self._open_store(self._place.scheme, self._place.connection)

    def _names(self, store: Any, window: Window) -> list[str]:  # noqa: ANN401 - an fsspec filesystem
        dated = _DATE.search(self._place.path) is not None
        paths = [_DATE.sub(day, self._place.path) for day in _days(window)] if dated else [self._place.path]
        names: dict[str, None] = {}
        with failing(self._declared):
            store.invalidate_cache()
            for path in paths:
                found = store.glob(path) if _WILD.search(path) else [path] if not dated or store.exists(path) else []
                if not found and dated:
                    self._tally.noted[f"no file {path}"] += 1
                names |= dict.fromkeys(sorted(map(str, found)))
        if not names and not dated:
            raise SourceError(f"there is no file {self._declared}")
        return list(names)

    def _older(self, store: Any, name: str, start: datetime) -> bool:  # noqa: ANN401 - an fsspec filesystem
        try:
            changed = store.modified(name)
        except NotImplementedError:
            return False
        if not isinstance(changed, datetime):
            return False
        changed = changed.replace(tzinfo=UTC) if changed.tzinfo is None else changed
        return bool(changed < start - _SLACK)


@contextlib.contextmanager
def failing(name: str) -> Iterator[None]:
    """What goes wrong inside becomes an error that names the file: a store has exceptions of its own."""
    try:
        yield
    except (AfterpilotError, GeneratorExit):
        raise
    except FileNotFoundError:
        raise SourceError(f"the file {name} is not there, or vanished while it was read") from None
    except Exception as error:
        raise SourceError(f"the file {name} cannot be read ({type(error).__name__})") from error


def _unpacked(name: str, raw: Any) -> Any:  # noqa: ANN401 - streams of bytes have no common type
    return gzip.open(raw, "rb") if name.lower().endswith(".gz") else contextlib.nullcontext(raw)


def _days(window: Window) -> list[str]:
    """Each day in UTC that the half-open window touches."""
    day, days = window.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0), []
    while day < window.end:
        days.append(f"{day:%Y-%m-%d}")
        day += timedelta(days=1)
    return days

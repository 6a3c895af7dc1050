"""Keys that occur twice among the rows that a pull reads: where the row that stood before stands again at the end, nothing has changed.

An older row of a key takes the place of the newer one on record, as its time may have been corrected at the source. Whether it was
is known once all is read: if the newer row comes too, in a later batch, the key occurs twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime
from itertools import islice
from typing import NamedTuple

MOST = 100_000  # keys that are remembered; of more, each counts as changed


class Stood(NamedTuple):
    """A record as it stood: its time, the hash of its data, and the run that wrote it."""

    at: datetime
    data_md5: str
    run_id: uuid.UUID | None


class Displaced:
    """What older rows have displaced during one pull. ``seen`` rows were found unchanged, and are at the source."""

    def __init__(self) -> None:
        self._stood: dict[str, Stood] = {}
        self._seen: set[int] = set()
        self._lost: dict[datetime, datetime] = {}  # the earliest moment of each minute

    def see(self, rows: Iterable[tuple[str, datetime]]) -> None:
        """Rows (key, time) that are on record as they were read."""
        self._seen.update(hash(row) for row in islice(rows, MOST - len(self._seen)))

    @property
    def full(self) -> bool:
        """Whether no more rows are remembered as seen."""
        return len(self._seen) >= MOST

    def seen(self, key: str, at: datetime) -> bool:
        """Whether the pull has read this row already."""
        return hash((key, at)) in self._seen

    def remember(self, key: str, stood: Stood) -> None:
        """An older row has taken its place."""
        if len(self._stood) < MOST:
            self._stood.setdefault(key, stood)
        else:
            minute = _minute(stood.at)
            self._lost[minute] = min(stood.at, self._lost.get(minute, stood.at))

    def again(self, key: str, at: datetime, data_md5: str) -> Stood | None:
        """What stood before, where this row is the same; it is displaced no more then."""
        stood = self._stood.get(key)
        if stood is None or (stood.at, stood.data_md5) != (at, data_md5):
            return None
        return self._stood.pop(key)

    def left(self) -> Collection[datetime]:
        """Where records stood whose time was really corrected: one moment for each minute."""
        moments = sorted([*self._lost.values(), *(one.at for one in self._stood.values())], reverse=True)
        return sorted({_minute(one): one for one in moments}.values())


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)

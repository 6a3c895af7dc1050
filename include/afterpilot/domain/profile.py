"""What a table looks like, before anybody has declared anything about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from afterpilot.domain.source import FieldType


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of the rows that were looked at.

    ``low`` and ``high`` are the least and the greatest number, ``usual`` the ends of the middle 99 of 100; ``shortest`` and ``longest`` count the characters of texts.
    ``values`` are all values with how often each occurs, where they are few. ``shape`` is a regular expression that
    ``shaped`` of the texts (0 to 1) follow, or empty. ``personal`` is what its texts hold, such as ``e-mail``, or empty.
    """

    name: str
    kind: FieldType
    rows: int
    filled: int
    distinct: int
    low: Decimal | None = None
    high: Decimal | None = None
    usual: tuple[Decimal, Decimal] | None = None
    shortest: int | None = None
    longest: int | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    shape: str = ""
    shaped: float = 0.0
    json: bool = False
    personal: str = ""

    @property
    def complete(self) -> float:
        """The share of rows that have a value, 0 to 1."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.rows > 0 and self.filled == self.rows == self.distinct


@dataclass(frozen=True, slots=True)
class Silence:
    """A time without any row: since when, and how long."""

    since: datetime
    length: timedelta


@dataclass(frozen=True, slots=True)
class TableProfile:
    """A table: the newest ``rows`` of it were looked at.

    ``key`` and ``time`` are the columns that make a row unique and say when it was finished, empty where none can be told.
    ``days`` counts the rows of each day of the last weeks; ``silences`` are the longest times without any row in them, the
    longest first.
    """

    table: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    key: str = ""
    time: str = ""
    newest: datetime | None = None
    days: Mapping[date, int] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()

    def column(self, name: str) -> ColumnProfile | None:
        """A column by its name."""
        return next((column for column in self.columns if column.name == name), None)

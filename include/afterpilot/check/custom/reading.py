"""Values read one after the other, within bounds of number, length and time: hostile text must not hang a check."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from afterpilot.check.custom.scope import Scope, key_of

SECONDS = 60.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most rows, characters of one value, and seconds in all."""

    rows: int
    characters: int
    seconds: float = SECONDS

    def __str__(self) -> str:
        return f"at most {self.rows:,} rows of {self.characters:,} characters in {self.seconds:g} s are read"


@dataclass(frozen=True, slots=True)
class Value:
    """One value with the key of its row; ``whole`` is False where only its beginning was read."""

    key: str | None
    text: str
    whole: bool


class Texts:
    """The values of a column as text, those that are not NULL.

    ``rows`` and ``values`` say how many there are in all; ``read`` counts those that were given out so far. What is read when
    there are more than the bounds allow is a sample that does not depend on the order of the rows (PostgreSQL) or the first
    by key.
    """

    def __init__(self, scope: Scope, column: str, bounds: Bounds) -> None:
        self._scope, self._text, self._bounds = scope, scope.text(column), bounds
        self._stop = time.monotonic() + bounds.seconds
        counted = scope.select(sa.func.count(), sa.func.count(scope.column(column)))
        self.rows, self.values = scope.connection.execute(counted).one()
        self.read = 0

    @property
    def missing(self) -> int:
        """How many rows have no value."""
        return int(self.rows - self.values)

    @property
    def left(self) -> int:
        """How many values were not given out."""
        return int(self.values - self.read)

    @property
    def out_of_time(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._stop

    def __iter__(self) -> Iterator[Value]:
        scope, most = self._scope, self._bounds.characters
        rows = scope.rows
        length = sa.func.length(self._text)
        statement = scope.select(key_of(rows), sa.func.substr(self._text, 1, most), length).where(
            self._text.is_not(None)
        )
        if self.values > self._bounds.rows:
            order = key_of(rows)
            scattered = scope.connection.dialect.name == "postgresql" and rows.key is not None
            statement = statement.order_by(sa.func.md5(order) if scattered else order).limit(self._bounds.rows)
        with scope.connection.execute(statement, execution_options={"yield_per": _AT_ONCE}) as found:
            for key, text, characters in found:
                if self.out_of_time:
                    return
                self.read += 1
                yield Value(key, text, characters <= most)

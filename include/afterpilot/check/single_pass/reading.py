"""Runs measures: those over the same rows in one statement for all groups; a bad one is found and set aside."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from afterpilot.check.single_pass.plans import Measure
from afterpilot.check.single_pass.rows import Rows
from afterpilot.check.single_pass.scope import Expression
from afterpilot.check.single_pass.sources import Source, Taken

_MOST_MEASURES = 400  # in a statement; PostgreSQL has at most 1,664 columns
_MOST_GROUPS = 5_000  # that are named in a statement
_ERROR_CHARACTERS = 300

Key = Hashable
Groups = Sequence[Any] | None


@dataclass(slots=True)
class Found:
    """Values by group and measure, and what the database said of measures that it could not take."""

    values: dict[Any, dict[Key, Any]] = field(default_factory=dict)
    errors: dict[Key, str] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Take over what another reading found."""
        for group, values in other.values.items():
            self.values.setdefault(group, {}).update(values)
        self.errors |= other.errors


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads measures over some rows."""

    connection: sa.Connection
    rows: Rows
    group: Expression | None

    def read(self, source: Source, measures: Mapping[Key, Measure], groups: Groups) -> Found:
        """All measures over one source, for the groups that are named (None: all).

        Raises:
            SQLAlchemyError: not even the number of rows can be read.
        """
        taken = source.taken(self.rows, self.group, self._only(groups))
        found = Found()
        keys = list(measures)
        for start in range(0, len(keys), _MOST_MEASURES):
            part = {key: measures[key] for key in keys[start : start + _MOST_MEASURES]}
            found.add(self._guarded(taken, part))
        return found

    def _guarded(self, taken: Taken, measures: Mapping[Key, Measure]) -> Found:
        try:
            return self._run(taken, measures)
        except DBAPIError as error:
            if len(measures) == 1:
                return Found(errors={next(iter(measures)): words_of(error)})
            if self._is_hopeless(error):
                return Found(errors=dict.fromkeys(measures, words_of(error)))
        found, keys = Found(), list(measures)
        middle = len(keys) // 2
        for half in (keys[:middle], keys[middle:]):
            found.add(self._guarded(taken, {key: measures[key] for key in half}))
        return found

    def _is_hopeless(self, error: DBAPIError) -> bool:
        """Whether every other statement would fail alike: the connection is lost, or its time is up."""
        lost = error.connection_invalidated
        return lost or (isinstance(error, OperationalError) and self.connection.dialect.name != "sqlite")

    def _run(self, taken: Taken, measures: Mapping[Key, Measure]) -> Found:
        labelled = [measure.expression.label(f"ap_{index}") for index, measure in enumerate(measures.values())]
        groups = [] if taken.group is None else [taken.group]
        statement = sa.select(*groups, *labelled).select_from(taken.select).where(*taken.where).group_by(*groups)
        with self.connection.begin_nested():
            result = self.connection.execute(statement).all()
        values = {}
        for row in result:
            group, measured = (row[0], row[1:]) if groups else (None, row)
            values[group] = dict(zip(measures, measured, strict=True))
        return Found(values)

    def _only(self, groups: Groups) -> Expression | None:
        if self.group is None or groups is None or len(groups) > _MOST_GROUPS:
            return None
        named = [value for value in groups if value is not None]
        inside = self.group.in_(named)
        return inside if len(named) == len(groups) else sa.or_(inside, self.group.is_(None))


def words_of(error: SQLAlchemyError) -> str:
    """What the database said, without the statement and its values."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(said).splitlines()
    return (lines[0].strip() if lines else type(said).__name__)[:_ERROR_CHARACTERS]

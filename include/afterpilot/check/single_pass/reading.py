"""Runs measures: those over the same rows in one statement for all groups; a bad one is found and set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from afterpilot.check.single_pass.lifting import Slot, can_be_lifted, slots_of, with_terms
from afterpilot.check.single_pass.measures import WHOLE, Key, Measure
from afterpilot.check.single_pass.rows import Rows, same_group
from afterpilot.check.single_pass.sources import Expression, Source, Taken

_MOST_MEASURES = 400  # in a statement; PostgreSQL has at most 1,664 columns
_MOST_SLOTS = 200  # that are taken of all groups alike
_MOST_GROUPS = 5_000  # that are named in a statement
_ERROR_CHARACTERS = 300
_TOO_MUCH_ASKED = "54"  # the class of PostgreSQL's errors on statements that are too complex or have too many columns

Groups = Sequence[Any] | None


K = TypeVar("K")


@dataclass(slots=True)
class Found(Generic[K]):
    """Values by group and measure, and what the database said of measures that it could not take."""

    values: dict[Any, dict[K, Any]] = field(default_factory=dict)
    errors: dict[K, str] = field(default_factory=dict)

    def add(self, other: Found[K]) -> None:
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

    def read(self, source: Source, measures: Mapping[Key, Measure], groups: Groups) -> Found[Key]:
        """All measures over one source, for the groups that are named (None: all).

        Raises:
            SQLAlchemyError: not even the number of rows can be read.
        """
        taken = source.taken(self.rows, self.group, self._only(groups))
        found: Found[Key] = Found()
        keys = list(measures)
        for start in range(0, len(keys), _MOST_MEASURES):
            part = {key: measures[key] for key in keys[start : start + _MOST_MEASURES]}
            found.add(self._guarded(taken, part))
        return found

    def takes_terms(self, groups: Sequence[Any]) -> bool:
        """Whether :meth:`read_for_each` is there for these groups."""
        return self.group is not None and self.connection.dialect.name == "postgresql" and can_be_lifted(groups)

    def read_for_each(
        self, source: Source, measures: Mapping[Key, Measure], asked: Mapping[Any, Sequence[Key]]
    ) -> Found[Key]:
        """What each group asks over one source: conditions that differ in their values only are taken together, the values
        joined by group.
        """
        slots = slots_of(asked, measures)
        if len(slots) > _MOST_SLOTS:
            kinds: dict[frozenset[int], list[Any]] = {}
            for group in asked:
                kinds.setdefault(frozenset(i for i, slot in enumerate(slots) if group in slot.keys), []).append(group)
            if len(kinds) > 1:
                found: Found[Key] = Found()
                for groups in kinds.values():
                    found.add(self.read_for_each(source, measures, {group: asked[group] for group in groups}))
                return found
        return self._slots(source, slots, list(asked))

    def _slots(self, source: Source, slots: Sequence[Slot], groups: Sequence[Any]) -> Found[Key]:
        taken = source.taken(self.rows, self.group, self._only(groups) if source != WHOLE else None)
        read: Found[int] = Found()
        found: Found[Key] = Found()
        for start in range(0, len(slots), _MOST_MEASURES):
            part = slots[start : start + _MOST_MEASURES]
            read.add(self._guarded(with_terms(taken, part, groups), {start + i: s.measure for i, s in enumerate(part)}))
        for group, values in read.values.items():
            mine = found.values.setdefault(group, {})
            for index, value in values.items():
                if group in slots[index].keys:
                    mine[slots[index].keys[group]] = value
        for index, words in read.errors.items():
            found.add(self._parts(source, slots[index], [g for g in groups if g in slots[index].keys], words))
        return found

    def _parts(self, source: Source, slot: Slot, groups: Sequence[Any], words: str) -> Found[Key]:
        """A condition that fails for all groups together: for which of them it does."""
        keys = {slot.keys[group] for group in groups}
        if len(keys) == 1 or not slot.terms:
            return Found(errors=dict.fromkeys(keys, words))
        found: Found[Key] = Found()
        middle = len(groups) // 2
        for half in (groups[:middle], groups[middle:]):
            found.add(self._slots(source, [slot], half))
        return found

    def _guarded(self, taken: Taken, measures: Mapping[K, Measure]) -> Found[K]:
        try:
            return self._run(taken, measures)
        except (
            StatementError,
            OverflowError,
            UnicodeError,
        ) as error:  # drivers refuse some values with Python's own errors
            if len(measures) == 1:
                return Found(errors={next(iter(measures)): words_of(error)})
            if self._is_hopeless(error):
                return Found(errors=dict.fromkeys(measures, words_of(error)))
        found: Found[K] = Found()
        keys = list(measures)
        middle = len(keys) // 2
        for half in (keys[:middle], keys[middle:]):
            found.add(self._guarded(taken, {key: measures[key] for key in half}))
        return found

    def _is_hopeless(self, error: Exception) -> bool:
        """Whether every other statement would fail alike: the connection is lost, or its time is up. A statement that the driver
        refuses to send (then there is no code), or that asks for too much, says nothing of the others.
        """
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return True
        if not isinstance(error, OperationalError) or self.connection.dialect.name == "sqlite":
            return False
        code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        return code is not None and not code.startswith(_TOO_MUCH_ASKED)

    def _run(self, taken: Taken, measures: Mapping[K, Measure]) -> Found[K]:
        labelled = [measure.expression.label(f"ap_{index}") for index, measure in enumerate(measures.values())]
        groups = [] if taken.group is None else [taken.group]
        statement = sa.select(*groups, *labelled).select_from(taken.select).where(*taken.where).group_by(*groups)
        with self.connection.begin_nested():
            result = self.connection.execute(statement).all()
        values = {}
        for row in result:
            group, measured = (same_group(row[0]), row[1:]) if groups else (None, row)
            values[group] = dict(zip(measures, measured, strict=True))
        return Found(values)

    def _only(self, groups: Groups) -> Expression | None:
        if self.group is None or groups is None or len(groups) > _MOST_GROUPS:
            return None
        named = [value for value in groups if value is not None]
        inside: Expression = self.group.in_(named)
        if named and self.takes_terms(named):  # as one value: a statement takes 65,535
            kind = sa.Text() if isinstance(named[0], str) else sa.BigInteger()
            inside = self.group == sa.any_(sa.literal(named, ARRAY(kind)))
        return inside if len(named) == len(groups) else sa.or_(inside, self.group.is_(None))


def words_of(error: Exception) -> str:
    """What the database or its driver said, without the statement and its values."""
    said = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    lines = str(said).splitlines()
    return (lines[0].strip() if lines else type(said).__name__)[:_ERROR_CHARACTERS]

"""Expectations over any table: one verdict for all of it, or one for each value of a column."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from afterpilot.check import custom, single_pass
from afterpilot.check.any_table import kind_of, no_such, reflected, unreadable
from afterpilot.check.expectations import named_columns
from afterpilot.check.failing_rows import keys_of_failing_rows
from afterpilot.check.groups import is_group, named, readable
from afterpilot.check.gx import Library, Selected, without_rows
from afterpilot.check.single_pass.rows import same_group
from afterpilot.domain.errors import CheckError
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

Tell = Callable[[str, int, int], None]  # what is done now, how much of it is done, of how much
Found = dict[Any, list[Judged]]  # by the value of the group's column; by None where there is no such column

_OF_NO_ROWS = ("table_", "column_to_exist")  # what can be said of a table without rows


class TableChecker:
    """Judges checks over one table or view."""

    def __init__(self, engine: sa.Engine, table: str, *, group: str = "", key: str = "") -> None:
        """Look the table's columns up; ``group`` and ``key`` are columns of it, or empty.

        Raises:
            CheckError: the database cannot be read, or there is no such table or column.
        """
        self._engine = engine
        try:
            self._table = reflected(engine, table)
        except SQLAlchemyError as error:
            raise unreadable(error) from error
        by = self._column(group, "--group-by") if group else None
        if by is not None and isinstance(by.type, sa.JSON | sa.ARRAY):
            raise CheckError(f"--group-by: {group!r} holds lists or JSON, which name no group")
        self._group: sa.ColumnElement[Any] | None = None if by is None else self._readable(by)
        self._named: Callable[[Any], Any] = (lambda _: None) if by is None else functools.partial(named, by)
        self._key = self._column(key, "--key") if key else self._only_key()
        self._kinds = {column.name: kind_of(column.type) for column in self._table.columns}

    @property
    def key_name(self) -> str:
        """The column that names a row, or empty."""
        return "" if self._key is None else str(self._key.name)

    def judge(
        self,
        checks: Sequence[Check],
        *,
        by_library: bool = False,
        most_keys: int = 20,
        tell: Tell = lambda _what, _done, _all: None,
    ) -> Mapping[Any, Sequence[Judged]]:
        """One result for each check, in order, for each group. What one statement can judge is judged by it, the rest by
        Great Expectations; by that alone with ``by_library``. ``most_keys`` is how many failing rows are named at most for
        each check and group.

        Raises:
            CheckError: the table cannot be read.
        """
        passing = [] if by_library else [index for index, check in enumerate(checks) if self._compiles(check)]
        ours = (
            {} if by_library else {index: check for index, check in enumerate(checks) if check.expect in custom.EXPECTS}
        )
        rest = {index: check for index, check in enumerate(checks) if index not in passing and index not in ours}
        try:
            with self._engine.connect() as connection:
                tell("one pass over the table", 0, 1)
                found = self._passed([checks[index] for index in passing], connection) if passing else {}
                by_index = {group: dict(zip(passing, judged, strict=True)) for group, judged in found.items()}
                if ours:
                    self._by_ours(ours, by_index, connection, tell)
                if rest:
                    self._by_library(rest, by_index, connection, tell)
                self._name_keys(checks, by_index, passing, most_keys, connection, tell)
        except SQLAlchemyError as error:
            raise unreadable(error) from error
        return {
            self._named(group): [judged[index] for index in range(len(checks))] for group, judged in by_index.items()
        }

    def _compiles(self, check: Check) -> bool:
        known = all(name in self._kinds for name in named_columns(check))
        return known and single_pass.compiles(check, self._engine.dialect.name)

    def _rows(self) -> single_pass.Rows:
        columns = {column.name: column for column in self._table.columns}
        return single_pass.Rows(select=self._table, columns=columns, kinds=self._kinds, key=self._key)

    def _passed(self, checks: Sequence[Check], connection: sa.Connection) -> Mapping[Any, Sequence[Judged]]:
        return single_pass.judge(connection, self._rows(), checks, group=self._group)

    def _by_library(
        self, checks: Mapping[int, Check], found: dict[Any, dict[int, Judged]], connection: sa.Connection, tell: Tell
    ) -> None:
        """Add what Great Expectations says of the checks, group after group."""
        library = Library(self._engine)
        columns = sorted({check.column for check in checks.values()} & self._kinds.keys())
        counted = self._counts(columns, connection)
        for done, (group, (rows, values)) in enumerate(counted.items()):
            tell("Great Expectations", done, len(counted))
            results = found.setdefault(group, {})
            if not rows:
                checks_left = {i: one for i, one in checks.items() if one.expect.startswith(_OF_NO_ROWS)}
                results |= {i: without_rows(one) for i, one in checks.items() if i not in checks_left}
            else:
                checks_left = dict(checks)
            select = sa.select(*self._table.columns).where(*self._inside(group)).order_by(*self._order())
            selected = Selected(select, self._kinds, self.key_name, rows, values, self._table)
            results |= library.judge(selected, checks_left, connection)

    def _by_ours(
        self, checks: Mapping[int, Check], found: dict[Any, dict[int, Judged]], connection: sa.Connection, tell: Tell
    ) -> None:
        """Add what our own expectations say, group after group."""
        groups = self._counts((), connection)
        for done, group in enumerate(groups):
            tell("expectations of our own", done, len(groups))
            select = sa.select(*self._table.columns).where(*self._inside(group))
            judged = {i: custom.judge_batch(one, select, connection, key=self.key_name) for i, one in checks.items()}
            found.setdefault(group, {}).update(judged)

    def _counts(self, columns: Sequence[str], connection: sa.Connection) -> dict[Any, tuple[int, dict[str, int]]]:
        """Rows and values of each group."""
        measures = [sa.func.count(), *(sa.func.count(self._table.c[name]) for name in columns)]
        if self._group is None:
            rows, *values = connection.execute(sa.select(*measures).select_from(self._table)).one()
            return {None: (rows, dict(zip(columns, values, strict=True)))}
        grouped = sa.select(self._group, *measures).group_by(self._group)
        return {
            same_group(group): (rows, dict(zip(columns, values, strict=True)))
            for group, rows, *values in connection.execute(grouped)
        }

    def _name_keys(
        self,
        checks: Sequence[Check],
        found: Mapping[Any, dict[int, Judged]],
        passing: Sequence[int],
        most: int,
        connection: sa.Connection,
        tell: Tell,
    ) -> None:
        """Put in the keys of failing rows where the one statement has judged, and leave no more than are wanted."""
        failing = {
            (group, index): one.failing_total
            for group, judged in found.items()
            for index, one in judged.items()
            if index in passing and one.success is False and one.failing_total
        }
        if failing and self._key is not None and most:
            tell("failing rows", 0, 1)
            of = self._group
            keys = keys_of_failing_rows(connection, self._rows(), checks, failing, group=of, most=most)
            for (group, index), named in keys.items():
                found[group][index] = dataclasses.replace(
                    found[group][index], failing_keys=tuple(str(key) for key in named)
                )
        for judged in found.values():
            for index, one in judged.items():
                if len(one.failing_keys) > most:
                    judged[index] = dataclasses.replace(one, failing_keys=one.failing_keys[:most])

    def _inside(self, group: Any) -> list[sa.ColumnElement[bool]]:  # noqa: ANN401 - of any type that a column can have
        if self._group is None:
            return []
        return [is_group(self._group, group, self._engine.dialect.name)]

    def _order(self) -> list[sa.ColumnElement[Any]]:
        return [] if self._key is None else [self._key]

    def _column(self, name: str, option: str) -> sa.Column[Any]:
        if name not in self._table.c:
            raise CheckError(f"{option}: {no_such('column', name, list(self._table.c.keys()))}")
        return self._table.c[name]

    def _readable(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        try:
            with self._engine.connect() as connection:
                return readable(column, connection)
        except SQLAlchemyError as error:
            raise unreadable(error) from error

    def _only_key(self) -> sa.Column[Any] | None:
        """The primary key, where it is one column."""
        keys = list(self._table.primary_key.columns)
        return keys[0] if len(keys) == 1 else None

"""The columns and rows that a check may look at, as SQL that means what Great Expectations' SQL means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.measures import Measure
from afterpilot.check.single_pass.row_conditions import condition_of
from afterpilot.check.single_pass.rows import Rows
from afterpilot.check.single_pass.sources import Expression
from afterpilot.domain.errors import CheckError

_WITH_FILTER = {"postgresql", "sqlite"}


@dataclass(frozen=True, slots=True)
class Scope:
    """Builds the pieces of checks over some rows on one SQLAlchemy dialect."""

    rows: Rows
    dialect: str
    counts: dict[tuple[str, str], Measure] = field(default_factory=dict, compare=False)  # by column and row_condition

    def column(self, name: Any) -> Expression:  # noqa: ANN401 - what a declaration may hold
        """A column without its type, as Great Expectations uses it: a value that is compared with it is bound by its own type.

        Raises:
            CheckError: there is no such column.
        """
        if name not in self.rows.columns:
            raise CheckError(f"{name} is not among the columns that are kept ({', '.join(self.rows.columns)})")
        return sa.type_coerce(self.rows.columns[name], sa.types.NullType())

    def is_time(self, column: str) -> bool:
        """Whether the column is declared as a time."""
        return self.rows.kinds.get(column) == "time"

    def domain(self, params: Mapping[str, Any]) -> Expression | None:
        """The rows that the check's row_condition asks for; None is all.

        Raises:
            CheckError: it cannot be read.
        """
        condition = params.get("row_condition")
        return None if condition is None else condition_of(condition, self.column, self.dialect)

    def elements(self, params: Mapping[str, Any]) -> Measure:
        """How many rows there are to look at."""
        return self._once("", params, lambda: self.count(self.domain(params)))

    def values(self, params: Mapping[str, Any]) -> Measure:
        """How many of the rows have a value in the check's column."""
        name = params.get("column")
        return self._once(repr(name), params, lambda: self.of(sa.func.count, self.column(name), self.domain(params)))

    def _once(self, about: str, params: Mapping[str, Any], made: Callable[[], Expression]) -> Measure:
        key = (about, repr(params.get("row_condition")))
        if key not in self.counts:
            self.counts[key] = Measure(made())
        return self.counts[key]

    def count(self, *conditions: Expression | None) -> Expression:
        """How many rows meet all conditions; None is no condition."""
        kept = [condition for condition in conditions if condition is not None]
        if not kept:
            return sa.func.count()
        if self.dialect in _WITH_FILTER:
            return sa.func.count().filter(sa.and_(*kept))
        return sa.func.count(sa.case((sa.and_(*kept), 1)))

    def of(self, aggregate: Any, value: Expression, domain: Expression | None) -> Expression:  # noqa: ANN401 - one of sa.func
        """An aggregate of a value over a domain."""
        if domain is None:
            return aggregate(value)  # type: ignore[no-any-return]
        if self.dialect in _WITH_FILTER:
            return aggregate(value).filter(domain)  # type: ignore[no-any-return]
        return aggregate(sa.case((domain, value)))  # type: ignore[no-any-return]


def both(first: Expression | None, second: Expression | None) -> Expression | None:
    """Two conditions of which either may be None."""
    kept = [condition for condition in (first, second) if condition is not None]
    return sa.and_(*kept) if kept else None


def columns_of(params: Mapping[str, Any]) -> Sequence[str]:
    """The column list of a check over several columns.

    Raises:
        CheckError: it is no list.
    """
    names = params.get("column_list")
    if not isinstance(names, Sequence) or isinstance(names, str) or not names:
        raise CheckError(f"column_list is {names!r}; a list of columns is needed")
    return names

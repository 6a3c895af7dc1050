"""Where measures are taken: over the rows themselves, over their distinct values, over sorted values, or beside statistics.

Each source is one statement for all groups together. Two sources with the same ``name`` are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from afterpilot.check.single_pass.rows import Rows

Expression = sa.ColumnElement[Any]

GROUP, COUNT, MOST, RANK, TOTAL = "ap_group", "ap_count", "ap_most", "ap_rank", "ap_total"


class Taken(NamedTuple):
    """What a statement selects from, the expression of its group, and its conditions."""

    select: sa.FromClause
    group: Expression | None
    where: tuple[Expression, ...]


class Source(Protocol):
    """Gives the rows over which measures of one statement are taken."""

    @property
    def name(self) -> str:
        """What it reads; equal for equal sources."""
        ...

    def taken(self, rows: Rows, group: Expression | None, only: Expression | None) -> Taken:
        """The rows, with the group of each; ``only`` keeps the groups that are asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """The rows themselves; ``name`` tells statements apart that read the same rows."""

    name: str = "rows"

    def taken(self, rows: Rows, group: Expression | None, only: Expression | None) -> Taken:
        """The rows as they are."""
        return Taken(rows.select, group, _conditions(rows.where, only))


@dataclass(frozen=True, slots=True)
class ByValue:
    """Distinct values (``value(i)``) of columns with how often each occurs, where none of them is missing.

    ``ranked`` adds how often the most common value of the group occurs.
    """

    name: str
    columns: tuple[Expression, ...] = field(compare=False)
    domain: Expression | None = field(compare=False)
    ranked: bool = False

    def taken(self, rows: Rows, group: Expression | None, only: Expression | None) -> Taken:
        """One row for each value and group."""
        keys = [*_labelled(group), *(column.label(value_name(index)) for index, column in enumerate(self.columns))]
        present = [column.is_not(None) for column in self.columns]
        counted = (
            sa.select(*keys, sa.func.count().label(COUNT))
            .select_from(rows.select)
            .where(*_conditions(rows.where, only, self.domain, *present))
            .group_by(*([] if group is None else [group]), *self.columns)
            .subquery("ap_counted")
        )
        found: sa.FromClause = counted
        if self.ranked:
            most = sa.func.max(counted.c[COUNT]).over(partition_by=_group_of(counted, group)).label(MOST)
            rank = sa.func.row_number().over(
                partition_by=_group_of(counted, group), order_by=[counted.c[COUNT].desc(), counted.c[value_name(0)]]
            )
            found = sa.select(counted, most, rank.label(RANK)).subquery("ap_ranked")
        return Taken(found, _group_of(found, group), ())


@dataclass(frozen=True, slots=True)
class Sorted:
    """The values of a column that are there, each with its rank and the number of all of its group."""

    name: str
    column: Expression = field(compare=False)
    domain: Expression | None = field(compare=False)

    def taken(self, rows: Rows, group: Expression | None, only: Expression | None) -> Taken:
        """One row for each value."""
        rank = sa.func.row_number().over(partition_by=group, order_by=self.column.asc())
        total = sa.func.count().over(partition_by=group)
        ranked = (
            sa.select(*_labelled(group), self.column.label(value_name(0)), rank.label(RANK), total.label(TOTAL))
            .select_from(rows.select)
            .where(*_conditions(rows.where, only, self.domain, self.column.is_not(None)))
            .subquery("ap_sorted")
        )
        return Taken(ranked, _group_of(ranked, group), ())


@dataclass(frozen=True, slots=True)
class Beside:
    """The rows, each beside statistics (``value(i)``) of its group: what must be known before a row can be judged."""

    name: str
    statistics: tuple[Expression, ...] = field(compare=False)
    domain: Expression | None = field(compare=False)

    def taken(self, rows: Rows, group: Expression | None, only: Expression | None) -> Taken:
        """The rows joined with the statistics of their groups."""
        where = _conditions(rows.where, only)
        known = (
            sa.select(*_labelled(group), *(s.label(value_name(index)) for index, s in enumerate(self.statistics)))
            .select_from(rows.select)
            .where(*where, *_conditions(self.domain))
            .group_by(*([] if group is None else [group]))
            .subquery("ap_known")
        )
        if group is None:
            return Taken(rows.select.join(known, sa.true()), None, where)
        # Written so that groups without a name find each other and the join can still be hashed.
        theirs = known.c[GROUP]
        same = sa.and_(
            group.is_(None) == theirs.is_(None),
            sa.func.coalesce(sa.cast(group, sa.Text), "") == sa.func.coalesce(sa.cast(theirs, sa.Text), ""),
        )
        return Taken(rows.select.join(known, same), group, where)


def value_name(index: int) -> str:
    """The name of a value or statistic that a source gives."""
    return f"ap_value_{index}"


def value(index: int) -> sa.ColumnClause[Any]:
    """A value or statistic that a source gives."""
    return sa.column(value_name(index))


def _labelled(group: Expression | None) -> list[Expression]:
    return [] if group is None else [group.label(GROUP)]


def _group_of(found: sa.FromClause, group: Expression | None) -> Expression | None:
    return None if group is None else found.c[GROUP]


def _conditions(*conditions: Expression | None) -> tuple[Expression, ...]:
    return tuple(condition for condition in conditions if condition is not None)

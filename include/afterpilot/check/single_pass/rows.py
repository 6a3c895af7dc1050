"""What is judged: rows of a table or a query, as SQLAlchemy sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from afterpilot.domain.source import FieldType


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table or sub-query.

    ``columns`` are the names that a check may use, each with its expression over ``select``, whose SQL type counts: it decides
    how values are bound and compared. ``kinds`` are the declared types, where there are any; a bound given as text is read as a
    time where the kind is ``time``. ``key`` names a row to people; ``where`` keeps only some of the rows.
    """

    select: sa.FromClause
    columns: Mapping[str, sa.ColumnElement[object]]
    kinds: Mapping[str, FieldType | None] = field(default_factory=dict)
    key: sa.ColumnElement[object] | None = None
    where: sa.ColumnElement[bool] | None = None

"""What is judged: rows of a table or a query, as SQLAlchemy sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.source import FieldType

_NOT_A_NUMBER = math.nan


def same_group(value: Any) -> Any:  # noqa: ANN401 - of any type that a column can have
    """The value of a group, so that equal ones are found again: databases have one group of all that is no number, where in
    Python no such value equals another.
    """
    return _NOT_A_NUMBER if isinstance(value, float | Decimal) and math.isnan(value) else value


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

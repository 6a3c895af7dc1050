"""Row conditions in Great Expectations' dict form, as SQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.members import one_of
from afterpilot.domain.errors import CheckError

Expression = sa.ColumnElement[Any]
Columns = Callable[[Any], Expression]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def condition_of(condition: Any, column: Columns, dialect: str) -> Expression:  # noqa: ANN401 - what a declaration may hold
    """The condition over columns that ``column`` gives by name. ORs do not nest, as in Great Expectations.

    Raises:
        CheckError: it cannot be read, or names a column that there is not.
    """
    if not isinstance(condition, Mapping):
        raise CheckError("row_condition must be a mapping with a type: comparison, nullity, and, or")
    kind = condition.get("type")
    if kind == "comparison":
        return _comparison(condition, column, dialect)
    if kind == "nullity":
        found = column(_name(condition))
        return found.is_(None) if condition.get("is_null") else found.is_not(None)
    if kind in ("and", "or"):
        return _several(condition, column, dialect)
    raise CheckError(f"row_condition has the type {kind!r}; comparison, nullity, and, or are known")


def _several(condition: Mapping[str, Any], column: Columns, dialect: str) -> Expression:
    parts = condition.get("conditions")
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        raise CheckError("row_condition needs a list of conditions")
    if any(isinstance(part, Mapping) and part.get("type") == "or" for part in parts):
        raise CheckError("row_condition has an or inside another condition")
    found = [condition_of(part, column, dialect) for part in parts]
    return sa.and_(*found) if condition["type"] == "and" else sa.or_(*found)


def _comparison(condition: Mapping[str, Any], column: Columns, dialect: str) -> Expression:
    found, sign, value = column(_name(condition)), condition.get("operator"), condition.get("parameter")
    if value is None:
        raise CheckError("row_condition compares with nothing: nullity asks for missing values")
    if sign in ("IN", "NOT_IN"):
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise CheckError(f"row_condition needs a list after {sign}")
        inside = one_of(found, list(value), dialect)
        return inside if sign == "IN" else ~inside
    if sign not in _COMPARISONS:
        raise CheckError(f"row_condition has the operator {sign!r}; {', '.join(_COMPARISONS)}, IN, NOT_IN are known")
    compared: Expression = _COMPARISONS[sign](found, sa.literal(value))
    return compared


def _name(condition: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what a declaration may hold
    column = condition.get("column")
    return column.get("name") if isinstance(column, Mapping) else column

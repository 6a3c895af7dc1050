"""Many groups with checks of the same shape and bounds of their own: the bounds become a table that is joined by group.

A thousand workflows that each bound the same column are one condition with a thousand pairs of bounds, not a thousand
conditions that every row would have to be held against.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql import operators, visitors

from afterpilot.check.single_pass.measures import Key, Measure
from afterpilot.check.single_pass.sources import Expression, Taken

Shape = tuple[str, tuple[str, ...], int]

_TERMS, _GROUP = "ap_terms", "ap_term_group"
_KINDS: Sequence[tuple[type, sa.types.TypeEngine[Any]]] = (
    (bool, sa.Boolean()),
    (int, sa.BigInteger()),
    (float, sa.Float(53)),
    (Decimal, sa.Numeric()),
    (str, sa.Text()),
    (date, sa.Date()),
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One condition for many groups. ``keys`` says which measure of each group it stands for; ``terms`` holds each group's
    values, by the column of the table of terms.
    """

    measure: Measure
    keys: Mapping[Any, Key]
    terms: Mapping[str, Mapping[Any, Any]]
    types: Mapping[str, sa.types.TypeEngine[Any]]


def slots_of(asked: Mapping[Any, Sequence[Key]], measures: Mapping[Key, Measure]) -> Sequence[Slot]:
    """The conditions that cover what all groups ask."""
    members: dict[Shape, dict[Any, Key]] = defaultdict(dict)
    kinds = {key: tuple(_kind_of(value) for value in key.bound.values()) for key in measures}
    for group, keys in asked.items():
        times: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for key in dict.fromkeys(keys):
            shape = (key.text, kinds[key])
            members[(*shape, times[shape])][group] = key
            times[shape] += 1
    return [_slot(f"p{index}", measures[_first(keys)], keys) for index, keys in enumerate(members.values())]


def with_terms(taken: Taken, slots: Sequence[Slot], groups: Sequence[Any]) -> Taken:
    """The rows joined with the values that their group's conditions need; rows of other groups fall away."""
    types = {name: kind for slot in slots for name, kind in slot.types.items()}
    terms = {name: values for slot in slots for name, values in slot.terms.items()}
    table = [
        {_GROUP: group} | {name: _json(values[group]) for name, values in terms.items() if group in values}
        for group in groups
    ]
    key_type = sa.BigInteger() if isinstance(groups[0], int) else sa.Text()
    columns = [sa.column(_GROUP, key_type), *(sa.column(name, kind) for name, kind in types.items())]
    text = sa.cast(sa.literal(json.dumps(table), sa.Text()), JSONB)
    made = sa.func.jsonb_to_recordset(text).table_valued(*columns).render_derived(name=_TERMS, with_types=True)
    if taken.group is None:
        raise ValueError("rows that have no group have no terms")
    return taken._replace(select=taken.select.join(made, taken.group == made.c[_GROUP]))


def can_be_lifted(groups: Sequence[Any]) -> bool:
    """Whether groups can be joined by their value: all are text, or all whole numbers."""
    return bool(groups) and (all(type(group) is str for group in groups) or all(type(group) is int for group in groups))


def _first(keys: Mapping[Any, Key]) -> Key:
    return next(iter(keys.values()))


def _slot(name: str, measure: Measure, keys: Mapping[Any, Key]) -> Slot:
    """The values that differ among the groups become columns; the others stay as they are."""
    compiled = measure.expression.compile()
    values = {group: list(key.bound.values()) for group, key in keys.items()}
    terms: dict[str, Mapping[Any, Any]] = {}
    types: dict[str, sa.types.TypeEngine[Any]] = {}
    columns: dict[str, str] = {}
    for index, bound in enumerate(compiled.params):
        if len({key.values[index] for key in keys.values()}) > 1:
            by_group = {group: row[index] for group, row in values.items()}
            column = columns[bound] = f"{name}_{index}"
            terms[column], types[column] = by_group, _type_of(next(iter(by_group.values())))
    names = {id(parameter): bound for parameter, bound in compiled.bind_names.items()}

    def with_column(element: Any, **_: Any) -> Any:  # noqa: ANN401 - any part of an expression
        if isinstance(element, sa.BinaryExpression) and element.operator in (operators.in_op, operators.not_in_op):
            column = columns.get(names.get(id(element.right), ""))
            if column is None:
                return None
            left = visitors.replacement_traverse(element.left, {}, with_column)
            values_of: sa.ColumnClause[Any] = sa.column(f"{_TERMS}.{column}", is_literal=True)
            if element.operator is operators.in_op:
                return left.op("=", is_comparison=True)(sa.func.any(values_of))
            return left.op("<>", is_comparison=True)(sa.func.all(values_of))
        if isinstance(element, sa.BindParameter):
            column = columns.get(names.get(id(element), ""))
            return None if column is None else sa.column(f"{_TERMS}.{column}", is_literal=True)
        return None

    expression: Expression = (
        visitors.replacement_traverse(measure.expression, {}, with_column) if terms else measure.expression
    )
    return Slot(replace(measure, expression=expression), keys, terms, types)


def _kind_of(value: Any) -> str:  # noqa: ANN401 - any value that is bound
    if isinstance(value, list | tuple):
        kinds = {_kind_of(item) for item in value if item is not None}
        # Values of several kinds, or none at all, cannot share a column: such a list only equals itself.
        return f"[{kinds.pop()}]" if len(kinds) == 1 else repr(value)
    if isinstance(value, datetime):
        return "moment" if value.tzinfo else "datetime"
    return next((kind.__name__ for kind, _ in _KINDS if isinstance(value, kind)), repr(value))


def _type_of(value: Any) -> sa.types.TypeEngine[Any]:  # noqa: ANN401 - any value that is bound
    if isinstance(value, list | tuple):
        return ARRAY(_type_of(next(item for item in value if item is not None)))
    if isinstance(value, datetime):
        return sa.DateTime(timezone=value.tzinfo is not None)
    return next(sql for kind, sql in _KINDS if isinstance(value, kind))


def _json(value: Any) -> Any:  # noqa: ANN401 - any value that is bound
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value

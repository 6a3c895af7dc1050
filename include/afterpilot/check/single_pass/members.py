"""Whether a value is one of many. A long list goes to the database as one value: a statement takes only so many (65,535 in
PostgreSQL), and is compiled anew for each length of a list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from afterpilot.check.single_pass.sources import Expression

_FEW = 100  # times the measures of a statement it is below the limit
_LARGEST = 2**63 - 1


def one_of(value: Expression, values: Sequence[Any], dialect: str) -> Expression:
    """``value IN (values)``, each of them typed as the first one is; a missing one makes it unknown whether others are in."""
    if len(values) > _FEW and (kind := _kind(values)) is not None:
        if dialect == "postgresql":
            # The type that SQLAlchemy gives all values after IN, so that PostgreSQL compares alike.
            typed = sa.literal(next(one for one in values if one is not None)).type
            return value == sa.any_(sa.literal(list(values), ARRAY(typed)))
        if dialect == "sqlite" and _is_json(values, kind):
            listed = sa.func.json_each(sa.literal(json.dumps(list(values)), sa.Text())).table_valued("value")
            return value.in_(sa.select(listed.c.value))
    return value.in_(values)


def _kind(values: Sequence[Any]) -> type | None:
    """What all values are, where that is one kind that can stand in a list of one type."""
    kinds = {type(value) for value in values if value is not None}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is int and any(value is not None and abs(value) > _LARGEST for value in values):
        return None
    return kind if kind in (int, float, str, date, datetime) else None


def _is_json(values: Sequence[Any], kind: type) -> bool:
    """Whether SQLite reads the same values from JSON that it would be given one by one."""
    if kind is float:
        return all(value is None or math.isfinite(value) for value in values)
    return kind is int or (kind is str and not any("\x00" in value for value in values if value is not None))

"""Which rows fail, for many groups and checks at once: one more pass over the table names them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass import Rows, failing_keys
from afterpilot.check.single_pass.failing import row_condition
from afterpilot.check.single_pass.rows import same_group
from afterpilot.domain.workflow import Check

FEW = 100_000  # failing rows that are read although only some of their keys are wanted
_AT_ONCE = 5_000
_MOST_CONDITIONS = 400  # in a statement; PostgreSQL has at most 1,664 columns and 65,535 parameters

Pair = tuple[Any, int]  # a group's value and the index of a check


def keys_of_failing_rows(
    connection: sa.Connection,
    rows: Rows,
    checks: Sequence[Check],
    failing: Mapping[Pair, int],
    *,
    group: sa.ColumnElement[Any] | None,
    most: int,
) -> Mapping[Pair, list[Any]]:
    """Keys of rows that fail, in their order and at most ``most``, for each group and check that has any; ``failing`` says how
    many rows fail there.

    Checks whose failing rows are told by a condition on the row alone are looked up together. Others, and those with far more
    failing rows than are wanted, are looked up one by one.
    """
    together = {}
    for index in sorted({index for _, index in failing}):
        condition = row_condition(rows, checks[index], connection.dialect.name)
        counts = [min(count, most) for (_, at), count in failing.items() if at == index]
        total = sum(count for (_, at), count in failing.items() if at == index)
        if condition is not None and total <= max(FEW, 10 * sum(counts)):
            together[index] = condition
    found: dict[Pair, list[Any]] = {}
    indices = list(together)
    for start in range(0, len(indices), _MOST_CONDITIONS):
        part = {index: together[index] for index in indices[start : start + _MOST_CONDITIONS]}
        found.update(_in_one_pass(connection, rows, part, failing, group))
    keys = {pair: sorted(listed, key=_order)[:most] for pair, listed in found.items()}
    for value, index in failing:
        if index not in together:
            keys[value, index] = failing_keys(
                connection, rows, checks[index], group=group, group_value=value, limit=most
            )
    return keys


def _in_one_pass(
    connection: sa.Connection,
    rows: Rows,
    conditions: Mapping[int, sa.ColumnElement[bool]],
    failing: Mapping[Pair, int],
    group: sa.ColumnElement[Any] | None,
) -> Mapping[Pair, list[Any]]:
    of = sa.null() if group is None else group
    told = [condition.label(f"ap_{index}") for index, condition in conditions.items()]
    statement = sa.select(of.label("ap_group"), rows.key.label("ap_key"), *told).select_from(rows.select)  # type: ignore[union-attr]  # asked for rows with a key
    statement = statement.where(sa.or_(*conditions.values()))
    if rows.where is not None:
        statement = statement.where(rows.where)
    found: dict[Pair, list[Any]] = defaultdict(list)
    # Fetched little by little the rows need no memory, but PostgreSQL then uses one core for it.
    little_by_little = sum(failing.values()) > FEW
    with connection.execute(statement, execution_options={"yield_per": _AT_ONCE} if little_by_little else {}) as result:
        for read, key, *fails in result:
            value = same_group(read)
            for index, fails_here in zip(conditions, fails, strict=True):
                if fails_here and (value, index) in failing:
                    found[value, index].append(key)
    return found


def _order(key: Any) -> tuple[bool, Any]:  # noqa: ANN401 - of any type that a column can have
    return key is None, key

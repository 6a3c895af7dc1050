"""Keys of the rows that fail a check."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.measures import WHOLE
from afterpilot.check.single_pass.registry import plan_of
from afterpilot.check.single_pass.rows import Rows
from afterpilot.check.single_pass.scope import Scope, both
from afterpilot.check.single_pass.sources import Beside, ByValue, Expression, Source
from afterpilot.domain.workflow import Check


def failing_keys(
    connection: sa.Connection,
    rows: Rows,
    check: Check,
    *,
    group: Expression | None = None,
    group_value: Any = None,  # noqa: ANN401 - of any type that a column can have
    limit: int = 200,
) -> list[Any]:
    """Keys of rows that fail the check, in the order of the keys, at most ``limit``; none where single rows cannot fail it.

    Raises:
        CheckError: the check cannot be judged here.
        SQLAlchemyError: the database cannot run it.
    """
    plan = plan_of(check, Scope(rows, connection.dialect.name))
    if plan.failing is None or rows.key is None:
        return []
    only = None if group is None else group.is_(None) if group_value is None else group == group_value
    statement = _statement(rows, rows.key, plan.failing, plan.failing_in, only)
    return list(connection.scalars(statement.limit(limit)))


def row_condition(rows: Rows, check: Check, dialect: str) -> Expression | None:
    """What a row that fails the check meets, by itself; None where it takes more than the row to tell.

    Raises:
        CheckError: the check cannot be judged here.
    """
    plan = plan_of(check, Scope(rows, dialect))
    return plan.failing if plan.failing_in == WHOLE else None


def _statement(
    rows: Rows, key: Expression, failing: Expression, source: Source, only: Expression | None
) -> sa.Select[Any]:
    kept = both(rows.where, only)
    if source == WHOLE or isinstance(source, Beside):
        taken = source.taken(rows, None, only)
        return sa.select(key).select_from(taken.select).where(*taken.where, failing).order_by(key)
    if not isinstance(source, ByValue):
        raise TypeError(f"rows of {source.name} cannot be told apart")
    # A row fails that shares its values with another one.
    times = sa.func.count().over(partition_by=list(source.columns)).label("ap_times")
    present = [column.is_not(None) for column in source.columns]
    conditions = [condition for condition in (kept, source.domain, *present) if condition is not None]
    counted = sa.select(key.label("ap_key"), times).select_from(rows.select).where(*conditions).subquery("ap_repeated")
    return sa.select(counted.c.ap_key).where(counted.c.ap_times > 1).order_by(counted.c.ap_key)

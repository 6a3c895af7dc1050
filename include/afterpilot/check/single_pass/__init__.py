"""Expectations over one table in one aggregate statement, with the semantics of Great Expectations 1.24.

Great Expectations is not imported here: its rules are written down again as SQL and judged as it judges. Property tests
compare the two on the same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.check.single_pass.rows import Rows
from afterpilot.domain.ports import Judged
from afterpilot.domain.workflow import Check

__all__ = ["Rows", "compiles", "failing_keys", "judge"]


def compiles(check: Check, dialect: str = "postgresql") -> bool:
    """Whether :func:`judge` can judge the check on that SQLAlchemy dialect; the others are for Great Expectations itself."""
    raise NotImplementedError


def judge(
    connection: sa.Connection,
    rows: Rows,
    checks: Sequence[Check],
    *,
    group: sa.ColumnElement[Any] | None = None,
    groups: Mapping[Any, Sequence[int]] | None = None,
) -> Mapping[Any, Sequence[Judged]]:
    """All checks judged, for each value of ``group`` (for the key None where there is no grouping).

    ``groups`` says which of the checks, by their index, each group wants; the results of a group follow that order. A group in
    ``groups`` without any row is judged over no rows; a group that is not in it is left out. Without ``groups`` every group
    that has rows gets all checks.

    A check that cannot be run has ``success`` None and says why in ``error``; so has one without rows, unless its parameter
    ``no_rows_are_fine`` is true, and one about values where there are only nulls.

    Raises:
        SQLAlchemyError: the rows cannot be read at all.
    """
    raise NotImplementedError


def failing_keys(
    connection: sa.Connection,
    rows: Rows,
    check: Check,
    *,
    group: sa.ColumnElement[Any] | None = None,
    group_value: Any = None,  # noqa: ANN401 - of any type that a column can have
    limit: int = 200,
) -> list[Any]:
    """Keys of rows that fail the check, in the order of the keys, at most ``limit``; none where single rows cannot fail it."""
    raise NotImplementedError

"""Queues whose rows are claimed with a lease: what is free, and how long a failed one waits."""

from __future__ import annotations

import sqlalchemy as sa

_FIRST_WAIT, _LONGEST_WAIT = 10.0, 900.0  # seconds


def free(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    """Still to be done, and nobody is at it."""
    nobody = sa.or_(table.c.leased_until.is_(None), table.c.leased_until < sa.func.now())
    return table.c.state == "pending", nobody


def back_off(attempts: int) -> float:
    """Seconds until the next attempt: ten after the first, twice as long after each, a quarter of an hour at most."""
    return min(_FIRST_WAIT * 2.0 ** min(max(attempts - 1, 0), 10), _LONGEST_WAIT)

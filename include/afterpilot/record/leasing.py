"""Queues whose rows are claimed with a lease: what is free, what a claim and its end write, and how long a failed one waits."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

_FIRST_WAIT, _LONGEST_WAIT = 10.0, 900.0  # seconds


def free(table: sa.Table | sa.Alias) -> tuple[sa.ColumnElement[bool], ...]:
    """Still to be done, and nobody is at it."""
    nobody = sa.or_(table.c.leased_until.is_(None), table.c.leased_until < sa.func.now())
    return table.c.state == "pending", nobody


def due(table: sa.Table | sa.Alias) -> tuple[sa.ColumnElement[bool], ...]:
    """Free, and its time has come."""
    return (*free(table), table.c.not_before <= sa.func.now())


def leased(table: sa.Table, lease: uuid.UUID, span: timedelta) -> dict[str, Any]:
    """What a claim writes."""
    return {"lease": lease, "leased_until": sa.func.now() + span, "attempts": table.c.attempts + 1}


def held(table: sa.Table, row_id: uuid.UUID, lease: uuid.UUID | None) -> tuple[sa.ColumnElement[bool], ...]:
    """It is still ours: nobody has claimed it since."""
    return table.c.id == row_id, table.c.lease == lease, table.c.state == "pending"


def ended() -> dict[str, Any]:
    """What ends a lease."""
    return {"lease": None, "leased_until": None}


def after(seconds: float) -> sa.ColumnElement[Any]:
    """The database's own time so many seconds from now."""
    return sa.func.now() + timedelta(seconds=seconds)


def back_off(attempts: int, *, first: float = _FIRST_WAIT, longest: float = _LONGEST_WAIT) -> float:
    """Seconds until the next attempt: ten after the first, twice as long after each, a quarter of an hour at most."""
    return min(first * 2.0 ** min(max(attempts - 1, 0), 10), longest)

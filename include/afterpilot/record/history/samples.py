"""Eval samples of a run."""

from __future__ import annotations

import uuid

import sqlalchemy as sa

from afterpilot.record.history.paging import Key, Page, Row, fetch, one_row
from afterpilot.record.tables import samples

_ORDER = (Key("case_id", samples.c.case_id), Key("epoch", samples.c.epoch, int))
_SHOWN = {
    "passed": samples.c.passed,
    "failed": ~samples.c.passed,
    "not_scored": samples.c.error != "",
}


def list_samples(
    connection: sa.Connection, which: uuid.UUID, *, show: str = "", after: str = "", limit: int = 50
) -> Page:
    """Samples by case and epoch, without request and response. ``show`` is passed, failed, not_scored or empty for all.

    Raises:
        ValueError: a cursor that is none.
    """
    columns = [column for column in samples.c if column.name not in {"request", "response"}]
    statement = sa.select(*columns).where(samples.c.run_id == which)
    if show:
        statement = statement.where(_SHOWN[show])
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_sample(connection: sa.Connection, which: uuid.UUID, case_id: str, epoch: int) -> Row | None:
    """A sample with its request and response."""
    return one_row(
        connection,
        sa.select(samples).where(samples.c.run_id == which, samples.c.case_id == case_id, samples.c.epoch == epoch),
    )


def sample_counts(connection: sa.Connection, which: uuid.UUID) -> Row:
    """``passed``, ``failed`` and ``not_scored`` samples of a run, their ``cost`` and how many have none (``unpriced``)."""
    count = sa.func.count()
    statement = sa.select(
        count.filter(_SHOWN["passed"]).label("passed"),
        count.filter(_SHOWN["failed"]).label("failed"),
        count.filter(_SHOWN["not_scored"]).label("not_scored"),
        sa.func.sum(samples.c.cost).label("cost"),
        count.filter(samples.c.cost.is_(None)).label("unpriced"),
    ).where(samples.c.run_id == which)
    return one_row(connection, statement) or {}

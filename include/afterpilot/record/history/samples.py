"""Eval samples of a run."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from afterpilot.record.history.paging import Key, Page, Row, fetch, one_row
from afterpilot.record.tables import samples, usage

_ORDER = (Key("case_id", samples.c.case_id), Key("epoch", samples.c.epoch, int))
_SHOWN = {
    "passed": samples.c.passed,
    "failed": ~samples.c.passed,
    "not_scored": samples.c.error != "",
}

# Calls are priced later, in ``usage``: there a sample's call goes by run, case and epoch, at the moment when the run began.
_REF = sa.cast(samples.c.run_id, sa.Text) + "/" + samples.c.case_id + "/" + sa.cast(samples.c.epoch, sa.Text)
_CALL = sa.and_(
    usage.c.workflow == samples.c.workflow, usage.c.kind == "eval", usage.c.ref == _REF, usage.c.at == samples.c.at
)
_COST = sa.func.coalesce(samples.c.cost, usage.c.cost)


def list_samples(
    connection: sa.Connection, which: uuid.UUID, *, show: str = "", after: str = "", limit: int = 50
) -> Page:
    """Samples by case and epoch, without request and response. ``show`` is passed, failed, not_scored or empty for all.

    Raises:
        ValueError: a cursor that is none.
    """
    statement = _priced("request", "response", "usage").where(samples.c.run_id == which)
    if show:
        statement = statement.where(_SHOWN[show])
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_sample(connection: sa.Connection, which: uuid.UUID, case_id: str, epoch: int) -> Row | None:
    """A sample with its request and response."""
    return one_row(
        connection,
        _priced().where(samples.c.run_id == which, samples.c.case_id == case_id, samples.c.epoch == epoch),
    )


def sample_counts(connection: sa.Connection, which: uuid.UUID) -> Row:
    """``passed``, ``failed`` and ``not_scored`` samples of a run, their ``cost`` (of what is priced) with its ``currency``, and how many have none (``unpriced``)."""
    count = sa.func.count()
    statement = sa.select(
        count.filter(_SHOWN["passed"]).label("passed"),
        count.filter(_SHOWN["failed"]).label("failed"),
        count.filter(_SHOWN["not_scored"]).label("not_scored"),
        sa.func.sum(_COST).label("cost"),
        sa.func.max(usage.c.currency).label("currency"),
        count.filter(_COST.is_(None)).label("unpriced"),
    )
    statement = statement.outerjoin_from(samples, usage, _CALL).where(samples.c.run_id == which)
    return one_row(connection, statement) or {}


def _priced(*without: str) -> sa.Select[*tuple[Any, ...]]:
    columns = [column for column in samples.c if column.name not in {"cost", *without}]
    call = (_COST.label("cost"), sa.func.coalesce(usage.c.currency, "").label("currency"), usage.c.unpriced_reason)
    return sa.select(*columns, *call).outerjoin_from(samples, usage, _CALL)

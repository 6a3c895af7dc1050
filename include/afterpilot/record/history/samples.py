"""Eval samples of a run."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.record.history.paging import Key, Page, Row, fetch, one_row
from afterpilot.record.tables import eval_results, prices, samples, usage

_ORDER = (Key("case_id", samples.c.case_id), Key("epoch", samples.c.epoch, int))
_SHOWN = {
    "passed": samples.c.passed,
    "failed": ~samples.c.passed,
    "not_scored": samples.c.error != "",
}

# What calls cost stands in ``usage``: there a sample's call goes by run, case and epoch, at the moment when the run began.
_REF = sa.cast(samples.c.run_id, sa.Text) + "/" + samples.c.case_id + "/" + sa.cast(samples.c.epoch, sa.Text)
_CALL = sa.and_(
    usage.c.workflow == samples.c.workflow, usage.c.kind == "eval", usage.c.ref == _REF, usage.c.at == samples.c.at
)
_WITH_CALLS = samples.outerjoin(usage, _CALL).outerjoin(prices, prices.c.id == usage.c.price_id)
_COST = sa.func.coalesce(samples.c.cost, usage.c.cost)
# A cost that came with the sample is in the currency of its run.
_RUNS_CURRENCY = sa.select(eval_results.c.currency).where(eval_results.c.run_id == samples.c.run_id).scalar_subquery()
_CURRENCY = sa.func.coalesce(sa.func.nullif(prices.c.currency, ""), _RUNS_CURRENCY, "")

# When a run began and ended: its samples lie between, and only the partitions of those months are looked into.
Span = tuple[datetime, datetime]


def list_samples(
    connection: sa.Connection,
    which: uuid.UUID,
    *,
    within: Span | None = None,
    show: str = "",
    after: str = "",
    limit: int = 50,
) -> Page:
    """Samples by case and epoch, without request and response. ``show`` is passed, failed, not_scored or empty for all.

    Raises:
        ValueError: a cursor that is none.
    """
    statement = _priced("request", "response", "usage").where(*_of(which, within))
    if show:
        statement = statement.where(_SHOWN[show])
    return fetch(connection, statement, keys=_ORDER, after=after, limit=limit)


def one_sample(
    connection: sa.Connection, which: uuid.UUID, case_id: str, epoch: int, *, within: Span | None = None
) -> Row | None:
    """A sample with its request and response."""
    return one_row(
        connection,
        _priced().where(*_of(which, within), samples.c.case_id == case_id, samples.c.epoch == epoch),
    )


def sample_counts(connection: sa.Connection, which: uuid.UUID, *, within: Span | None = None) -> Row:
    """``passed``, ``failed`` and ``not_scored`` samples of a run, their ``cost`` (of what is priced) with its ``currency``, and how many have none (``unpriced``)."""
    count = sa.func.count()
    statement = sa.select(
        count.filter(_SHOWN["passed"]).label("passed"),
        count.filter(_SHOWN["failed"]).label("failed"),
        count.filter(_SHOWN["not_scored"]).label("not_scored"),
        sa.func.sum(_COST).label("cost"),
        sa.func.max(_CURRENCY).label("currency"),
        count.filter(_COST.is_(None)).label("unpriced"),
    )
    statement = statement.select_from(_WITH_CALLS).where(*_of(which, within))
    return one_row(connection, statement) or {}


def _of(which: uuid.UUID, within: Span | None) -> list[sa.ColumnElement[bool]]:
    of_run = samples.c.run_id == which
    return [of_run] if within is None else [of_run, samples.c.at.between(*within)]


def _priced(*without: str) -> sa.Select[*tuple[Any, ...]]:
    columns = [column for column in samples.c if column.name not in {"cost", *without}]
    call = (_COST.label("cost"), _CURRENCY.label("currency"), prices.c.reason.label("unpriced_reason"))
    return sa.select(*columns, *call).select_from(_WITH_CALLS)

"""Bills, and what was metered on the same days, by UTC day as providers count."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from afterpilot.record.declarations import USABLE
from afterpilot.record.history.paging import Row, all_rows
from afterpilot.record.tables import bill_days, bill_lines, current_declarations, declarations, prices, usage_sums

_MOST_WORKFLOWS = 10_000
_CURRENCY = sa.func.coalesce(prices.c.currency, "").label("currency")


def claims(connection: sa.Connection, account: str) -> Sequence[Row]:
    """Which workflows declare that lines of the account's bill are theirs: ``workflow`` and ``billed``."""
    billed = declarations.c.document["spend"]["billed"]
    statement = (
        sa.select(current_declarations.c.workflow, billed.label("billed"))
        .select_from(USABLE)
        .where(current_declarations.c.present, billed.contains([{"account": account}]))
    )
    return all_rows(connection, statement.order_by(current_declarations.c.workflow).limit(_MOST_WORKFLOWS))


def billed(
    connection: sa.Connection, account: str, projects: Collection[str], first: date, last: date
) -> Sequence[Row]:
    """An account's bill by UTC day and currency, of some projects or (none named) of all; lines of tokens alone apart.

    ``unknown`` counts lines whose amount the bill does not say. A day that was read and has no line has a row without currency.
    """
    here = bill_lines.c
    mine = [here.account == bill_days.c.account, here.day == bill_days.c.day, here.currency != ""]
    if projects:
        mine.append(here.project.in_(sorted(projects)))
    statement = (
        sa.select(
            bill_days.c.day,
            sa.func.coalesce(here.currency, "").label("currency"),
            sa.func.sum(here.amount).label("amount"),
            sa.func.sum(here.first_amount).label("first_amount"),
            sa.func.count().filter(here.day.is_not(None), here.amount.is_(None)).label("unknown"),
            sa.func.max(bill_days.c.read_at).label("read_at"),
        )
        .select_from(bill_days.outerjoin(bill_lines, sa.and_(*mine)))
        .where(bill_days.c.account == account, bill_days.c.day.between(first, last))
        .group_by(bill_days.c.day, here.currency)
    )
    return all_rows(connection, statement.order_by(bill_days.c.day))


def metered(connection: sa.Connection, workflows: Collection[str], first: date, last: date) -> Sequence[Row]:
    """What some workflows spent by UTC day, as bills count: by day and currency."""
    sums, day = usage_sums.c, sa.cast(sa.func.timezone("UTC", usage_sums.c.at), sa.Date).label("day")
    statement = (
        sa.select(
            day,
            _CURRENCY,
            sa.func.sum(sums.cost).label("cost"),
            sa.func.coalesce(sa.func.sum(sums.calls).filter(sums.cost.is_(None)), 0).label("unpriced"),
        )
        .select_from(usage_sums.outerjoin(prices, prices.c.id == sums.price_id))
        .where(
            sums.workflow.in_(sorted(workflows)), sums.at >= _midnight(first), sums.at < _midnight(last + timedelta(1))
        )
        .group_by(day, _CURRENCY)
    )
    return all_rows(connection, statement.order_by(day))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

"""How spend runs over time: known costs by quarter of an hour and by day, as numbers to be calculated with.

These are for burn rates and forecasts, not for sums of money: costs come as binary fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

_EPOCH = date(1970, 1, 1)
# LATERAL: one stretch of the primary key for each workflow. Arrays: a row for each model, not for each quarter of an hour.
_STATEMENT = """
SELECT given.workflow, series.model, series.currency, series.ats, series.costs
FROM unnest(CAST(:workflows AS text[]), CAST(:firsts AS {type}[]), CAST(:lasts AS {type}[])) AS given (workflow, first, last)
CROSS JOIN LATERAL (
  SELECT model, currency, array_agg(at) AS ats, array_agg(cost) AS costs FROM (
    SELECT sums.model, prices.currency, {at} AS at, CAST(sum(cost) AS float8) AS cost
    FROM {table} AS sums JOIN prices ON prices.id = price_id
    WHERE sums.workflow = given.workflow AND {time} >= first AND {time} < last AND cost IS NOT NULL GROUP BY 1, 2, 3
  ) AS points GROUP BY model, currency
) AS series
"""
_QUARTERS = sa.text(
    _STATEMENT.format(
        type="timestamptz", table="usage_sums", time="sums.at", at="CAST(extract(epoch FROM sums.at) / 900 AS int)"
    )
)
_DAYS = sa.text(_STATEMENT.format(type="date", table="usage_days", time="day", at="day - date '1970-01-01'"))


@dataclass(frozen=True, slots=True)
class Series:
    """What calls of a workflow to a model have cost in a currency, by quarters of an hour or days since the epoch."""

    workflow: str
    model: str
    currency: str
    costs: Mapping[int, float]


class Paces:
    """The series of many workflows at once. What was written since the sums were made is not in them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def workflows(self) -> Sequence[str]:
        """Every workflow that has ever had a call, declared or not."""
        return list(self._connection.scalars(sa.text("SELECT workflow FROM usage_zones ORDER BY workflow")))

    def quarters(self, asked: Mapping[str, tuple[datetime, datetime]]) -> Sequence[Series]:
        """By workflow, from the first of two moments to before the second."""
        return self._read(
            _QUARTERS, list(asked), [pair[0] for pair in asked.values()], [pair[1] for pair in asked.values()]
        )

    def days(self, asked: Mapping[str, tuple[date, date]]) -> Sequence[Series]:
        """By workflow, in the days of its own calendar, from the first to before the second."""
        return self._read(
            _DAYS, list(asked), [pair[0] for pair in asked.values()], [pair[1] for pair in asked.values()]
        )

    def _read(
        self, statement: sa.TextClause, workflows: list[str], firsts: Sequence[date], lasts: Sequence[date]
    ) -> Sequence[Series]:
        if not workflows:
            return ()
        rows = self._connection.execute(statement, {"workflows": workflows, "firsts": firsts, "lasts": lasts})
        return [
            Series(row.workflow, row.model, row.currency, dict(zip(row.ats, row.costs, strict=True))) for row in rows
        ]


def as_date(day: int) -> date:
    """The day of a number of days since the epoch."""
    return _EPOCH + timedelta(days=day)

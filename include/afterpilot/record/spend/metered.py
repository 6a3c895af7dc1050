"""Reads the sums of calls; see :mod:`afterpilot.record.spend.metering`. What was written since they were made is not in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.metered import DaySpan, Metered, Span

_SUMS = (
    "sum(calls) AS calls, sum(cost) AS cost, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, "
    "sum(cached_tokens) AS cached_tokens"
)
# usage_zones has a row for each workflow that ever had a call. LATERAL: one stretch of the primary key for each span. A price's
# words are looked up once for each sum, not for each quarter of an hour.
_STATEMENT = """
WITH given AS (
  SELECT * FROM unnest(CAST(:workflows AS text[]), CAST(:firsts AS {type}[]), CAST(:lasts AS {type}[]))
    WITH ORDINALITY AS each (workflow, first, last, number)
), wanted AS (
  SELECT * FROM given WHERE workflow IS NOT NULL
  UNION ALL
  SELECT usage_zones.workflow, first, last, number FROM given CROSS JOIN usage_zones WHERE given.workflow IS NULL
), summed AS (
  SELECT number, wanted.workflow, each.* FROM wanted CROSS JOIN LATERAL (
    SELECT {day} AS day, kind, model, price_id, {sums} FROM {table}
    WHERE workflow = wanted.workflow AND {time} >= first AND {time} {before} last GROUP BY 1, 2, 3, 4
  ) AS each
)
SELECT number, day, workflow, kind, summed.model, coalesce(currency, '') AS currency, coalesce(source, '') AS source,
  coalesce(reason, 'nobody has priced it yet') AS reason, {sums}
FROM summed LEFT JOIN prices ON prices.id = price_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
"""
_BY_TIME = {"type": "timestamptz", "table": "usage_sums", "time": "at", "before": "<", "sums": _SUMS}
_BY_DAY = {"type": "date", "table": "usage_days", "time": "day", "before": "<=", "sums": _SUMS}
_SPANS = sa.text(_STATEMENT.format(day="CAST(NULL AS date)", **_BY_TIME))
_UTC_DAYS = sa.text(_STATEMENT.format(day="CAST(at AT TIME ZONE 'UTC' AS date)", **_BY_TIME))
_DAY_SPANS = sa.text(_STATEMENT.format(day="CAST(NULL AS date)", **_BY_DAY))
_EACH_DAY = sa.text(_STATEMENT.format(day="day", **_BY_DAY))


class MeteredCalls:
    """The sums of all workflows' calls: many spans in one statement, each apart."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def spans(self, spans: Sequence[Span], *, each_day: bool = False) -> Sequence[Metered]:
        """The sums of spans of time; ``each_day``: by day in UTC, as bills are."""
        return self._read(_UTC_DAYS if each_day else _SPANS, spans, [(span.start, span.end) for span in spans])

    def days(self, spans: Sequence[DaySpan], *, each_day: bool = False) -> Sequence[Metered]:
        """The sums of days of the workflows' own calendars; ``each_day``: by day."""
        return self._read(_EACH_DAY if each_day else _DAY_SPANS, spans, [(span.first, span.last) for span in spans])

    def _read(
        self, statement: sa.TextClause, spans: Sequence[Span] | Sequence[DaySpan], ends: Sequence[tuple[Any, Any]]
    ) -> Sequence[Metered]:
        if not spans:
            return ()
        given = {
            "workflows": [span.workflow for span in spans],
            "firsts": [first for first, _ in ends],
            "lasts": [last for _, last in ends],
        }
        return [_metered(row, spans[row.number - 1].label) for row in self._connection.execute(statement, given)]


def _metered(row: sa.Row[Any], label: str) -> Metered:
    return Metered(
        row.workflow,
        row.kind,
        row.model,
        row.currency,
        row.source,
        row.reason,
        int(row.calls),
        row.cost,
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        cached_tokens=int(row.cached_tokens),
        label=label,
        day=row.day,
    )

"""Quarters of an hour (UTC), by which calls are summed, and the marks that say which of them are to be summed anew."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

QUARTER = "date_bin('15 minutes', {}, '2000-01-01 00:00+00')"  # the quarter that a moment lies in, in SQL
_MARK = sa.text(
    "INSERT INTO usage_changes (workflow, quarter) SELECT :workflow, unnest(CAST(:quarters AS timestamptz[]))"
)


def quarter_of(moment: datetime) -> datetime:
    """The beginning of the quarter that the moment lies in. Time zones differ by whole quarters."""
    return moment.replace(minute=moment.minute - moment.minute % 15, second=0, microsecond=0)


def mark(connection: sa.Connection, workflow: str, quarters: Collection[datetime]) -> None:
    """Have quarters summed anew, once this transaction is committed: calls of them were written or changed in it."""
    if quarters:
        connection.execute(_MARK, {"workflow": workflow, "quarters": sorted(quarters)})

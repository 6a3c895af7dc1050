"""Silences: what a person wants kept and not sent, for a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.alerting import Silence
from afterpilot.record.tables import silences


class Silences:
    """The silences of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def holding(self, at: datetime) -> Sequence[Silence]:
        """Those that hold at this moment, in the order in which they end."""
        statement = sa.select(silences).where(silences.c.starts_at <= at, silences.c.ends_at > at)
        return [_silence(row) for row in self._connection.execute(statement.order_by(silences.c.ends_at))]


def _silence(row: sa.Row[Any]) -> Silence:
    return Silence(row.id, row.workflow, row.kind, row.by, row.reason, row.starts_at, row.ends_at)

"""Beats: the last pass of everything that must keep passing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from afterpilot.domain.watching import Beat
from afterpilot.record.plain import plain
from afterpilot.record.tables import beats


class Beats:
    """One row for each name."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def beat(self, name: str, *, at: datetime, detail: Mapping[str, Any] | None = None) -> None:
        """It has passed; an older pass that is written late changes nothing."""
        statement = insert(beats).values(name=name, at=at, detail=plain(detail or {}))
        new = statement.excluded
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["name"], set_={"at": new.at, "detail": new.detail}, where=beats.c.at <= new.at
            )
        )

    def all(self) -> Mapping[str, Beat]:
        """Every beat by its name."""
        rows = self._connection.execute(sa.select(beats.c.name, beats.c.at, beats.c.detail))
        return {row.name: Beat(row.name, row.at, row.detail) for row in rows}

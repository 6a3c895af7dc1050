"""What answers for a workflow, one row for each change: by probes and by runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from afterpilot.domain.storable import storable
from afterpilot.record.plain import plain
from afterpilot.record.tables import fingerprints


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest fingerprint of a workflow; ``failures`` counts the probes in a row that nothing answered, ``error`` is the last one's."""

    id: int
    fingerprint: Mapping[str, Any]
    first_seen_at: datetime
    last_seen_at: datetime
    error: str
    failures: int


class Fingerprints:
    """The fingerprints of all workflows."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lock(self, workflow: str) -> None:
        """Let no other transaction change fingerprints of this workflow until this one ends."""
        statement = sa.text("SELECT pg_advisory_xact_lock(hashtext('fingerprints'), hashtext(:workflow))")
        self._connection.execute(statement, {"workflow": workflow})

    def newest(self, workflow: str) -> Seen | None:
        """The latest one, or None where nothing was ever seen."""
        return next(iter(self.latest(workflow, limit=1)), None)

    def latest(self, workflow: str, *, limit: int) -> Sequence[Seen]:
        """The latest ones, oldest first."""
        statement = sa.select(fingerprints).where(fingerprints.c.workflow == workflow)
        rows = self._connection.execute(statement.order_by(fingerprints.c.id.desc()).limit(limit)).all()
        return [
            Seen(row.id, row.fingerprint, row.first_seen_at, row.last_seen_at, row.error, row.failures)
            for row in reversed(rows)
        ]

    def add(
        self, workflow: str, fingerprint: Mapping[str, Any], *, at: datetime, failures: int = 0, error: str = ""
    ) -> None:
        """A new one."""
        self._connection.execute(
            sa.insert(fingerprints).values(
                workflow=workflow,
                fingerprint=plain(fingerprint),
                first_seen_at=at,
                last_seen_at=at,
                failures=failures,
                error=storable(error),
            )
        )

    def again(self, seen: Seen, *, at: datetime) -> None:
        """The latest one answers still."""
        self._update(seen, last_seen_at=at, failures=0, error="")

    def learned(self, seen: Seen, fingerprint: Mapping[str, Any]) -> None:
        """The latest one holds more than was known of it; that is no change."""
        self._update(seen, fingerprint=plain(fingerprint))

    def failed(self, seen: Seen, error: str) -> None:
        """Nothing answered this time."""
        self._update(seen, failures=seen.failures + 1, error=storable(error))

    def _update(self, seen: Seen, **values: object) -> None:
        self._connection.execute(sa.update(fingerprints).where(fingerprints.c.id == seen.id).values(**values))

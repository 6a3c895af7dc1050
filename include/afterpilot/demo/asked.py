"""What the example's people are asked for: the gate's spot checks, and decisions that nobody has seen yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from afterpilot.domain.review import SpotCheck
from afterpilot.record.tables import gate_decisions, review_items, watermarks
from afterpilot.review.sampling import is_picked


def nothing(_key: str) -> bool:
    """No output is a spot check."""
    return False


@dataclass(frozen=True, slots=True)
class Asked:
    """Which outputs are spot checks, by key, and up to when decisions were pulled already; None before the first pull."""

    spot_check: Callable[[str], bool] = nothing
    pulled_to: datetime | None = None

    def entered(self, decided_at: datetime, now: datetime) -> datetime:
        """When a decision that is added now counts as made: not in a time that nobody looks at again."""
        return now if self.pulled_to is not None and decided_at <= self.pulled_to else decided_at


def asked_by(ops_url: str, workflow: str, terms: SpotCheck) -> Asked:
    """What the ops database says. The spot checks are those of the review queue; before the gate has decided on anything, those
    that it is going to pick, which follow from the keys.
    """
    engine = sa.create_engine(ops_url)
    try:
        with engine.connect() as connection:
            if not _decided(connection, workflow):
                return Asked(lambda key: is_picked(workflow, key, terms.share))
            given = (review_items.c.workflow == workflow, review_items.c.reason == "spot_check")
            keys = set(connection.scalars(sa.select(review_items.c.key).where(*given)))
            pulled = connection.scalar(sa.select(watermarks.c.pulled_to).where(watermarks.c.workflow == workflow))
            return Asked(keys.__contains__, pulled)
    finally:
        engine.dispose()


def _decided(connection: sa.Connection, workflow: str) -> bool:
    """Whether the gate has decided on any output of the workflow; the tables may not be there yet."""
    if not all(sa.inspect(connection).has_table(table.name) for table in (gate_decisions, review_items, watermarks)):
        return False
    first = sa.select(gate_decisions.c.key).where(gate_decisions.c.workflow == workflow).limit(1)
    return connection.scalar(first) is not None

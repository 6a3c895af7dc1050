"""Which outputs the gate asks the example's people to look at all the same: its spot checks."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from afterpilot.domain.review import SpotCheck
from afterpilot.record.tables import gate_decisions, review_items
from afterpilot.review.sampling import is_picked


def spot_checks(ops_url: str, workflow: str, terms: SpotCheck) -> Callable[[str], bool]:
    """Whether an output is a spot check, by key: those of the review queue; before the gate has decided on anything, those that
    it is going to pick, which follow from the keys.
    """
    engine = sa.create_engine(ops_url)
    try:
        with engine.connect() as connection:
            if not _decided(connection, workflow):
                return lambda key: is_picked(workflow, key, terms.share)
            asked = (review_items.c.workflow == workflow, review_items.c.reason == "spot_check")
            keys = set(connection.scalars(sa.select(review_items.c.key).where(*asked)))
            return keys.__contains__
    finally:
        engine.dispose()


def _decided(connection: sa.Connection, workflow: str) -> bool:
    """Whether the gate has decided on any output of the workflow; the tables may not be there yet."""
    if not all(sa.inspect(connection).has_table(table.name) for table in (gate_decisions, review_items)):
        return False
    first = sa.select(gate_decisions.c.key).where(gate_decisions.c.workflow == workflow).limit(1)
    return connection.scalar(first) is not None

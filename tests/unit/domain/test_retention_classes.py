"""Classes of data, months, holds and removals in words."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from afterpilot.domain.retention import CLASSES, LEGAL_MINIMUM, STAYS, Hold, Removal, Retention, goes_at, month_end
from afterpilot.record import partitions
from afterpilot.record.retention import expiring
from afterpilot.record.tables import metadata

DAY = datetime(2026, 3, 10, tzinfo=UTC)


def _hold(workflow: str = "w", start: datetime | None = None, end: datetime | None = None) -> Hold:
    return Hold(uuid.UUID(int=1), workflow, start, end, "r", "Dana", DAY)


def test_every_table_has_a_class_or_a_reason_to_stay() -> None:
    """A new one says how long it is kept."""
    classed = [table for one in CLASSES.values() for table in one.tables]
    assert len(classed) == len(set(classed)), "a table of two classes"
    assert set(classed) & STAYS.keys() == set()
    assert set(classed) | STAYS.keys() == set(metadata.tables)


def test_every_partitioned_table_goes_by_months_and_every_other_one_by_rows() -> None:
    """Of what is declared to go row by row each has its condition, but for what goes with something else."""
    assert {table for one in CLASSES.values() for table in one.partitions} == set(partitions.PARTITIONED)
    rows = {table for one in CLASSES.values() for table in one.rows}
    assert rows - expiring.TABLES.keys() == {"seen_values", "usage_days"}
    assert expiring.TABLES.keys() - rows == {"records"}


def test_no_log_is_kept_shorter_than_the_law_asks_unless_somebody_says_otherwise() -> None:
    logs = [one for one in CLASSES.values() if one.name != "records"]
    assert all(one.minimum >= LEGAL_MINIMUM for one in logs)
    assert all(one.days is None or one.days >= one.minimum for one in CLASSES.values())


@pytest.mark.parametrize(
    ("month", "end"), [(date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 12, 1), date(2027, 1, 1))], ids=str
)
def test_a_month_goes_so_many_days_after_its_end(month: date, end: date) -> None:
    moment = datetime(end.year, end.month, end.day, tzinfo=UTC)
    assert month_end(month) == moment
    assert goes_at(month, 183) == moment + timedelta(days=183)


def test_holds_and_removals_read_as_sentences() -> None:
    assert _hold("", DAY, DAY + timedelta(days=1)).covered == "all workflows from 2026-03-10 to 2026-03-11"
    assert Removal("runs", "findings", 3, DAY.date()).what == "findings of 2026-03"
    assert Removal("messages", "outbox", 3, before=DAY, workflow="w").what == "outbox of w before 2026-03-10"


def test_what_is_not_said_has_its_default() -> None:
    assert Retention({"runs": 500}).of("runs") == 500
    assert Retention().of("runs") == CLASSES["runs"].days
    assert Retention().of("ledger") is None

"""How workflows are put into batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.utils.types import DagRunType
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.orchestration import context
from afterpilot.orchestration.batches import MOST_BATCHES, name, nonempty, split

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]
AT = datetime(2026, 11, 23, 6, tzinfo=UTC)


@given(st.integers(min_value=0, max_value=1500))
def test_every_workflow_is_in_exactly_one_batch(count: int) -> None:
    """Nothing is lost or doubled, and no DAG run grows beyond its bound."""
    slugs = [f"w{number}" for number in range(count)]
    parts = split(slugs)
    assert [slug for part in parts for slug in part] == slugs
    assert len(parts) <= MOST_BATCHES
    assert max(map(len, parts), default=0) - min(map(len, parts), default=0) <= 1


def test_a_label_stays_short() -> None:
    """The first three names, then how many more."""
    assert name(["a"]) == "a"
    assert name(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_only_batches_that_hold_something_go_on() -> None:
    """What a failed task left is None; a batch is labelled by what is left in it."""
    probed = [{"label": "a, b", "workflows": ["b"]}, None, {"label": "c", "workflows": []}]
    assert nonempty(probed) == [{"label": "b", "workflows": ["b"]}]
    assert nonempty([]) == []


@pytest.mark.parametrize(
    ("kind", "interval_end", "due"),
    [
        (DagRunType.SCHEDULED, AT, AT),
        (DagRunType.SCHEDULED, None, AT - timedelta(minutes=1)),
        (DagRunType.MANUAL, AT, None),
        (DagRunType.BACKFILL_JOB, AT, None),
    ],
)
def test_only_what_the_schedule_started_fell_due(
    monkeypatch: pytest.MonkeyPatch, kind: DagRunType, interval_end: datetime | None, due: datetime | None
) -> None:
    """By Airflow's own kinds of runs."""
    run = SimpleNamespace(run_type=kind, data_interval_end=interval_end, run_after=AT - timedelta(minutes=1))
    monkeypatch.setattr(context, "get_current_context", lambda: {"dag_run": run})
    assert context.fell_due() == due

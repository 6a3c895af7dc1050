"""How workflows are put into batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.orchestration.batches import MOST_BATCHES, name, nonempty, split

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]


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

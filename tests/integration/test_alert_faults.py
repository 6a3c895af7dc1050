"""Alerts while senders are killed, the database crashes and Slack fails: counted from the workspace's own log; the big run is a benchmark."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is no part of the package

from benchmarks.alerts import latency, naive, outage, storm

pytestmark = pytest.mark.integration
SMALL = storm.Storm(alerts=60, kills=4, crashes=1, channels=10, processes=2, between=0.4)
PLAIN = storm.Storm(alerts=60, kills=3, crashes=0, channels=10, processes=1, between=0.3, opened=1.0, details=0.0)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One with a path that is short enough for a socket."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="ap") as made:
        yield Path(made)


def test_nothing_is_lost_or_doubled_in_a_storm(folder: Path) -> None:
    """Senders are killed, PostgreSQL crashes, replies are lost, Slack limits: each message, its details and each line stand once."""
    found = storm.run(folder, SMALL)
    assert (found.lost, found.doubled, found.stale) == (0, 0, 0)
    assert set(found.states) <= {"sent", "superseded"}
    assert sum(found.states.values()) == SMALL.alerts
    assert found.said["early"] == 0
    assert found.said["lost"] + found.said["broken"] + found.said["limited"] > 0


@pytest.mark.parametrize(("work", "what"), [(naive.mark_at_end, "doubled"), (naive.fire_once, "lost")])
def test_the_count_sees_what_others_lose_and_double(folder: Path, work: object, what: str) -> None:
    """A sender that marks its batch at the end doubles, one that fires once loses."""
    found = storm.run(folder, PLAIN, work=work)  # type: ignore[arg-type] # one of the two above
    assert getattr(found, what) > 0


def test_after_an_outage_the_critical_ones_are_told_first_and_no_channel_is_pressed(folder: Path) -> None:
    """A post in each channel at a time, at its pace, and none while the channel has asked to wait."""
    found = outage.run(folder, alerts=60, channels=10, pace=0.3, held=2.0)
    assert (found.lost, found.doubled, found.early, found.too_many) == (0, 0, 0, 0)
    assert found.criticals_told < found.all_told


def test_every_stage_that_ends_is_told_by_its_own_process(folder: Path) -> None:
    """Without any sweep."""
    assert latency.run(folder, stages=12, between=0.05).missing == 0

"""How long data is kept, as a fleet says it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterpilot.declare import load
from afterpilot.domain.retention import CLASSES, LEGAL_MINIMUM, Retention
from afterpilot.domain.workflow import Declarations


def _loaded(good: Path, text: str) -> Declarations:
    path = good / "_fleet.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}{text}", encoding="utf-8")
    return load(good)


def _retention(loaded: Declarations) -> Retention:
    assert loaded.fleet is not None
    return loaded.fleet.retention


def test_days_weeks_and_years_are_read_and_what_is_not_said_has_its_default(good: Path) -> None:
    loaded = _loaded(good, "retention: {records: 30d, samples: 30w, runs: 2y, ledger: 10y}\n")
    kept = _retention(loaded)
    assert not loaded.problems
    assert kept.whole
    assert [kept.of(name) for name in ("records", "samples", "runs", "ledger")] == [30, 210, 732, 3660]
    assert kept.of("messages") == CLASSES["messages"].days


def test_the_ledger_is_kept_for_good_unless_somebody_says_otherwise(good: Path) -> None:
    assert _retention(load(good)).of("ledger") is None


@pytest.mark.parametrize("name", [one.name for one in CLASSES.values() if one.minimum])
def test_logs_are_kept_for_the_legal_minimum(good: Path, name: str) -> None:
    """One day less is refused with file and line, and nothing is removed until it is mended; the class's minimum itself is taken."""
    lines = (good / "_fleet.yaml").read_text(encoding="utf-8").count("\n")
    loaded = _loaded(good, f"retention:\n  {name}: {LEGAL_MINIMUM - 1}d\n")
    (problem,) = loaded.problems
    assert (problem.file, problem.line, problem.key) == ("_fleet.yaml", lines + 2, f"retention.{name}")
    assert "shorter than logs have to be kept" in problem.text
    assert "articles 19 and 26" in problem.hint
    assert not _retention(loaded).whole
    assert _retention(_loaded(good, "")).of(name) == CLASSES[name].days
    path = good / "_fleet.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(f"{LEGAL_MINIMUM - 1}d", f"{CLASSES[name].minimum}d"))
    assert not load(good).problems


def test_calls_are_kept_for_as_long_as_a_cap_may_reach_back(good: Path) -> None:
    """A cap over 366 days must never see less than was spent."""
    (problem,) = _loaded(good, "retention: {usage: 399d}\n").problems
    assert "caps may reach back" in problem.text


def test_records_may_go_after_a_day(good: Path) -> None:
    """They are no log."""
    assert _retention(_loaded(good, "retention: {records: 1d}\n")).of("records") == 1


@pytest.mark.parametrize(
    "text", ["retention: {runs: 11y}", "retention: {runs: 0y}", "retention: {runs: soon}", "retention: [1]"]
)
def test_what_cannot_be_read_is_told_and_removes_nothing(good: Path, text: str) -> None:
    loaded = _loaded(good, text + "\n")
    assert loaded.problems
    assert not _retention(loaded).whole


def test_a_key_at_the_top_that_may_be_a_misspelt_retention_removes_nothing(good: Path) -> None:
    loaded = _loaded(good, "retenton: {runs: 10y}\n")
    assert "did you mean 'retention'?" in loaded.problems[0].hint
    assert not _retention(loaded).whole

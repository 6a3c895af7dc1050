"""Obligations: a record that is not there is a gap, whatever else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from afterpilot.decide.obligations import (
    SOURCES,
    Ask,
    Evidence,
    Found,
    Gap,
    NotMeasured,
    Source,
    answer,
    answers,
    counted,
    coverage,
    kept,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAY = timedelta(days=1)
RUNS = Ask("runs", "runs", "run it")


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: str(one.key))
def test_without_any_record_nothing_is_found(source: Source) -> None:
    """Of a workflow without any record no source has a line that is found: all are gaps, or not ours to show."""
    lines = [line for _, those in answers(source, {}) for line in those]
    assert lines
    assert not any(isinstance(line, Found) for line in lines)


def test_every_line_says_on_which_basis_and_what_would_close_it() -> None:
    """No line stands without the basis of its wording, and no gap without what closes it."""
    for source in SOURCES:
        assert source.note
        for one in source.obligations:
            assert one.basis
            assert all(ask.close for ask in one.asks), one.text


def test_the_four_sources_and_their_lines() -> None:
    """What is asked for by articles 12, 19 and 26, the two controls, MANAGE 4.1 and SOC 2 is there."""
    numbers = {source.name: {one.number for one in source.obligations} for source in SOURCES}
    assert numbers["EU AI Act"] == {"12 (1) and (2)", "19", "26 (6)"}
    assert numbers["ISO/IEC 42001"] == {"A.6.2.6", "A.6.2.8"}
    assert numbers["NIST AI RMF"] == {"MANAGE 4.1"}
    assert "access" in numbers["SOC 2"]


def test_the_date_is_the_one_that_is_known() -> None:
    """The high-risk duties are said to apply from 2 December 2027, as secondary sources have it; no other date is."""
    note = SOURCES[0].note
    assert "2 December 2027" in note
    assert "secondary sources" in note
    assert "2026" not in note.replace("2026/1744", "")


def test_an_answer() -> None:
    """Something on record is found, nothing is a gap, and what has no record of ours is not measured."""
    assert isinstance(answer(RUNS, {"runs": Evidence(3)}), Found)
    assert isinstance(answer(RUNS, {"runs": Evidence(0)}), Gap)
    assert isinstance(answer(RUNS, {"evals": Evidence(3)}), Gap)
    nobody = Ask("appeals", "", "ask those who have them")
    assert isinstance(answer(nobody, {}), NotMeasured)
    assert counted([answer(RUNS, {"runs": Evidence(1)}), answer(RUNS, {}), answer(nobody, {})]) == (1, 1, 1)


def test_coverage_with_a_hole_is_a_gap() -> None:
    """One verdict that did not run, one that is UNKNOWN, or nothing due: none of these counts as covered."""
    assert coverage(10, 10, 0).count == 10
    assert coverage(10, 9, 0).count == 0
    assert coverage(10, 10, 1).count == 0
    assert coverage(0, 0, 0).count == 0
    assert coverage(10, 10, 0, unclear="The schedules are not on record.").count == 0


@pytest.mark.parametrize(
    ("oldest", "declared", "found"),
    [
        (200, 400, True),  # older than six months is there
        (20, 20, True),  # it is young, and all of it is kept
        (20, 400, False),  # it is old, and the rest is gone
        (None, 20, False),
    ],
)
def test_six_months_of_records(oldest: int | None, declared: int, found: bool) -> None:  # noqa: FBT001
    """Records go back six months, or to the workflow's first day; where they do neither it is a gap."""
    when = NOW - oldest * DAY if oldest is not None else None
    assert bool(kept(when, NOW - declared * DAY, NOW).count) is found

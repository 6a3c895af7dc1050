"""What reviewers' work says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from afterpilot.decide.error_rate import error_rate
from afterpilot.decide.reviewing import BLIND, NOT_LOOKED_AT, RISING, judge_reviews
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.sampling import Overrides, Reviewing, Stratum
from afterpilot.domain.verdict import StageResult, Verdict
from doubles.weeks import WORKFLOW

SINCE = datetime(2026, 11, 14, tzinfo=UTC)
QUIET = Overrides(judged=50, overridden=2, judged_before=200, overridden_before=8)
BLINDLY = Reviewing("ann", SINCE, decided=40, accepted=40, timed=40, too_fast=30)
RATE = error_rate([Stratum("", 1000, 50, 50, 1)])


def judged(*reviewers: Reviewing, overrides: Overrides = QUIET, picked: int = 50) -> StageResult:
    """The stage's result."""
    return judge_reviews(WORKFLOW, reviewers, overrides, RATE if picked else None, picked=picked, released=1000)


def test_who_accepts_nearly_all_faster_than_reading_allows_is_named() -> None:
    """With what it means and what to do."""
    result = judged(BLINDLY)
    assert [(one.kind, one.about) for one in result.findings] == [(BLIND, "ann")]
    assert result.findings[0].title == "ann accepted 40 of 40 outputs, 30 of them faster than they can be read"
    assert result.verdict is Verdict.WARN


@pytest.mark.parametrize(
    "reviewer",
    [
        replace(BLINDLY, decided=19, accepted=19, timed=19, too_fast=19),
        replace(BLINDLY, accepted=36),
        replace(BLINDLY, too_fast=15),
        replace(BLINDLY, timed=10, too_fast=10),
    ],
)
def test_few_decisions_corrections_reading_and_unknown_times_raise_no_flag(reviewer: Reviewing) -> None:
    """Only what looks like no looking at all does."""
    assert judged(reviewer).findings == ()


def test_a_rise_of_overrides_beyond_chance_is_a_warning() -> None:
    """12 of 50 after 8 of 200."""
    result = judged(overrides=replace(QUIET, overridden=12))
    assert [one.kind for one in result.findings] == [RISING]
    assert result.findings[0].title == "People override more: 24 % of what they looked at, 4 % before"


@pytest.mark.parametrize(
    "overrides",
    [
        QUIET,
        replace(QUIET, overridden=5),
        replace(QUIET, overridden=0),
        Overrides(3, 3, 0, 0),
        Overrides(0, 0, 100, 5),
        replace(QUIET, overridden=50, overridden_before=200),
    ],
)
def test_no_rise_and_a_rise_by_chance_are_none(overrides: Overrides) -> None:
    """Neither is a fall, nor numbers without a past."""
    assert judged(overrides=overrides).findings == ()


def test_spot_checks_that_nobody_does_are_unknown() -> None:
    """An error rate that rests on nothing is never 0."""
    result = judge_reviews(WORKFLOW, [], Overrides(0, 0, 0, 0), None, picked=30, released=600)
    assert [one.kind for one in result.findings] == [NOT_LOOKED_AT]
    assert result.verdict is Verdict.UNKNOWN
    assert "error rate of the period before UNKNOWN" in result.summary


def test_a_workflow_without_any_spot_check_has_nothing_to_say() -> None:
    """Nothing was released in the period before, or no spot checks are declared: neither is UNKNOWN, and neither says so."""
    quiet = judge_reviews(WORKFLOW, [], Overrides(0, 0, 0, 0), None, picked=0, released=0)
    assert (quiet.verdict, quiet.summary) == (
        Verdict.PASS,
        "0 decisions of people; nothing was released alone in the period before",
    )
    without = replace(WORKFLOW, spot_check=SpotCheck(share=Decimal(0)))
    nobody = judge_reviews(without, [], Overrides(0, 0, 0, 0), None, picked=0, released=500)
    assert (nobody.verdict, nobody.summary) == (Verdict.PASS, "0 decisions of people; no spot checks are declared")


def test_released_outputs_of_which_none_was_picked_leave_the_rate_unknown() -> None:
    """A few outputs, and chance took none: that is not good, it is not known."""
    assert judge_reviews(WORKFLOW, [], Overrides(0, 0, 0, 0), None, picked=0, released=3).verdict is Verdict.UNKNOWN


def test_the_error_rate_stands_in_the_summary_and_in_the_evidence() -> None:
    """With its interval."""
    result = judged(replace(BLINDLY, too_fast=0))
    assert result.summary.startswith(
        "40 decisions of people; 2 of 50 released outputs overridden; error rate of the period before 2 % (95 % interval"
    )
    assert result.evidence["error_rate"]["checked"] == 50
    assert result.evidence["reviewers"][0]["reviewer"] == "ann"

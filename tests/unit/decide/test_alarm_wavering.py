"""Flaky cases and drifting judges: what wavers without the model having changed."""

from __future__ import annotations

from random import Random

import pytest

from afterpilot.decide.alarm import flaky, moved
from afterpilot.decide.paired import Bounds, compare, newcombe, report


def test_a_case_that_passes_half_the_time_is_flaky() -> None:
    """With its share; cases that always or never pass are not."""
    history = {"half": [(1, 1), (0, 1)] * 10, "sound": [(1, 1)] * 20, "hard": [(0, 1)] * 20}
    (found,) = flaky(history)
    assert (found.case, found.passed, found.scored) == ("half", 10, 20)
    assert found.share.low < 0.5 < found.share.high


def test_the_worst_comes_first() -> None:
    """The nearer to a coin, the worse."""
    history = {"now-and-then": [(3, 4)] * 10, "coin": [(2, 4)] * 10}
    assert [case.case for case in flaky(history)] == ["coin", "now-and-then"]


@pytest.mark.parametrize(
    "runs",
    [
        [(1, 1), (0, 1)] * 3,
        [(1, 1)] * 4 + [(0, 1)] + [(1, 1)] * 3,
        [(1, 1)] * 60 + [(0, 1)] + [(1, 1)] * 60,
        [],
        [(0, 0)] * 20,
    ],
)
def test_too_little_is_no_evidence_of_flakiness(runs: list[tuple[int, int]]) -> None:
    """Few samples, a single slip among many, nothing scored."""
    assert flaky({"case": runs}) == ()


def test_a_case_that_broke_once_did_not_waver() -> None:
    """It passed and passed, then failed and failed: that is a change, which the alarm is for."""
    assert flaky({"broke": [(1, 1)] * 10 + [(0, 1)] * 10}) == ()


def test_epochs_of_one_run_can_show_it() -> None:
    """Under one fingerprint it does not matter on which day the samples were drawn."""
    assert [case.case for case in flaky({"case": [(5, 10)]})] == ["case"]


def test_a_judge_that_says_the_same_did_not_move() -> None:
    """Also where one verdict of many turned."""
    then = {f"a{at}": at % 3 > 0 for at in range(60)}
    assert not moved(then, then).moved
    assert not moved(then, then | {"a1": False}).moved


def test_a_judge_that_became_stricter_moved() -> None:
    """Eight of twenty frozen answers that passed fail now."""
    then = dict.fromkeys([f"a{at}" for at in range(20)], True)
    now = then | {f"a{at}": False for at in range(8)}
    found = moved(then, now)
    assert found.moved
    assert (len(found.to_fail), found.to_pass, found.answers) == (8, (), 20)


def test_a_judge_that_turned_both_ways_moved_too() -> None:
    """As many to pass as to fail is still more than a steady judge turns."""
    then = {f"a{at}": at % 2 == 0 for at in range(40)}
    now = then | {f"a{at}": at % 2 == 1 for at in range(12)}
    assert moved(then, now).moved


def test_a_steady_judge_is_rarely_accused() -> None:
    """At most 1 % of readings, by simulation, where it turns 2 % of its verdicts."""
    random = Random(5)  # noqa: S311 - drawn, not guessed
    then = dict.fromkeys([f"a{at}" for at in range(20)], True)
    accused = sum(moved(then, {a: random.random() > 0.02 for a in then}).moved for _ in range(2000))
    assert accused <= 20


def test_a_judge_without_a_common_answer_is_not_accused() -> None:
    """Nothing was compared; and a share of noise must be one."""
    assert not moved({"a": True}, {"b": False}).moved
    with pytest.raises(ValueError, match="noise"):
        moved({}, {}, noise=1.0)


def test_newcombe_equals_the_reference() -> None:
    """His paper's method 10 for 20, 12, 2 and 16 of 50 pairs: 0.0562 to 0.3292."""
    bounds = newcombe(20, 12, 2, 50)
    assert (bounds.low, bounds.high) == pytest.approx((0.0562, 0.3292), abs=5e-5)


def test_newcombe_turns_with_the_runs() -> None:
    """What one reads as a drop, the other reads as a gain."""
    one, other = newcombe(80, 12, 3, 100), newcombe(80, 3, 12, 100)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_newcombe_holds_the_truth_as_often_as_it_says() -> None:
    """In 95 % of a thousand pairs of runs, less three standard errors."""
    random, held = Random(2), 0  # noqa: S311 - drawn, not guessed
    for _ in range(1000):
        kinds = random.choices(("kept", "broken", "fixed", "neither"), (80, 10, 4, 6), k=100)
        bounds = newcombe(kinds.count("kept"), kinds.count("broken"), kinds.count("fixed"), 100)
        held += bounds.low <= 0.06 <= bounds.high
    assert held >= 930


def test_counts_that_are_no_split_are_refused() -> None:
    """More than there are cases; nothing to compare says nothing."""
    with pytest.raises(ValueError, match="no split"):
        newcombe(50, 40, 20, 100)
    assert newcombe(0, 0, 0, 0) == Bounds(-1.0, 1.0)


def test_the_report_of_two_runs_is_one_sentence() -> None:
    """Drop, interval, exact test, what changed."""
    before = {f"c{at:02}": at < 90 for at in range(100)}
    now = before | {f"c{at:02}": False for at in range(12)} | {"c95": True}
    assert report(compare(now, before)) == (
        "11 points worse over 100 cases (95 % interval -18.7 to -4.0 points; exact McNemar p 0.0034: more than chance);"
        " 12 broke, 1 were fixed."
    )
    assert "better" in report(compare(before, now))
    assert report(compare(before, before)).startswith("No difference over 100 cases")
    assert "nothing can be compared" in report(compare({}, before))

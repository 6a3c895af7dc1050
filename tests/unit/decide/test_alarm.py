"""The regression alarm on one workflow: what it says, when it is over, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from random import Random

import pytest

from afterpilot.decide.alarm import (
    Alarm,
    AlarmSettings,
    Detectable,
    Kind,
    RunOutcome,
    State,
    detectable,
    judge,
    suspicious,
)

SETTINGS = AlarmSettings()
APPROVED = date(2026, 1, 31)
TRUTH = {f"case-{at:03}": 0.99 if at < 70 else 0.8 if at < 90 else 0.4 for at in range(100)}
BROKEN = TRUTH | dict.fromkeys(["case-003", "case-017", "case-029", "case-041", "case-066"], 0.02)


def run(day: int, truth: dict[str, float], *, seed: int = 0, epochs: int = 1) -> RunOutcome:
    random = Random(f"{day} {seed}")  # noqa: S311 - drawn, not guessed
    counts = {case: (sum(random.random() < chance for _ in range(epochs)), epochs) for case, chance in truth.items()}
    return RunOutcome(APPROVED + timedelta(day), counts)


def runs(days: range, truth: dict[str, float], **options: int) -> list[RunOutcome]:
    return [run(day, truth, **options) for day in days]


BASELINE = runs(range(-29, 1), TRUTH)


@cache
def slice_alarm() -> Alarm:
    return judge(BASELINE, [*runs(range(1, 20), TRUTH), *runs(range(20, 23), BROKEN)], SETTINGS)


def test_nothing_changed_says_nothing() -> None:
    """Sixty days of the same model: no alarm, no drop, no case to run again."""
    alarm = judge(BASELINE, runs(range(1, 61), TRUTH), SETTINGS)
    assert (alarm.state, alarm.drop, alarm.broken, suspicious(alarm)) == (State.NONE, None, (), ())
    assert len(alarm.history) == alarm.days == 60


def test_no_run_since_the_approval_is_no_evidence() -> None:
    """The baseline alone proves nothing."""
    alarm = judge(BASELINE, [], SETTINGS)
    assert (alarm.state, alarm.evidence, alarm.days) == (State.NONE, 0.0, 0)


def test_a_broken_slice_is_named_with_its_cases_and_its_day() -> None:
    """Five of a hundred cases break on day 20: an alarm by day 22 that says which, since when, and how much."""
    alarm = slice_alarm()
    assert (alarm.state, alarm.kind, alarm.since) == (State.ALARM, Kind.SLICE, APPROVED + timedelta(20))
    accused = [case for case, _ in alarm.broken]
    assert set(accused[:5]) == {case for case, chance in BROKEN.items() if chance == 0.02}
    assert len(accused) <= 6  # a wavering case that happened to fail three times may be among them, last
    assert alarm.raised is not None
    assert alarm.raised <= APPROVED + timedelta(21)
    assert alarm.low is not None
    assert alarm.high is not None
    assert alarm.low <= 0.05 <= alarm.high
    assert alarm.evidence > alarm.threshold == pytest.approx(3650)
    assert alarm.false_alarms_per_year == pytest.approx(0.1)


def test_a_uniform_drop_is_called_uniform() -> None:
    """All cases slip by some 10 points: no single case is accused."""
    slipped = {case: chance - 0.1 for case, chance in TRUTH.items()}
    alarm = judge(BASELINE, [*runs(range(1, 20), TRUTH), *runs(range(20, 30), slipped)], SETTINGS)
    assert (alarm.state, alarm.kind, alarm.broken) == (State.ALARM, Kind.UNIFORM, ())
    assert alarm.since is not None
    assert abs(alarm.since - (APPROVED + timedelta(20))) <= timedelta(1)
    assert alarm.drop == pytest.approx(0.1, abs=0.04)


def test_getting_better_is_no_alarm() -> None:
    """Ten points more, for thirty days."""
    better = {case: min(chance + 0.1, 1.0) for case, chance in TRUTH.items()}
    assert judge(BASELINE, runs(range(1, 31), better), SETTINGS).state is State.NONE


def test_an_alarm_stays_until_the_drop_is_over_and_starts_anew() -> None:
    """It stays open while the cases fail, is over within days of their recovery, and finds the next drop again."""
    broke = [*runs(range(1, 20), TRUTH), *runs(range(20, 50), BROKEN)]
    open_alarm = judge(BASELINE, broke, SETTINGS)
    assert (open_alarm.state, open_alarm.recovered) == (State.ALARM, None)
    assert open_alarm.since == APPROVED + timedelta(20)

    mended = [*broke, *runs(range(50, 60), TRUTH)]
    over = judge(BASELINE, mended, SETTINGS)
    assert (over.state, over.raised) == (State.NONE, None)
    assert over.recovered is not None
    assert timedelta(50) < over.recovered - APPROVED <= timedelta(53)

    again = judge(BASELINE, [*mended, *runs(range(60, 63), BROKEN)], SETTINGS)
    assert (again.state, again.since) == (State.ALARM, APPROVED + timedelta(60))


def test_one_good_day_is_no_recovery() -> None:
    """The alarm stays open over a single day on which the cases pass."""
    since = [*runs(range(1, 10), TRUTH), *runs(range(10, 20), BROKEN), run(20, TRUTH), *runs(range(21, 24), BROKEN)]
    assert judge(BASELINE, since[:20], SETTINGS).state is State.ALARM
    assert judge(BASELINE, since, SETTINGS).raised == judge(BASELINE, since[:12], SETTINGS).raised


def test_the_order_of_the_runs_does_not_matter() -> None:
    """They are put in order by their day."""
    since = [*runs(range(1, 20), TRUTH), *runs(range(20, 23), BROKEN)]
    assert judge(BASELINE[::-1], since[::-1], SETTINGS) == judge(BASELINE, since, SETTINGS)


def test_a_watch_names_the_cases_to_run_again_and_a_rerun_settles_it() -> None:
    """A few failures of sound cases on one day are run again that day: passing clears them, failing raises the alarm."""
    quiet = runs(range(1, 20), TRUTH)
    hurt = {f"case-{at:03}": (0, 1) for at in (3, 17, 29)}
    first = RunOutcome(APPROVED + timedelta(20), dict(run(20, TRUTH).outcomes) | hurt)
    watched = judge(BASELINE, [*quiet, first], SETTINGS)
    assert watched.state is State.WATCH
    again = suspicious(watched)
    assert set(hurt) <= set(again)
    assert len(again) < 20

    passing = RunOutcome(first.day, dict.fromkeys(again, (1, 1)))
    assert judge(BASELINE, [*quiet, first, passing], SETTINGS).evidence < watched.evidence / 2
    failing = RunOutcome(first.day, {case: (int(case not in hurt), 1) for case in again})
    assert judge(BASELINE, [*quiet, first, failing, failing], SETTINGS).state is State.ALARM


def test_reruns_of_a_bad_day_share_its_wobble() -> None:
    """A moderately bad day stays one bad day, however often it is run again; on as many days it is an alarm."""
    quiet = runs(range(1, 20), TRUTH)
    bad = {case: chance * 0.955 for case, chance in TRUTH.items()}
    one_day = [replace(run(20, bad, seed=seed), day=APPROVED + timedelta(20)) for seed in range(10)]
    ten_days = [replace(each, day=APPROVED + timedelta(20 + at)) for at, each in enumerate(one_day)]
    once = judge(BASELINE, [*quiet, *one_day], SETTINGS)
    spread = judge(BASELINE, [*quiet, *ten_days], SETTINGS)
    assert spread.evidence > 10 * once.evidence


def test_cases_that_are_missing_or_new_say_nothing() -> None:
    """A case that the harness could not score is no failure, and one that the baseline does not know is ignored."""
    whole = runs(range(1, 15), TRUTH)
    fewer = [
        replace(each, outcomes={case: it for case, it in each.outcomes.items() if case > "case-009"}) for each in whole
    ]
    assert judge(BASELINE, fewer, SETTINGS).state is State.NONE
    unscored = [replace(each, outcomes=dict(each.outcomes) | {"case-003": (0, 0)}) for each in whole]
    gone = [replace(each, outcomes={c: it for c, it in each.outcomes.items() if c != "case-003"}) for each in whole]
    assert judge(BASELINE, unscored, SETTINGS) == judge(BASELINE, gone, SETTINGS)
    newer = [replace(each, outcomes=dict(each.outcomes) | {"new": (0, 5)}) for each in whole]
    assert judge(BASELINE, newer, SETTINGS) == judge(BASELINE, whole, SETTINGS)


def test_a_day_without_any_known_case_is_no_day() -> None:
    """It neither counts nor breaks anything."""
    whole = runs(range(1, 5), TRUTH)
    empty = RunOutcome(APPROVED + timedelta(5), {"new": (0, 1)})
    assert judge(BASELINE, [*whole, empty], SETTINGS) == judge(BASELINE, whole, SETTINGS)


def test_epochs_make_it_faster() -> None:
    """Five samples of each case a run tell more than one."""
    slipped = {case: chance - 0.05 for case, chance in TRUTH.items()}
    one = judge(BASELINE, [*runs(range(1, 10), TRUTH), *runs(range(10, 13), slipped)], SETTINGS)
    base = runs(range(-29, 1), TRUTH, epochs=5)
    five = judge(base, [*runs(range(1, 10), TRUTH, epochs=5), *runs(range(10, 13), slipped, epochs=5)], SETTINGS)
    assert five.evidence > one.evidence


@pytest.mark.parametrize("cases", [1, 20])
def test_a_small_suite_with_one_approved_run_does_not_cry(cases: int) -> None:
    """Sixty quiet days on as little as there can be."""
    truth = dict.fromkeys(list(TRUTH)[:cases], 0.9)
    assert judge([run(0, truth)], runs(range(1, 61), truth), SETTINGS).state is State.NONE


def test_a_suite_that_always_passed_notices_that_it_always_fails() -> None:
    """Also where the baseline knows no failure at all."""
    sure = {f"case-{at}": 1.0 for at in range(50)}
    failing = [run(day, dict.fromkeys(sure, 0.0)) for day in (1, 2)]
    assert judge(runs(range(-6, 1), sure), failing, SETTINGS).state is State.ALARM


FEW = {f"case-{at:02}": 1.0 for at in range(24)}
HALF = FEW | dict.fromkeys(list(FEW)[:12], 0.0)


def test_one_approved_run_is_enough_to_see_that_half_of_the_suite_broke() -> None:
    """Twelve of 24 cases fail in the night after the approval: run again the same day, it is an alarm that names them."""
    first = judge([run(0, FEW)], [run(1, HALF)], SETTINGS)
    assert first.state is not State.NONE
    again = replace(run(1, HALF, seed=1), day=APPROVED + timedelta(1))
    alarm = judge([run(0, FEW)], [run(1, HALF), again, again], SETTINGS)
    assert (alarm.state, alarm.kind) == (State.ALARM, Kind.SLICE)
    assert {case for case, _ in alarm.broken} == set(list(FEW)[:12])
    assert alarm.since == APPROVED + timedelta(1)
    assert alarm.drop == pytest.approx(0.5, abs=0.05)


def test_a_suite_that_was_half_sound_from_the_start_is_no_alarm() -> None:
    """The same cases failing as in the one approved run is what was approved."""
    assert judge([run(0, HALF)], runs(range(1, 10), HALF), SETTINGS).state is State.NONE


def test_an_alarm_of_half_of_the_suite_is_over_when_its_cases_pass_again() -> None:
    """Within days, also where one run was approved."""
    broke = runs(range(1, 8), HALF)
    assert judge([run(0, FEW)], broke, SETTINGS).state is State.ALARM
    over = judge([run(0, FEW)], [*broke, *runs(range(8, 14), FEW)], SETTINGS)
    assert (over.state, over.recovered is not None) == (State.NONE, True)


def test_a_slow_slide_is_found_since_the_baseline_never_moves() -> None:
    """A quarter of a point a day, from day 1 on."""
    slide = [
        run(day, {case: max(chance - 0.0025 * day, 0.0) for case, chance in TRUTH.items()}) for day in range(1, 61)
    ]
    assert judge(BASELINE, slide, SETTINGS).state is State.ALARM


def test_what_cannot_be_judged_is_refused() -> None:
    """No scored sample, a run from before the approval, counts that cannot be."""
    with pytest.raises(ValueError, match="no scored case"):
        judge([RunOutcome(APPROVED, {"a": (0, 0)})], [], SETTINGS)
    with pytest.raises(ValueError, match="older than the baseline"):
        judge(BASELINE, [run(-1, TRUTH)], SETTINGS)
    with pytest.raises(ValueError, match="cannot be"):
        RunOutcome(APPROVED, {"a": (2, 1)})


@pytest.mark.parametrize(
    "values", [{"false_alarms_per_year": 0.0}, {"smallest_drop": 0.9}, {"wobble": float("nan")}, {"run_days": 400.0}]
)
def test_settings_outside_their_range_are_refused(values: dict[str, float]) -> None:
    """With the name of the value."""
    with pytest.raises(ValueError, match=next(iter(values))):
        AlarmSettings(**values)


def test_the_threshold_follows_from_the_rate_and_the_days() -> None:
    """A weekly suite needs less evidence for the same rate a year; a stricter rate needs more."""
    assert AlarmSettings().threshold == pytest.approx(3650)
    assert AlarmSettings(run_days=52).threshold == pytest.approx(520)
    assert AlarmSettings(false_alarms_per_year=0.01).threshold == pytest.approx(36500)


def test_what_a_suite_can_find_is_said_beforehand() -> None:
    """A hundred cases find 5 points in days and say so; twenty cases need longer; the same question gets the same answer."""
    large = detectable(BASELINE, SETTINGS)
    few = {case: TRUTH[case] for case in list(TRUTH)[::5]}
    small = detectable(runs(range(-29, 1), few), SETTINGS)
    assert large.median is not None
    assert large.slice_most is not None
    assert large.slice_most <= 3 < large.median <= 14
    assert small.median is None or small.median > large.median
    assert str(large).startswith(
        f"A drop of 5 points is found in a median of {large.median} days with this suite of 100 cases"
    )
    assert detectable(BASELINE, SETTINGS) == large


def test_one_case_and_one_day_are_no_plurals() -> None:
    """Also of a suite that runs on some days only."""
    found = Detectable(cases=1, smallest_drop=0.05, after=14, median=1, most=2, slice_most=None)
    assert "in a median of 1 day with this suite of 1 case, 9 of 10 within 2;" in str(found)
    weekly = replace(found, run_days=52.0)
    assert "in a median of 1 day on which it runs, with this suite of 1 case," in str(weekly)


def test_importing_the_alarm_loads_no_numpy() -> None:
    """DAG files and the command line stay fast: arrays are loaded by the first judgement."""
    code = "import sys, afterpilot.decide.alarm; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

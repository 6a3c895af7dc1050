"""The alarm's stated figures, on a few seeded workflow-years; and that a detector with a bug would miss them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from afterpilot.decide.alarm import AlarmSettings, RunOutcome, pooled_wobble, reference, sequential, simulate
from afterpilot.decide.alarm.simulate import Suite, Watched

SETTINGS = AlarmSettings()
BASELINE = 30
TRUTH = np.tile(np.repeat([0.99, 0.8, 0.4], [70, 20, 10]), (40, 1))


def watched(suite: Suite, *, days: int, after: int | None = None, wobble: float = 0.2, seed: int = 7) -> Watched:
    random = np.random.default_rng(seed)
    levels = simulate.wobble(random, len(suite.truth), BASELINE + days, deviation=wobble)
    change = None if after is None else BASELINE + after
    runs = simulate.run_suite(suite, levels, random=random, change=change)
    return simulate.watch(suite, SETTINGS, levels, runs, baseline=BASELINE, random=random, change=change)


def rarely_wrong() -> bool:
    """At most 0.1 false alarms a workflow-year: 8 in 40 years would be two standard errors too many."""
    seen = watched(Suite(TRUTH), days=365)
    return bool(seen.alarms.sum() <= 8 and seen.extra <= 0.04)


def finds_a_slice() -> bool:
    """Five of a hundred broken cases, by the second run in 95 %."""
    return bool((watched(Suite(TRUTH).slice(5), days=40, after=30).first <= 2).mean() >= 0.95)


def finds_a_drop() -> bool:
    """Five points of the whole suite: a median of 5 days, with one of slack for so few trials."""
    suite = Suite(np.tile(TRUTH, (3, 1))).uniform(0.05)
    return bool(np.quantile(watched(suite, days=20, after=10).first, 0.5, method="higher") <= 6)


def finds_half() -> bool:
    """Half of 24 cases, on the night after one approved run: by the second run in 95 %, with two trials of slack."""
    suite = Suite(TRUTH[:, 2::4][:, :24]).slice(12)
    random = np.random.default_rng(11)
    levels = simulate.wobble(random, len(TRUTH), 4, deviation=0.2)
    runs = simulate.run_suite(suite, levels, random=random, change=1)
    seen = simulate.watch(suite, SETTINGS, levels, runs, baseline=1, random=random, change=1)
    return bool((seen.first <= 2).sum() >= 36)


def lets_go() -> bool:
    """An alarm whose drop is gone is over: of alarms raised by a week-long drop, none is open after another month."""
    suite = Suite(TRUTH).slice(5)
    random = np.random.default_rng(3)
    levels = simulate.wobble(random, len(TRUTH), BASELINE + 60, deviation=0.2)
    assert suite.changed is not None
    broke = simulate.run_suite(replace(suite, truth=suite.changed), levels, random=random)
    runs = simulate.run_suite(Suite(TRUTH), levels, random=random)
    runs[:, BASELINE + 10 : BASELINE + 17] = broke[:, BASELINE + 10 : BASELINE + 17]
    runs[:, BASELINE + 50 : BASELINE + 57] = broke[:, BASELINE + 50 : BASELINE + 57]
    seen = simulate.watch(Suite(TRUTH), SETTINGS, levels, runs, baseline=BASELINE, random=random, reruns=0)
    return bool((seen.alarms >= 2).mean() > 0.9)  # the second drop raises a second alarm


ALL = (rarely_wrong, finds_a_slice, finds_a_drop, finds_half, lets_go)


@pytest.mark.parametrize("figure", ALL)
def test_the_stated_figures_hold(figure: Callable[[], bool]) -> None:
    """A short version of benchmarks/bench_alarm.py."""
    assert figure()


def wrong_sign(patch: pytest.MonkeyPatch) -> None:
    """Drops are taken for gains."""
    honest = reference.refer

    def refer(*given: object) -> reference.Reference:
        right = honest(*given)  # type: ignore[arg-type]
        turned = right.kernel.copy()
        for drop in range(1, len(reference.DROPS) + 1):
            shift = -right.shifts[:, drop - 1, None, None]
            levels = shift + reference.LEVELS[:, None] * right.doubt[:, None, None]
            turned[:, drop] = np.exp(-0.5 * ((reference.DAY_LEVELS - levels) / right.wobble) ** 2) + 1e-300
        return replace(right, kernel=turned / turned.sum(-1, keepdims=True))

    patch.setattr(simulate, "refer", refer)


def no_reset(patch: pytest.MonkeyPatch) -> None:
    """An alarm is never over."""
    patch.setattr(simulate, "recover", lambda *_: np.zeros(0, bool))


def no_wobble(patch: pytest.MonkeyPatch) -> None:
    """All days are taken for alike."""
    patch.setattr(reference, "_MARGIN", 0.0)
    patch.setattr(reference, "_LEAST_WOBBLE", 0.12)


def low_bar(patch: pytest.MonkeyPatch) -> None:
    """A bar that is too low: that of one false alarm every ten days."""
    patch.setattr(AlarmSettings, "threshold", property(lambda _: 20.0))


def no_slices(patch: pytest.MonkeyPatch) -> None:
    """Only drops of the whole suite are looked for."""
    patch.setattr(sequential, "WEIGHTS", np.log([0.3, 0.5, 0.2, 1e-12, 1e-12, 1e-12, 1e-12]))


def no_wide_slice(patch: pytest.MonkeyPatch) -> None:
    """Only narrow slices are looked for."""
    patch.setattr(sequential, "WEIGHTS", np.log([0.01, 0.4, 0.09, 1e-12, 1e-12, 0.5, 1e-12]))
    patch.setattr(sequential.wide, "WATCH", 1e9)


@pytest.mark.parametrize(
    ("bug", "figure"),
    [
        (wrong_sign, finds_a_drop),
        (no_reset, lets_go),
        (no_wobble, rarely_wrong),
        (low_bar, rarely_wrong),
        (no_slices, finds_a_slice),
        (no_wide_slice, finds_half),
    ],
)
def test_a_detector_with_a_bug_misses_a_figure(
    bug: Callable[[pytest.MonkeyPatch], None], figure: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the figures would prove nothing."""
    bug(monkeypatch)
    assert not figure()


def test_the_weights_of_the_alternatives_are_one() -> None:
    """The bound on false alarms counts on it."""
    assert np.exp(sequential.WEIGHTS).sum() == pytest.approx(1)
    assert len(sequential.WEIGHTS) == len(reference.DROPS) + 2


def test_what_a_baseline_leaves_open_about_its_level_leans_upwards() -> None:
    """A suite that passed 24 of 24 once may be better than it looks, hardly much worse; thirty runs say both about alike."""
    few = reference.refer(np.ones((1, 24)), np.ones((1, 24)), 1, SETTINGS)
    many = reference.refer(TRUTH[:1] * 30, np.full_like(TRUTH[:1], 30.0), 30, SETTINGS)
    for each in (few, many):
        assert np.exp(each.prior).sum(-1) == pytest.approx(1)
    far = reference.LEVELS < -1.5
    assert np.exp(few.prior[0, far]).sum() < 0.02
    assert np.exp(many.prior[0, far]).sum() > 0.05


def test_the_same_seed_gives_the_same_years() -> None:
    """A figure can be printed again."""
    one, two = (watched(Suite(TRUTH[:5]), days=20) for _ in range(2))
    assert np.array_equal(one.evidence, two.evidence)


def test_many_workflows_are_judged_as_each_alone() -> None:
    """The arrays of the simulation and the single workflow of production are one code and one answer."""
    random = np.random.default_rng(1)
    passed = (random.random((6, 100)) < TRUTH[:6]).astype(float)
    scored, before = np.ones_like(passed), TRUTH[:6] * 20
    before = np.round(before)
    many = reference.refer(before, np.full_like(before, 20.0), 20, SETTINGS)
    together = sequential.step(many, sequential.begin(many), passed, scored, threshold=3650)
    for row in range(6):
        at = slice(row, row + 1)
        one = reference.refer(before[at], np.full_like(before[at], 20.0), 20, SETTINGS)
        alone = sequential.step(one, sequential.begin(one), passed[at], scored[at], threshold=3650)
        assert alone.evidence[0] == pytest.approx(together.evidence[row])


def test_the_evidence_is_worth_a_day_a_day() -> None:
    """The martingale behind the threshold: without a change, the mean evidence of a day is the number of days seen."""
    seen = watched(Suite(np.tile(TRUTH, (10, 1))), days=5, wobble=0.2)
    mean = seen.evidence.clip(max=500).mean(0)
    assert (mean < 3 * np.arange(1, 6)).all()
    assert (mean > 0.05 * np.arange(1, 6)).all()


def approved(deviation: float, workflows: int) -> list[list[RunOutcome]]:
    random = np.random.default_rng(4)
    suite = Suite(TRUTH[:workflows])
    levels = simulate.wobble(random, workflows, BASELINE, deviation=deviation)
    runs = simulate.run_suite(suite, levels, random=random)
    first = date(2026, 1, 1)
    return [
        [
            RunOutcome(first + timedelta(day), {str(case): (int(good), 1) for case, good in enumerate(run)})
            for day, run in enumerate(taken)
        ]
        for taken in runs
    ]


@pytest.mark.parametrize("deviation", [0.0, 0.2, 0.35])
def test_the_wobble_of_days_is_measured_over_workflows(deviation: float) -> None:
    """From forty baselines of thirty days, to within 0.08 logits; at none, chance alone may look like a little."""
    measured = pooled_wobble(approved(deviation, 40))
    assert measured == pytest.approx(deviation, abs=0.08)


def test_a_few_days_do_not_measure_the_wobble() -> None:
    """Then the default stands."""
    assert pooled_wobble(approved(0.2, 3)) is None
    assert pooled_wobble([]) is None
    assert pooled_wobble([[RunOutcome(date(2026, 1, 1), {"a": (0, 0)})] * 300]) is None


def test_suites_in_which_hardly_a_case_wavers_do_not_measure_the_wobble() -> None:
    """Chance would be taken for it: two cases in forty that fail now and then say nothing, however many days there are."""
    random = np.random.default_rng(3)
    runs = [
        [
            RunOutcome(
                date(2026, 1, 1) + timedelta(day),
                {f"c{n}": (int(n > 1 or random.random() > 0.05), 1) for n in range(40)},
            )
            for day in range(30)
        ]
        for _ in range(10)
    ]
    assert pooled_wobble(runs) is None

"""A judge may decide once its agreement with people is known and good enough, and not before."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from afterpilot.decide.alarm import moved
from afterpilot.decide.judging import DRIFTED, Drift, after_drift, as_evidence, judge_drifted, kappa, standing
from afterpilot.domain.judging import Judgement
from doubles.weeks import WORKFLOW

JUDGE = "a" * 64


def words(both: int, judge_only: int, people_only: int, neither: int, unusable: int = 0) -> list[Judgement]:
    """Judgements by their counts."""
    counts = {(True, True): both, (True, False): judge_only, (False, True): people_only, (False, False): neither}
    said = [pair for pair, count in counts.items() for _ in range(count)] + [(None, True)] * unusable
    return [Judgement(JUDGE, f"record:{at}", passed, label=label) for at, (passed, label) in enumerate(said)]


def test_kappa_is_that_of_published_tables() -> None:
    """Two readers of 50 grant proposals (20, 5, 10, 15) agree at 0.40; the same agreement with other margins says less."""
    assert kappa(20, 5, 10, 15).value == pytest.approx(0.4)
    assert kappa(45, 15, 25, 15).value == pytest.approx(0.1304, abs=1e-4)
    assert kappa(25, 35, 5, 35).value == pytest.approx(0.2593, abs=1e-4)


@pytest.mark.parametrize("table", [(100, 20, 25, 55), (150, 10, 5, 35), (60, 40, 40, 60)])
def test_the_interval_is_the_bootstrap_s(table: tuple[int, int, int, int]) -> None:
    """On 200 labels both agree within 0.03 at each end."""
    dice = random.Random(11)  # noqa: S311 - the same draws each time
    cells = [cell for cell, count in enumerate(table) for _ in range(count)]
    values = []
    for _ in range(4000):
        drawn = dice.choices(cells, k=len(cells))
        again = kappa(*(drawn.count(cell) for cell in range(4)))
        assert again is not None
        values.append(again.value)
    values.sort()
    found = kappa(*table)
    assert found.low == pytest.approx(values[100], abs=0.03)
    assert found.high == pytest.approx(values[3899], abs=0.03)


def test_a_trusted_judge_that_is_below_the_floor_is_rare() -> None:
    """Of judges with a true kappa of 0.6 on 60 labels, at most one in twenty has a lower end above it."""
    dice = random.Random(5)  # noqa: S311 - the same draws each time
    shares = (0.5, 0.08, 0.1, 0.32)  # kappa 0.63 at these margins; the true one is computed below
    judge, people = shares[0] + shares[1], shares[0] + shares[2]
    chance = judge * people + (1 - judge) * (1 - people)
    true = (shares[0] + shares[3] - chance) / (1 - chance)
    above = below = 0
    for _ in range(2000):
        drawn = dice.choices(range(4), weights=shares, k=60)
        found = kappa(*(drawn.count(cell) for cell in range(4)))
        assert found is not None
        above += found.low > true
        below += found.high < true
    assert above / 2000 <= 0.035
    assert (above + below) / 2000 <= 0.07


def test_perfect_agreement_on_one_correction_is_no_proof() -> None:
    """49 of one class and one of the other, all right: the interval stays wide; with both classes it is narrow."""
    assert kappa(49, 0, 0, 1).low < 0.6 < kappa(25, 0, 0, 25).low
    assert kappa(25, 0, 0, 25).high == kappa(25, 0, 0, 25).value == 1.0


def test_one_class_has_no_kappa() -> None:
    """Chance explains everything there."""
    assert kappa(50, 0, 0, 0) is None
    assert kappa(0, 0, 0, 0) is None


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ((0, 0, 0, 0), "No person's decision has been compared"),
        ((20, 0, 0, 17), "compared with 37 of the 50 decisions"),
        ((49, 0, 0, 0), "compared with 49 of the 50"),
        ((60, 0, 0, 0), "People accepted all 60 answers"),
        ((50, 0, 10, 0), "People accepted all 60 answers"),
        ((0, 10, 0, 50), "People corrected or rejected all 60 answers"),
        ((95, 5, 0, 0), "agreement with people is too weak"),
        ((30, 10, 10, 30), "too weak: kappa is 0.50"),
        ((40, 2, 2, 36, 5), "no usable word on 5 of 85 answers"),
    ],
)
def test_a_judge_on_probation_says_why(counts: tuple[int, ...], said: str) -> None:
    """In one plain sentence, with the figures."""
    here = standing(JUDGE, "helpful", words(*counts))
    assert not here.trusted
    assert said in here.why


def test_a_judge_that_agrees_may_decide() -> None:
    """From 50 labels on, with the figures in its reason."""
    here = standing(JUDGE, "helpful", words(26, 0, 1, 23))
    assert here.trusted
    assert here.labels == 50
    assert here.kappa_interval is not None
    assert here.kappa_interval[0] >= 0.6
    assert "98 % of 50 decisions" in here.why
    assert as_evidence(here)["kappa_interval"] == list(here.kappa_interval)


def test_the_floor_is_the_judge_s_own() -> None:
    """A weaker judge is enough where its declaration says so, a stronger one needed where that does."""
    weak = words(30, 10, 10, 30)
    assert standing(JUDGE, "helpful", weak, 0.25).trusted
    assert not standing(JUDGE, "helpful", words(26, 0, 1, 23), 0.95).trusted


def test_the_latest_word_on_an_answer_counts() -> None:
    """And only this judge's, on answers with a label."""
    first = words(0, 25, 25, 0)
    mended = [replace(one, passed=one.label) for one in first]
    others = [replace(one, judge="b" * 64, passed=not one.label) for one in first]
    frozen = [Judgement(JUDGE, "frozen:1/c/0", passed=False)]
    here = standing(JUDGE, "helpful", [*first, *mended, *others, *frozen])
    assert (here.labels, here.agreement, here.trusted) == (50, 1.0, True)


def test_a_few_words_that_cannot_be_used_do_no_harm() -> None:
    """Up to 5 percent of them; they are no disagreement."""
    here = standing(JUDGE, "helpful", words(30, 0, 0, 30, unusable=3))
    assert (here.labels, here.agreement, here.trusted) == (60, 1.0, True)


def test_a_drift_is_a_warning_that_names_the_answers() -> None:
    """With the chance of as much by chance, and what ends it."""
    then = {f"frozen:1/c{number}/0": True for number in range(20)}
    now = {subject: number > 6 for number, subject in enumerate(then)}
    drift = Drift("helpful", JUDGE, moved(then, now), datetime(2026, 11, 21, tzinfo=UTC))
    finding = judge_drifted(WORKFLOW, drift, decided=True)
    assert (finding.kind, str(finding.severity)) == (DRIFTED, "warning")
    assert "7 of 20" in finding.title
    assert "From the next run on its scores are advisory" in finding.detail
    assert "From the next run" not in judge_drifted(WORKFLOW, drift, decided=False).detail
    assert len(finding.evidence["to_fail"]) == 7
    assert "7 otherwise than at the approval (7 fail now, 0 pass now)" in drift.line
    told = after_drift(standing(JUDGE, "helpful", []), drift)
    assert told.why.startswith("It drifted on 2026-11-21: only what it said since then counts.")

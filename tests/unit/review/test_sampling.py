"""Spot checks: which outputs, and how many."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.error_rate import error_rate
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.sampling import Stratum
from afterpilot.review.sampling import EVERYTHING_ELSE, FEWEST, is_picked, period_of, rates


def test_the_same_outputs_are_picked_every_time_and_near_their_share() -> None:
    """A repeated run picks what it has picked."""
    picked = [str(key) for key in range(20_000) if is_picked("w", str(key), Decimal("0.05"))]
    assert picked == [str(key) for key in range(20_000) if is_picked("w", str(key), Decimal("0.05"))]
    assert 850 < len(picked) < 1150
    assert not any(is_picked("w", str(key), Decimal(0)) for key in range(1000))
    assert all(is_picked("w", str(key), Decimal(1)) for key in range(1000))


def test_a_higher_chance_keeps_what_a_lower_one_picks() -> None:
    """Who asks for more sees what he has seen, and more."""
    few = {key for key in range(5000) if is_picked("w", str(key), Decimal("0.05"))}
    many = {key for key in range(5000) if is_picked("w", str(key), Decimal("0.2"))}
    assert few < many


@pytest.mark.parametrize(
    ("at", "days", "first"),
    [
        (datetime(2026, 11, 21, 23, 59, tzinfo=UTC), 7, date(2026, 11, 16)),
        (datetime(2026, 11, 16, tzinfo=UTC), 7, date(2026, 11, 16)),
        (datetime(2026, 11, 15, 23, 59, tzinfo=UTC), 7, date(2026, 11, 9)),
        (datetime(2026, 11, 21, 5, tzinfo=UTC), 1, date(2026, 11, 21)),
    ],
)
def test_periods_of_a_week_begin_on_monday(at: datetime, days: int, first: date) -> None:
    """Whatever the moment in it."""
    assert period_of(at, SpotCheck(period=timedelta(days=days))) == first


def test_a_share_is_the_same_for_all() -> None:
    """No precision is asked for."""
    assert rates(SpotCheck(share=Decimal("0.1")), [], {"a": 100}) == {EVERYTHING_ELSE: Decimal("0.1")}


def test_the_first_period_of_a_precision_takes_the_share() -> None:
    """Nobody knows yet how many outputs there will be."""
    assert rates(SpotCheck(precision=Decimal("0.02")), [], {}) == {EVERYTHING_ELSE: Decimal("0.05")}


def test_a_finer_precision_asks_for_more_and_a_small_stratum_is_never_left_out() -> None:
    """Each stratum has a few at least, all of it where it is smaller."""
    expected = {"big": 5000, "small": 12, "tiny": 3}
    coarse = rates(SpotCheck(precision=Decimal("0.05"), by="kind"), [], expected)
    fine = rates(SpotCheck(precision=Decimal("0.01"), by="kind"), [], expected)
    assert fine["big"] > coarse["big"] > 0
    assert coarse["small"] * 12 >= FEWEST
    assert coarse["tiny"] == 1
    assert 0 < coarse[EVERYTHING_ELSE] < 1


def test_what_was_found_before_makes_the_sample_smaller() -> None:
    """A workflow that is hardly ever wrong needs fewer checks for the same precision."""
    terms = SpotCheck(precision=Decimal("0.02"))
    unknown = rates(terms, [], {"": 5000})[EVERYTHING_ELSE]
    good = rates(terms, [Stratum("", 5000, 400, 400, 2)], {"": 5000})[EVERYTHING_ELSE]
    assert good < unknown


@given(
    st.dictionaries(st.text(max_size=5), st.integers(1, 100_000), min_size=1, max_size=6),
    st.decimals("0.001", "0.3", places=3),
)
def test_every_chance_is_one(expected: dict[str, int], precision: Decimal) -> None:
    """Above 0, at most 1, for any strata."""
    found = rates(SpotCheck(precision=precision, by="kind"), [], expected)
    assert all(0 < rate <= 1 for rate in found.values())
    assert set(expected) <= set(found)


def test_the_precision_that_was_asked_for_is_reached() -> None:
    """Over many weeks the interval's half-width is what the owner wanted, or nearly; and it holds the truth as often as it says."""
    rng = random.Random(7)  # noqa: S311 - a simulation
    terms = SpotCheck(precision=Decimal("0.02"), by="kind")
    truth = {"letters": 0.01, "scans": 0.09}
    sizes = {"letters": 4000, "scans": 800}
    wrong = sum(sizes[name] * truth[name] for name in sizes) / sum(sizes.values())
    before: list[Stratum] = []
    widths, held, weeks = [], 0, 300
    for _ in range(weeks):
        chances = rates(terms, before[-8:], sizes)
        week = []
        for name, size in sizes.items():
            checked = sum(rng.random() < chances[name] for _ in range(size))
            errors = sum(rng.random() < truth[name] for _ in range(checked))
            week.append(Stratum(name, size, checked, checked, errors))
        before += week
        found = error_rate(week)
        assert found is not None
        widths.append(found.half_width)
        held += found.whole.low <= wrong <= found.whole.high
    assert sorted(widths)[weeks // 2] <= 0.021
    assert held >= 0.93 * weeks


def test_a_stratum_that_is_taken_whole_leaves_its_part_to_the_others() -> None:
    """A small slice that is often wrong would take more than it has: the rest of the sample goes to the big one."""
    terms = SpotCheck(precision=Decimal("0.005"), by="kind")
    before = [Stratum("rare", 40, 40, 40, 20), Stratum("usual", 4000, 400, 400, 2)]
    expected = {"rare": 40, "usual": 400}
    found = rates(terms, before, expected)
    assert found["rare"] == 1
    assert found["usual"] * 400 > 100

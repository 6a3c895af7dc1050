"""Laws of the drift figures, and how often they raise a false alarm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.check.custom.drift import jensen_shannon, moved, psi

COUNTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)), min_size=2, max_size=20).filter(
    lambda pairs: sum(one for one, _ in pairs) > 0 and sum(other for _, other in pairs) > 0
)


@given(COUNTS)
def test_identical_counts_have_no_distance(pairs: list[tuple[int, int]]) -> None:
    """PSI and Jensen-Shannon distance of a distribution to itself are 0, and so is what moved."""
    counts = [one for one, _ in pairs]
    assert psi(counts, counts).value == pytest.approx(0, abs=1e-12)
    assert jensen_shannon(counts, counts).value == pytest.approx(0, abs=1e-6)
    assert moved(counts, counts) == 0


@given(COUNTS)
def test_both_are_symmetric_and_bounded(pairs: list[tuple[int, int]]) -> None:
    """Either side may be the reference; the Jensen-Shannon distance is at most 1 and the intervals hold their values."""
    one, other = ([pair[side] for pair in pairs] for side in (0, 1))
    for distance in (psi, jensen_shannon):
        there, back = distance(one, other), distance(other, one)
        assert there.value == pytest.approx(back.value, abs=1e-9)
        assert 0 <= there.low <= there.value + 1e-9
        assert there.value <= there.high + 1e-9
    assert jensen_shannon(one, other).high <= 1
    assert 0 <= moved(one, other) <= 1


def test_they_are_the_textbook_values() -> None:
    """PSI by hand over two bins; no bin in common is a Jensen-Shannon distance of 1."""
    assert psi([50, 50], [80, 20]).value == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))
    assert jensen_shannon([10, 0], [0, 10]).value == pytest.approx(1)
    assert moved([50, 50], [80, 20]) == pytest.approx(0.3)


def test_an_empty_bin_is_no_infinite_drift() -> None:
    """One value that never came before, out of ten thousand, moves the index a little and not without end."""
    assert psi([5_000, 5_000, 0], [5_000, 4_999, 1]).value < 0.001


@pytest.mark.parametrize("distance", [psi, jensen_shannon])
@pytest.mark.parametrize(("before", "now"), [(2_000, 200), (500, 500), (20_000, 5_000)])
def test_chance_alone_hardly_ever_exceeds_a_limit_of_nothing(distance, before: int, now: int) -> None:
    """Without drift the lower end of the interval is above 0 in at most one of twenty windows."""
    random = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    draws = [(random.multinomial(before, shares), random.multinomial(now, shares)) for _ in range(400)]
    assert sum(distance(one, other).low > 0 for one, other in draws) <= 20


def test_the_interval_holds_the_true_index() -> None:
    """At a true PSI of about 0.26 the 95 % interval holds it in at least nine of ten windows."""
    random = np.random.default_rng(8)
    p, q = np.full(5, 0.2), np.array([0.1, 0.15, 0.2, 0.2, 0.35])
    true = float(np.sum((q - p) * np.log(q / p)))
    found = [psi(random.multinomial(3_000, p), random.multinomial(400, q)) for _ in range(400)]
    assert sum(one.low <= true <= one.high for one in found) >= 360


def test_nothing_on_one_side_is_an_error() -> None:
    """It is never a distance of 0."""
    for distance in (psi, jensen_shannon, moved):
        with pytest.raises(ValueError, match="something in them"):
            distance([0, 0], [1, 2])

"""The true error rate from a stratified sample."""

from __future__ import annotations

import random

import pytest

from afterpilot.decide.error_rate import error_rate
from afterpilot.domain.intervals import wilson
from afterpilot.domain.sampling import Stratum


def test_nothing_looked_at_is_no_rate() -> None:
    """Never 0."""
    assert error_rate([]) is None
    assert error_rate([Stratum("a", 100, 5, 0, 0)]) is None


def test_a_stratum_counts_by_its_size_not_by_how_often_it_was_looked_at() -> None:
    """Half of the small one is wrong, nothing of the big one; both were looked at equally often."""
    found = error_rate([Stratum("big", 900, 50, 50, 0), Stratum("small", 100, 50, 50, 25)])
    assert found is not None
    assert found.whole.value == pytest.approx(0.05)
    assert found.whole.low < 0.05 < found.whole.high
    assert found.slices == {"big": wilson(0, 50), "small": wilson(25, 50)}
    assert (found.population, found.checked, found.errors, found.covered) == (1000, 100, 25, 1.0)


def test_a_stratum_that_nobody_looked_at_is_said_to_be_left_out() -> None:
    """The rate speaks for what it covers."""
    found = error_rate([Stratum("a", 750, 40, 40, 4), Stratum("b", 250, 10, 0, 0)])
    assert found is not None
    assert found.covered == 0.75
    assert found.whole.value == pytest.approx(0.1)


def test_where_all_were_looked_at_nothing_is_left_to_chance() -> None:
    """The interval is the rate itself."""
    found = error_rate([Stratum("", 40, 40, 40, 3)])
    assert found is not None
    assert (found.whole.low, found.whole.high) == (found.whole.value, found.whole.value)


def test_a_sample_without_errors_still_allows_for_some() -> None:
    """None of 50 is not never."""
    found = error_rate([Stratum("", 10_000, 50, 50, 0)])
    assert found is not None
    assert found.whole.low == 0
    assert 0.03 < found.whole.high < 0.15


def test_periods_of_one_stratum_add_up() -> None:
    """Two weeks of one kind are one stratum."""
    twice = error_rate([Stratum("a", 100, 10, 10, 1), Stratum("a", 100, 10, 10, 1)])
    assert twice == error_rate([Stratum("a", 200, 20, 20, 2)])


@pytest.mark.parametrize(
    ("sizes", "truth"),
    [
        ({"a": 2000}, {"a": 0.02}),
        ({"a": 2000}, {"a": 0.3}),
        ({"a": 3000, "b": 300, "c": 30}, {"a": 0.01, "b": 0.1, "c": 0.5}),
        ({"a": 500, "b": 500}, {"a": 0.0, "b": 0.04}),
    ],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(sizes: dict[str, int], truth: dict[str, float]) -> None:
    """At least 93 of 100 for a 95 % interval, drawn as the gate draws: each output with the same chance."""
    rng = random.Random(3)  # noqa: S311 - a simulation
    held, trials = 0, 600
    for _ in range(trials):
        strata = []
        wrong = 0
        for name, size in sizes.items():
            errors = [rng.random() < truth[name] for _ in range(size)]
            wrong += sum(errors)
            looked_at = [error for error in errors if rng.random() < 0.1]
            strata.append(Stratum(name, size, len(looked_at), len(looked_at), sum(looked_at)))
        found = error_rate(strata)
        assert found is not None
        seen = sum(sizes[stratum.name] for stratum in strata if stratum.checked)
        if seen < sum(sizes.values()):  # a stratum was left out: the rate does not speak for it
            held += 1
            continue
        held += found.whole.low <= wrong / sum(sizes.values()) <= found.whole.high
    assert held >= 0.93 * trials

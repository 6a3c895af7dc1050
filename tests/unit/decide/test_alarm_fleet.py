"""Which alarms of a fleet are confirmed: e-values and e-BH."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.alarm import confirmed, e_value
from afterpilot.decide.alarm.fleet import stop_for


def test_one_strong_value_among_many_is_confirmed() -> None:
    """Of 1,000 workflows at 0.10, one alone needs 10,000; two need 5,000 each."""
    quiet = {f"w{at}": 1.0 for at in range(998)}
    assert confirmed(quiet | {"a": 10_000.0, "b": 1.0}) == ("a",)
    assert confirmed(quiet | {"a": 9_999.0, "b": 1.0}) == ()
    assert confirmed(quiet | {"a": 5_000.0, "b": 6_000.0}) == ("b", "a")


def test_nothing_is_confirmed_of_nothing() -> None:
    """An empty fleet, or one without evidence."""
    assert confirmed({}) == ()
    assert confirmed({"a": 0.0, "b": 9.9}) == ()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
def test_the_weakest_confirmed_still_pays_for_all(values: list[float]) -> None:
    """The definition of e-BH: k confirmed values reach K / (share k) each, and no larger set does."""
    fleet = {f"w{at}": value for at, value in enumerate(values)}
    named = confirmed(fleet)
    ranked = sorted(values, reverse=True)
    if named:
        assert min(fleet[name] for name in named) * 0.1 * len(named) >= len(values)
    assert not any(ranked[k - 1] * 0.1 * k >= len(values) for k in range(len(named) + 1, len(values) + 1))


@given(st.lists(st.floats(0, 1e5), min_size=2, max_size=20), st.floats(1, 100))
def test_more_evidence_never_confirms_fewer(values: list[float], factor: float) -> None:
    """Raising one value leaves all that were confirmed."""
    fleet = {f"w{at}": value for at, value in enumerate(values)}
    assert set(confirmed(fleet)) <= set(confirmed(fleet | {"w0": fleet["w0"] * factor}))


def test_an_e_value_stops_where_it_was_said_to_and_not_at_its_peak() -> None:
    """The day on which the stop is reached counts; a peak below it does not, today does."""
    assert e_value([1.0, 500.0, 20.0], days=10, stop=40.0) == pytest.approx(50.0)
    assert e_value([1.0, 500.0, 20.0], days=10, stop=60.0) == pytest.approx(2.0)
    assert e_value([1.0, 500.0, 20.0], days=10) == pytest.approx(2.0)
    assert e_value([], days=10) == 0.0


def test_evidence_from_before_the_quarter_is_paid_for() -> None:
    """What was there on its first day is no news."""
    assert e_value([100.0], before=90.0, days=10) == pytest.approx(1.0)


def test_the_stop_confirms_by_itself() -> None:
    """Whatever the rest of the fleet shows."""
    assert stop_for(1000) == pytest.approx(10_000)
    assert confirmed({"a": stop_for(3), "b": 0.0, "c": 0.0}) == ("a",)


def test_what_is_no_evidence_is_refused() -> None:
    """Not a number, below zero, or more days than the quarter has."""
    with pytest.raises(ValueError, match="e-value of b"):
        confirmed({"a": 1.0, "b": math.nan})
    with pytest.raises(ValueError, match="between 0 and 1"):
        confirmed({"a": 1.0}, share=1.0)
    with pytest.raises(ValueError, match="do not fit"):
        e_value([1.0] * 11, days=10)
    with pytest.raises(ValueError, match="at least 0"):
        e_value([-1.0])

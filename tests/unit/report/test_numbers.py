"""Intervals and numbers as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.money import Money
from afterpilot.report.numbers import each, mean_interval, minutes, number, part, percent, wilson


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Reference: scipy.stats.binomtest(hits, trials).proportion_ci(0.95, "wilson").
    [(1, 12, 0.014865, 0.35388), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (8, 40, 0.105, 0.347573)],
)
def test_wilson_equals_the_reference(hits: int, trials: int, low: float, high: float) -> None:
    """The interval is the published one."""
    interval = wilson(hits, trials)
    assert (float(interval.low), float(interval.high)) == pytest.approx((low, high), abs=2e-6)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_between_0_and_1(given_counts: tuple[int, int]) -> None:
    """Whatever was counted."""
    hits, trials = given_counts
    interval = wilson(hits, trials)
    assert 0 <= interval.low <= round(Decimal(hits) / trials, 6) <= interval.high <= 1


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (2, 1), (-1, 5)])
def test_a_share_that_is_none_has_no_interval(hits: int, trials: int) -> None:
    """No trials are no 0 %."""
    with pytest.raises(ValueError, match="is not a share"):
        wilson(hits, trials)


def test_the_interval_of_a_mean_is_students() -> None:
    """Reference: scipy.stats.t.interval(0.95, 4, 1.76, sem)."""
    mean, interval = mean_interval([Decimal(v) for v in ("2.2", "1.9", "1.7", "1.6", "1.4")])
    assert mean == Decimal("1.76")
    assert (float(interval.low), float(interval.high)) == pytest.approx((1.381343, 2.138657), abs=1e-4)


def test_weeks_that_do_not_differ_have_an_interval_of_no_width() -> None:
    """And no error."""
    mean, interval = mean_interval([Decimal(2)] * 40)
    assert interval.low == mean == interval.high


def test_one_value_has_no_spread() -> None:
    """Two are the least."""
    with pytest.raises(ValueError, match="at least two"):
        mean_interval([Decimal(1)])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("6.0", "6"),
        ("1.41", "1.41"),
        ("12.34", "12.3"),
        ("1234567.8", "1,234,568"),
        ("0.004", "0.004"),
        ("0.0000123", "0.000012"),
        ("0", "0"),
        ("-0.00001", "-0.00001"),
        ("-3.50", "-3.5"),
    ],
)
def test_numbers_are_short(value: str, words: str) -> None:
    """About three digits."""
    assert number(Decimal(value)) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [("0", "0 %"), ("1", "100 %"), ("0.996", "over 99 %"), ("0.004", "under 1 %"), ("0.99", "99 %"), ("0.845", "84 %")],
)
def test_a_share_is_not_rounded_to_all_or_nothing(share: str, words: str) -> None:
    """Ninety-nine point six is not a hundred."""
    assert percent(Decimal(share)) == words


def test_nothing_of_nothing_has_no_share() -> None:
    """There is nothing to divide by."""
    assert part(0, 0) == "0 of 0"
    assert part(171, 203) == "171 of 203 (84 %)"


@given(st.decimals(min_value="0.0000000001", max_value="1e9", allow_nan=False), st.integers(1, 10_000_000))
def test_what_costs_something_is_never_shown_as_nothing(amount: Decimal, items: int) -> None:
    """No rounding makes a cost disappear."""
    words = each(Money(amount), items)
    assert any(digit in "123456789" for digit in words.split(" USD")[0])


@pytest.mark.parametrize(
    ("amount", "words"), [("0.15", "0.1500"), ("0.0011", "0.0011"), ("2345.6", "2,345.60"), ("0.995", "1.00")]
)
def test_amounts_have_the_digits_that_they_have_everywhere(amount: str, words: str) -> None:
    """One rule, that of money itself: what the weekly message says of a cost is what the pages of spend say."""
    assert each(Money(Decimal(amount)), 1) == f"{words} USD an item"


def test_what_costs_nothing_is_shown_as_nothing() -> None:
    """A free call is free."""
    assert each(Money(Decimal(0)), 5) == "0.00 USD an item"


@pytest.mark.parametrize(
    ("value", "words"), [("45", "45 minutes"), ("933.8", "about 16 hours"), ("7200", "about 120 hours")]
)
def test_many_minutes_are_told_in_hours(value: str, words: str) -> None:
    """As people plan."""
    assert minutes(Decimal(value)) == words

"""Whether two runs over the same cases differ by more than chance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.decide.paired import Compared, compare, mcnemar, mcnemar_worse


@pytest.mark.parametrize(
    ("fixed", "broken", "p_value"),
    # Reference: scipy.stats.binomtest(min(fixed, broken), fixed + broken, 0.5).pvalue.
    [(0, 0, 1.0), (0, 1, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (7, 11, 0.48068237), (2, 12, 0.01293945), (5, 5, 1.0)],
)
def test_mcnemar_equals_the_reference(fixed: int, broken: int, p_value: float) -> None:
    """The exact, two-sided one."""
    assert mcnemar(fixed, broken) == pytest.approx(p_value, abs=1e-8)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_mcnemar_is_a_probability_and_looks_both_ways(fixed: int, broken: int) -> None:
    """Also with thousands of changed cases, where floats alone would overflow."""
    assert 0 <= mcnemar(fixed, broken) == mcnemar(broken, fixed) <= 1


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_one_sided_test_is_the_half_where_it_got_worse(fixed: int, broken: int) -> None:
    """Where it did not, it is at least one half: then nothing speaks for worse."""
    one_sided = mcnemar_worse(fixed, broken)
    if broken > fixed:
        assert one_sided == pytest.approx(mcnemar(fixed, broken) / 2)
    else:
        assert 0.5 <= one_sided <= 1


def test_worse_is_a_one_sided_question() -> None:
    """Five of five that changed broke: 1 in 32 by chance, where two-sided it would be 1 in 16."""
    compared = Compared(10, tuple("abcde"), ())
    assert (compared.p_worse, compared.p_value, compared.significant) == (0.03125, 0.0625, True)
    assert not Compared(10, tuple("abcd"), ()).significant


def test_counts_below_zero_are_no_counts() -> None:
    """They are a bug of the caller."""
    with pytest.raises(ValueError, match="cannot be counted"):
        mcnemar(-1, 2)


def test_only_cases_that_both_runs_have_are_compared() -> None:
    """New and dropped cases say nothing about a change."""
    now = {"same": True, "broke": False, "mended": True, "new": False}
    before = {"same": True, "broke": True, "mended": False, "dropped": True}
    assert compare(now, before) == Compared(3, ("broke",), ("mended",), kept=1)


def test_runs_without_a_common_case_do_not_differ() -> None:
    """No division by nothing."""
    nothing = compare({"a": True}, {"b": True})
    assert (nothing.cases, nothing.drop, nothing.significant) == (0, 0.0, False)


def test_better_is_never_significantly_worse() -> None:
    """However sure the difference is."""
    assert not Compared(100, (), tuple(map(str, range(20)))).significant
    assert Compared(100, tuple(map(str, range(20))), ()).significant

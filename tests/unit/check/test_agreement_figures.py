"""Laws of agreement and Cohen's kappa."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.check.custom.agreement_figures import kappa, observed

LABELS = st.sampled_from("abcd")
TABLES = st.dictionaries(st.tuples(LABELS, LABELS), st.integers(1, 500), min_size=1)


@given(st.dictionaries(LABELS, st.integers(1, 500), min_size=2))
def test_identical_labels_agree_beyond_chance(counts: dict[str, int]) -> None:
    """Kappa of identical labels of two classes or more is 1."""
    found = kappa({(label, label): count for label, count in counts.items()})
    assert found.value == pytest.approx(1)
    assert found.high == pytest.approx(1)


@given(TABLES)
def test_it_is_symmetric_and_bounded(table: dict[tuple[str, str], int]) -> None:
    """Who is asked first does not matter; kappa is at most the share of agreement, and lies in its interval."""
    there, back = kappa(table), kappa({(other, one): count for (one, other), count in table.items()})
    if there.value is None:
        assert back.value is None
        return
    assert there.value == pytest.approx(back.value)
    assert -1 <= there.low <= there.value + 1e-12
    assert there.value <= there.high + 1e-12 <= 1 + 1e-9
    assert there.value <= observed(table).value + 1e-12


def test_it_is_the_textbook_value() -> None:
    """Cohen's example of two doctors: 20 and 15 agreed, 5 and 10 not, kappa 0.4."""
    found = kappa({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})
    assert found.value == pytest.approx(0.4)
    assert (round(found.low, 2), round(found.high, 2)) == (0.15, 0.65)


def test_chance_that_agrees_always_says_nothing() -> None:
    """All labels the same: there is no kappa, and it is not 1."""
    assert kappa({("a", "a"): 50}).value is None

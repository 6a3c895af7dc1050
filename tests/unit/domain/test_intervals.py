"""How sure a counted share is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.intervals import Interval, percent, wilson

COUNTED = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    # Reference: scipy.stats.binomtest(hits, trials).proportion_ci(0.95, "wilson").
    [
        (1, 12, 0.01486509, 0.35387991),
        (0, 10, 0.0, 0.27753280),
        (10, 10, 0.72246720, 1.0),
        (8, 40, 0.10499990, 0.34757306),
        (950, 1000, 0.93468618, 0.96186974),
    ],
)
def test_wilson_equals_the_reference(hits: int, trials: int, low: float, high: float) -> None:
    """The interval is the published one."""
    found = wilson(hits, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-8)


@given(COUNTED)
def test_wilson_holds_the_share_and_mirrors(counted: tuple[int, int]) -> None:
    """Whatever was counted, the share lies inside 0 to 1, and what failed has the mirrored interval."""
    hits, trials = counted
    found, mirrored = wilson(hits, trials), wilson(trials - hits, trials)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert (1 - found.high, 1 - found.low) == pytest.approx((mirrored.low, mirrored.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (2, 1), (-1, 5)])
def test_a_share_of_nothing_has_no_interval(hits: int, trials: int) -> None:
    """No trials are no 0 %."""
    with pytest.raises(ValueError, match="is not a share"):
        wilson(hits, trials)


def test_an_interval_reads_as_a_sentence() -> None:
    """As messages show it."""
    assert str(Interval(0.84, 0.785, 0.9951)) == "84 % (95 % interval 78 % to over 99 %)"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.004, "under 1 %"), (0.5, "50 %"), (0.996, "over 99 %"), (1, "100 %")]
)
def test_what_is_not_all_is_never_shown_as_all(share: float, text: str) -> None:
    """Nor what is something as nothing."""
    assert percent(share) == text

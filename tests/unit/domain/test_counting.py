"""Numbers in sentences."""

from __future__ import annotations

from decimal import Decimal

import pytest

from afterpilot.domain.counting import per_cent, plural


@pytest.mark.parametrize(("count", "said"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_one_is_no_plural(count: int, said: str) -> None:
    """Only one is."""
    assert plural(count, "case") == said


@pytest.mark.parametrize(("noun", "said"), [("entry", "2 entries"), ("hash", "2 hashes"), ("day", "2 days")])
def test_a_noun_has_its_own_plural(noun: str, said: str) -> None:
    """Of the nouns that are counted here."""
    assert plural(2, noun) == said


def test_a_share_has_a_blank_before_its_sign() -> None:
    """As everywhere in what people read; with as many places as are asked for."""
    assert [per_cent(0.4678), per_cent(0.4678, places=1), per_cent(Decimal("1.1"))] == ["47 %", "46.8 %", "110 %"]


def test_a_share_that_is_not_all_and_not_nothing_is_told_as_neither() -> None:
    """One unpriced call of ten thousand is no 100 %, and what was spent is no 0 %."""
    assert [per_cent(Decimal("0.0004"), places=1), per_cent(0.004), per_cent(0, places=1)] == [
        "below 0.1 %",
        "below 1 %",
        "0.0 %",
    ]
    assert [per_cent(Decimal("0.9999"), places=1), per_cent(0.996), per_cent(1)] == [
        "over 99.9 %",
        "over 99 %",
        "100 %",
    ]

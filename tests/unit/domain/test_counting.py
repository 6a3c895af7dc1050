"""Numbers in sentences."""

from __future__ import annotations

from decimal import Decimal

import pytest

from afterpilot.domain.counting import per_cent, plural


@pytest.mark.parametrize(("count", "said"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_one_is_no_plural(count: int, said: str) -> None:
    """Only one is."""
    assert plural(count, "case") == said


def test_a_share_has_a_blank_before_its_sign() -> None:
    """As everywhere in what people read; with as many places as are asked for."""
    assert [per_cent(0.4678), per_cent(0.4678, places=1), per_cent(Decimal("1.1"))] == ["47 %", "46.8 %", "110 %"]

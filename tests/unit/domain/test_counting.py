"""Numbers in sentences."""

from __future__ import annotations

import pytest

from afterpilot.domain.counting import plural


@pytest.mark.parametrize(("count", "said"), [(0, "0 cases"), (1, "1 case"), (2, "2 cases")])
def test_one_is_no_plural(count: int, said: str) -> None:
    """Only one is."""
    assert plural(count, "case") == said

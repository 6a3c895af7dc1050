"""What a reviewer types into a field of a number."""

from __future__ import annotations

import pytest

from afterpilot.pipeline.reviewing import corrected_value


@pytest.mark.parametrize("typed", ["1e999", "1e50000", "-1e-50000", "9" * 500])
def test_a_number_that_would_fill_the_database_once_written_out_is_refused(typed: str) -> None:
    """A few characters may mean a gigabyte of digits."""
    with pytest.raises(ValueError, match="needs a number"):
        corrected_value("number", typed)


def test_ordinary_numbers_are_kept_to_the_cent() -> None:
    """With all their digits."""
    assert [corrected_value("number", one) for one in ("453.60", "1e3", " -0.001 ")] == ["453.60", "1000", "-0.001"]

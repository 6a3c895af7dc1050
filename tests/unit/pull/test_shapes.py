"""The regular expression that codes follow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.pull.shapes import shape_of


@pytest.mark.parametrize(
    ("texts", "shape"),
    [
        (["INV-3101874", "INV-0004711"], "^INV-[0-9]{7}$"),
        (["PO 1", "PO 22", "PO 333"], "^PO [0-9]{1,3}$"),
        (["DE.12/a", "GB.99/b"], r"^[A-Z]{2}\.[0-9]{2}/[a-z]{1}$"),
        (["2026-11-21", "2025-01-02"], "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    ],
)
def test_codes_of_one_shape_give_it(texts: list[str], shape: str) -> None:
    """Letters that are always the same stand for themselves, digits never."""
    assert shape_of(texts) == (shape, 1.0)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["late", "lost"],
        ["INV-1", "INV-1"],
        ["a1", "B2", "3c"],
        ["x" * 50 + "1", "x" * 50 + "2"],
        ["1", "word", "two words"],
    ],
)
def test_words_mixed_texts_and_long_ones_have_none(texts: list[str]) -> None:
    """A shape that is not there is not made up."""
    assert shape_of(texts) == ("", 0.0)


@given(st.lists(st.from_regex(r"\A[A-Z]{2,3}[-./]?[0-9]{1,6}\Z"), min_size=2, max_size=50))
def test_what_has_the_shape_matches_it(texts: list[str]) -> None:
    """So many as it says."""
    shape, share = shape_of(texts)
    if shape:
        assert sum(re.search(shape, text) is not None for text in texts) >= share * len(texts) - 1e-9

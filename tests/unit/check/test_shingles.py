"""How alike two texts are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterpilot.check.custom.shingles import jaccard, minhash, shingles

WORDS = st.lists(
    st.sampled_from(["the", "order", "came", "late", "and", "was", "broken", "so", "please", "pay", "back"]),
    max_size=60,
)


@given(WORDS)
def test_a_text_is_like_itself_whatever_case_and_blanks(words: list[str]) -> None:
    """Similarity 1."""
    assert jaccard(shingles(" ".join(words)), shingles("\n ".join(words).upper() + " .")) == 1


@given(WORDS, WORDS)
def test_it_is_symmetric_and_bounded(one: list[str], other: list[str]) -> None:
    """Between 0 and 1, either way round."""
    first, second = shingles(" ".join(one)), shingles(" ".join(other))
    assert 0 <= jaccard(first, second) == jaccard(second, first) <= 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 200), st.integers(0, 1_000_000))
def test_minhash_estimates_it(changed: int, start: int) -> None:
    """Within five standard errors of 128 permutations, for texts of 200 words of which some differ."""
    words = [f"word{start + place}" for place in range(200)]
    other = [f"other{word}" if place < changed else word for place, word in enumerate(words)]
    first, second = shingles(" ".join(words)), shingles(" ".join(other))
    assert minhash(first).jaccard(minhash(second)) == pytest.approx(jaccard(first, second), abs=5 * 0.045)


def test_hostile_text_has_runs_too() -> None:
    """No words, NUL, halves of surrogate pairs."""
    assert shingles("").size == 0
    assert shingles("\x00 … \ud800").size <= 1
    assert jaccard(shingles(""), shingles("one two three four five")) == 0

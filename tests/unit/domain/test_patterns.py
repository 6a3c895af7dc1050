"""Patterns have a real limit of time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from afterpilot.domain.patterns import Patterns, PatternTooSlow


@pytest.fixture
def patterns() -> Iterator[Patterns]:
    """With a child process that is gone afterwards."""
    made = Patterns(seconds=20)
    yield made
    made.close()


def test_a_pattern_is_searched_anywhere_in_the_text(patterns: Patterns) -> None:
    """Letters of any script, lone surrogates and line breaks too."""
    assert patterns.search("^INV-[0-9]+$", "INV-31")
    assert not patterns.search("^INV-[0-9]+$", "an INV-31")
    assert patterns.search("é$", "a\ncafé")
    assert patterns.search("b", "a\ud800b")


def test_a_search_that_takes_for_ever_is_ended_and_the_next_one_works() -> None:
    """The child process dies, and a new one takes its place."""
    patterns = Patterns(seconds=0.2)
    try:
        with pytest.raises(PatternTooSlow, match=r"longer than 0\.2 s"):
            patterns.search("(a+)+$", "a" * 60 + "b")
        patterns._seconds = 20
        assert patterns.search("a", "a")
    finally:
        patterns.close()


def test_a_child_that_died_is_replaced(patterns: Patterns) -> None:
    """Whoever killed it."""
    assert patterns.search("a", "a")
    child = patterns._process._child
    assert child is not None
    child.kill()
    child.wait()
    assert patterns.search("a", "a")
    assert patterns._process._child is not child

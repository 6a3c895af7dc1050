"""Two answers side by side."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.web.evals.diff import MOST_LINES, Diff, Piece, diff
from afterpilot.web.text import visible


def side(found: Diff, name: str) -> str:
    lines = [getattr(pair, name) for pair in found.pairs]
    return "\n".join("".join(piece.text for piece in line) for line in lines if line is not None)


def marked(found: Diff, name: str) -> list[str]:
    lines = [getattr(pair, name) for pair in found.pairs]
    return [piece.text for line in lines if line is not None for piece in line if piece.changed]


@given(st.text(max_size=200), st.text(max_size=200))
def test_both_texts_stand_whole(before: str, after: str) -> None:
    """Nothing of either text is lost, whatever differs."""
    found = diff(before, after)
    if not found.json:
        assert side(found, "left") == visible(before)
        assert side(found, "right") == visible(after)


@given(st.text(max_size=200))
def test_equal_texts_have_no_mark(text: str) -> None:
    """A text compared with itself is the same and has nothing marked."""
    found = diff(text, text)
    assert found.same
    assert marked(found, "left") == marked(found, "right") == []


def test_only_the_words_that_differ_are_marked() -> None:
    """In a sentence the changed words are marked, the others are not."""
    found = diff("The refund is 42.00 GBP today", "The refund is 17.00 GBP today")
    assert marked(found, "left") == ["42"]
    assert marked(found, "right") == ["17"]


def test_json_is_compared_field_by_field() -> None:
    """The order of keys and blanks is no difference; a changed field is, and stands on a line of its own."""
    found = diff('{"b": 1, "a": {"x": "yes"}}', '{"a":{"x":"no"},"b":1}')
    assert found.json
    assert marked(found, "left") == ["yes"]
    assert marked(found, "right") == ["no"]
    assert diff('{"b": 1, "a": 2}', '{"a":2,"b":1}').same


def test_json_against_prose_is_compared_as_text() -> None:
    """An answer that is no JSON any more is not dressed up as JSON."""
    found = diff('{"a": 1}', "I cannot say")
    assert not found.json
    assert side(found, "left") == '{"a": 1}'


def test_a_line_that_only_one_side_has_faces_nothing() -> None:
    """An added line has no partner."""
    found = diff("a\nb", "a\nnew\nb")
    assert [(pair.left, pair.right) for pair in found.pairs if not pair.same] == [(None, (Piece("new", changed=True),))]


def test_endless_answers_are_cut_and_said_to_be() -> None:
    """More lines than a page can show are counted, and a huge line is marked as a whole instead of being matched."""
    found = diff("a\n" * (MOST_LINES + 9), "b\n" * MOST_LINES)
    assert len(found.pairs) == MOST_LINES
    assert found.more == 10
    huge = diff("a b " * 2000, "b a " * 2000)
    assert len(marked(huge, "left")) == 1


def test_json_nested_beyond_reason_is_text() -> None:
    """What the parser refuses for its depth is compared as text."""
    deep = "[" * 100_000
    assert not diff(deep, json.dumps({})).json

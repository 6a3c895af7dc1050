"""Any evidence can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.web.evidence import DEEPEST, MOST_ROWS, Node, tree

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=30,
)


def leaves(node: Node) -> Iterator[str]:
    yield node.text
    for _, item in node.pairs:
        yield from leaves(item)
    for row in node.rows:
        for cell in row:
            yield from leaves(cell)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@given(ANYTHING)
def test_every_text_of_the_evidence_is_in_the_tree(value: Any) -> None:
    """Nothing that was found is left out of the page (but what is counted as more, which 4 entries never are)."""
    shown = list(leaves(tree(value)))
    for text in texts(value):
        assert (
            text in shown
            or any(text in leaf for leaf in shown if leaf.startswith(("{", "[")))
            or _as_escaped(text, shown)
        )


def _as_escaped(text: str, shown: list[str]) -> bool:
    """Below the deepest level the evidence is JSON, where a text is escaped."""
    import json

    return any(json.dumps(text, ensure_ascii=False)[1:-1] in leaf for leaf in shown)


def test_alike_entries_become_a_table() -> None:
    """A list of mappings is a table over all their keys; what names a row comes first; a missing entry is not a value."""
    node = tree([{"met": True, "column": "a"}, {"column": "b", "failing": 4}])
    assert node.kind == "table"
    assert node.columns == ("column", "met", "failing")
    assert [cell.kind for cell in node.rows[1]] == ["text", "missing", "number"]
    assert node.rows[0][1].text == "yes"


def test_long_lists_say_how_much_is_not_shown() -> None:
    """A list beyond the limit is cut, and the rest is counted."""
    node = tree({"keys": [f"k{n}" for n in range(MOST_ROWS + 5)]})
    (_, words), *_ = node.pairs
    assert len(words.pairs) == MOST_ROWS
    assert words.more == 5


def test_what_lies_too_deep_is_json() -> None:
    """Evidence nested beyond reading is given as JSON."""
    value: Any = "end"
    for _ in range(DEEPEST + 2):
        value = {"a": value}
    assert any('"a"' in leaf and "end" in leaf for leaf in leaves(tree(value)))


def test_times_and_names_are_made_readable_at_the_top_only() -> None:
    """Our own keys become words, deeper ones may be columns and stay; times are given in UTC."""
    node = tree({"pass_rate": {"po_number": "2026-11-20T16:00:00+02:00"}})
    (name, inner), *_ = node.pairs
    (column, leaf), *_ = inner.pairs
    assert (name, column, leaf.text) == ("pass rate", "po_number", "2026-11-20 14:00:00 UTC")

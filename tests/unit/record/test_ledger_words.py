"""Words that had to give way to an erasure are told from words that somebody has changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.record.ledger.personal import SEALED
from afterpilot.record.ledger.words import Words, same

LABEL, OTHER = "erased person 1a2b3c4d", "erased person 00000000"


@pytest.fixture(scope="module")
def words() -> Words:
    """Of a ledger of which one person was erased; nothing is asked of a database."""
    nobody: Any = None
    found = Words(nobody)
    found.__dict__["_labels"] = frozenset({LABEL})
    return found


@pytest.mark.parametrize(
    ("told", "shown", "fits"),
    [
        ("Dana called Ann", "Dana called Ann", True),
        ("Dana called Ann", f"{LABEL} called Ann", True),
        ("Dana called Dana", f"{LABEL} called {LABEL}", True),
        ("Dana", LABEL, True),
        ("it was Dana", f"it was {LABEL}", True),
        ("Dana called Ann", f"{LABEL} met Ann", False),
        ("Dana called Ann", f"{LABEL} called Ann, and it is well", False),
        ("Dana called Ann", f"{OTHER} called Ann", False),
        ("Dana called Ann", f"{LABEL} called {OTHER}", False),
        ("called Ann", f"{LABEL} called Ann", False),
        ("Dana called Ann", "", False),
        ("", f"{LABEL}", False),
        ({"a": "Dana", "n": 1}, {"a": LABEL, "n": 1}, True),
        ({"a": "Dana", "n": 1}, {"a": LABEL, "n": 2}, False),
        (None, "", True),
        (None, "x", False),
    ],
)
def test_what_stands_around_a_label_is_as_it_was(words: Words, told: object, shown: object, *, fits: bool) -> None:
    """A label stands for at least one sign, and is that of somebody who was erased."""
    assert words.said(told, shown) is fits


def test_what_is_sealed_for_nobody_on_record_does_not_fit(words: Words) -> None:
    """Whom an erasure has taken the key of is still there, without it."""
    sealed = {SEALED: {"about": "person:00000000-0000-0000-0000-000000000001"}}
    words.__dict__["_known"] = {sealed[SEALED]["about"]: None}
    assert not words.said(sealed, "x")
    words.__dict__["_known"] = {sealed[SEALED]["about"]: SimpleNamespace(name="", key=None)}
    assert words.said(sealed, "x")


@given(st.lists(st.text(alphabet="ab \n", max_size=4), min_size=2, max_size=6), st.text(alphabet="abD", min_size=1))
def test_a_text_fits_with_any_name_replaced(words: Words, parts: list[str], name: str) -> None:
    assert words.said(name.join(parts), LABEL.join(parts))
    assert not words.said(name.join(parts), LABEL.join(parts) + "!")


@pytest.mark.parametrize(
    ("told", "value", "equal"),
    [("1.50", 1.5, True), ("1.50", "1.51", False), (None, 0, False), ([1, 2], [1, 2], True), ({"a": 1}, {"a": 2}, False), ("x", "y", False)],
)  # fmt: skip
def test_numbers_are_the_same_however_they_are_written(told: object, value: object, *, equal: bool) -> None:
    assert same(told, value) is equal

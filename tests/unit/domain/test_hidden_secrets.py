"""No secret in what another system said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.domain.secrecy import hidden, in_brief


@pytest.mark.parametrize("form", ["p@ss/word 1", "p%40ss%2Fword%201", "p%40ss%2Fword+1"])
def test_a_secret_is_hidden_in_every_form_that_an_address_gives_it(form: str) -> None:
    """As it is, and escaped in both ways."""
    assert hidden(f"cannot log in with {form}!", "p@ss/word 1") == "cannot log in with ***!"


@given(st.integers(0, 60))
def test_a_cut_leaves_no_part_of_a_secret(before: int) -> None:
    """Wherever in the text it stands: what is cut was hidden before."""
    said = in_brief("x" * before + " secret-of-the-office", "secret-of-the-office", most=40)
    assert "secret" not in said
    assert len(said) <= 40


def test_blanks_in_a_secret_do_not_save_it_and_no_secret_hides_nothing() -> None:
    """It is hidden before lines are joined."""
    assert in_brief("wrong:\n  two  blanks", "two  blanks", most=40) == "wrong: ***"
    assert in_brief("plain  text", "", most=40) == "plain text"

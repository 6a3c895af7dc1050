"""Text that came as data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from afterpilot.notify.text import clean, escaped, fitted, one_line, size

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=400)


def test_marks_that_turn_the_direction_of_writing_are_taken_out() -> None:
    """A file name cannot be shown backwards."""
    assert clean("invoice\u202efdp.exe\u2066x\u200f") == "invoicefdp.exex"


def test_control_characters_are_taken_out_and_line_breaks_stay() -> None:
    """No terminal code and no NUL gets through."""
    assert clean("a\x1b[31mb\x00c\r\nd\te\u2028f") == "a[31mbc\nd e\nf"


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    """What cannot be encoded cannot break the request."""
    assert clean("a\ud800b") == "a\ufffdb"


def test_composed_emoji_stay_whole() -> None:
    """Joiners that people use are kept."""
    assert clean("👩\u200d💻") == "👩\u200d💻"


def test_a_text_in_which_nothing_can_be_seen_is_empty() -> None:
    """Slack refuses texts that look empty."""
    assert clean(" \u200d\u0301\u200b\n ") == ""


def test_letters_that_run_from_right_to_left_stay() -> None:
    """Names in Arabic and Hebrew are names."""
    assert clean("שלום عليكم") == "שלום عليكم"


def test_a_cut_never_splits_an_entity() -> None:
    """An ampersand is there in full or not at all."""
    assert fitted("ab&cd", 7) == "ab…"
    assert fitted("ab&cd", 8) == "ab&amp;…"
    assert fitted("ab&cd", 9) == "ab&amp;cd"


def test_one_line_folds_all_white_space() -> None:
    """A title is one line."""
    assert one_line(" a \n\n b\u2029c\t") == "a b c"


@given(ANY_TEXT, st.integers(min_value=30, max_value=200))
def test_fitted_text_never_exceeds_its_limit_and_opens_no_markup(text: str, limit: int) -> None:
    """Whatever comes, it fits and holds no sign that opens markup."""
    shown = fitted(clean(text), limit, tail="… (see the run for all)")
    assert size(shown) <= limit
    assert "<" not in shown
    assert ">" not in shown


@given(ANY_TEXT)
def test_cleaning_twice_changes_nothing_more_and_what_is_left_can_be_encoded(text: str) -> None:
    """Clean text is clean, and fit for JSON, UTF-8 and PostgreSQL."""
    once = clean(text)
    assert clean(once) == once
    assert "\x00" not in once
    assert once.encode().decode() == once
    assert escaped(once).count("<") == 0

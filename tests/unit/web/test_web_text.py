"""Data as people read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from afterpilot.web import text

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (47 * 3600, "47 h ago"),
        (48 * 3600, "2 days ago"),
        (-5, "in a moment"),
        (-7200, "in 2 h"),
    ],
)
def test_ages_are_short(seconds: int, said: str) -> None:
    """An age is given in the largest unit that says something."""
    assert text.ago(NOW - timedelta(seconds=seconds), now=NOW) == said


@given(st.text())
def test_nothing_hidden_is_left(value: str) -> None:
    """No control character, direction mark or character of no width survives, and plain text is untouched."""
    shown = text.visible(value)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2069\u200b\u200e\u2028\ufeff\x7f\x85")
    assert text.visible(shown) == shown
    if value.isascii() and value.isprintable():
        assert shown == value


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [("a\x00b", "a␀b"), ("a\rb", "a␍b"), ("a\r\nb", "a\nb"), ("\u202exe", "[U+202E]xe"), ("\ud800", "[U+D800]")],
)
def test_hidden_characters_are_shown(hidden: str, shown: str) -> None:
    """A hidden character appears as its picture or its number."""
    assert text.visible(hidden) == shown


@given(st.text(max_size=3000), st.integers(min_value=1, max_value=400))
def test_a_fold_loses_nothing(value: str, limit: int) -> None:
    """The start is a beginning of the whole, and the whole is all that is visible."""
    cut = text.fold(value, limit)
    assert cut.whole == text.visible(value)
    assert cut.whole.startswith(cut.start)
    assert len(cut.start) <= limit
    assert cut.lost == 0
    assert cut.folded == (len(cut.whole) > limit)


def test_what_is_too_long_for_a_page_is_counted() -> None:
    """The end of a huge text is left out, and the fold says how much."""
    cut = text.fold("x" * (text.LONGEST + 5))
    assert len(cut.whole) == text.LONGEST
    assert cut.lost == 5


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (None, "unknown"),
        (Decimal(0), "0.00 USD"),
        (Decimal("1234.5"), "1,234.50 USD"),
        (Decimal("0.0000318"), "0.000032 USD"),
        (Decimal("0.5"), "0.5000 USD"),
        (Decimal("0.00000001"), "0.000000010 USD"),
    ],
)
def test_money_is_never_zero_when_it_is_not(amount: Decimal | None, said: str) -> None:
    """An unknown amount is called unknown; a tiny one keeps a digit."""
    assert text.money(amount, "USD" if amount is not None else "") == said


def test_printing_keeps_markup_and_cleans_text() -> None:
    """Our own markup passes; text is made visible; nothing at all is a dash."""
    assert text.finished(Markup("<b>")) == Markup("<b>")
    assert text.finished("a\x07") == "a␇"
    assert text.finished(None) == "—"
    assert text.finished(7) == 7


def test_a_breakable_name_is_escaped() -> None:
    """Breaks are added to a name, and nothing else of it becomes markup."""
    assert text.breakable("a_b.<i>") == Markup("a_<wbr>b.<wbr>&lt;i&gt;")


@pytest.mark.parametrize(("length", "said"), [(0.0412, "41 ms"), (41, "41.0 s"), (125, "2 min 5 s"), (7300, "2 h")])
def test_durations(length: float, said: str) -> None:
    """A duration is given in the units of its size."""
    assert text.duration(timedelta(seconds=length)) == said


def test_only_names_of_ours_become_words() -> None:
    """Snake case becomes words; anything else stays."""
    assert text.words("failed_check") == "failed check"
    assert text.words("PO_number") == "PO_number"


@pytest.mark.parametrize(
    ("run_id", "said"),
    [
        ("scheduled__2026-11-20T14:16:00+00:00", "by schedule"),
        ("manual__2026-11-20T14:16:00+00:00", "by hand"),
        ("asset_triggered__2026-11-20T14:16:00", "when its data came"),
        ("backfill__2026-11-20", "by a backfill"),
        ("5f0c", ""),
        ("", ""),
    ],
)
def test_what_started_a_run_of_airflow_is_told_by_its_id(run_id: str, said: str) -> None:
    """A run that somebody started by hand is not told as one of the schedule; where the id says nothing, nothing is told."""
    assert text.began(run_id) == said

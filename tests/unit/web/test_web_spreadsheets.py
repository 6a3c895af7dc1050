"""Cells of files for spreadsheets: what somebody else has named is never calculated."""

from __future__ import annotations

import pytest

from afterpilot.web.spreadsheets import cell, line


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "  =1+1", "\n@x", "\u00a0=1", "\uff1d1+1"])
def test_what_begins_like_a_formula_is_text(text: str) -> None:
    """After blanks, and with the wide signs of East Asian keyboards, too."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=b", "5", 5, "run:1", "", "http://x/?a=-1"])
def test_anything_else_stands_as_it_is(value: object) -> None:
    """Nothing is put before what no spreadsheet calculates."""
    assert cell(value) == str(value)


def test_hidden_characters_are_seen() -> None:
    """A carriage return or a character of no width before a formula stands as a sign of its own."""
    assert cell("\r=1") == "\u240d=1"
    assert line(['a"b', "c,d", "e\nf"]) == '"a""b","c,d","e\nf"\r\n'

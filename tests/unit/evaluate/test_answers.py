"""Answers read as JSON and as numbers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterpilot.evaluate.answers import Answer, number, read_json, short

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("453.60 GBP", "453.60"),
        ("GBP 453.60", "453.60"),
        ("USD1,234.50", "1234.50"),
        ("-5", "-5"),
        ("\u22125 EUR", "-5"),
        ("INV-3101", "3101"),
        ("1,453.60", "1453.60"),
        ("1'453.60", "1453.60"),
        ("1 453.60", "1453.60"),
        ("1\u202f453,60", "1453.60"),
        ("1.453,60 EUR", "1453.60"),
        ("453,60 EUR", "453.60"),
        ("12,3456", "12.3456"),
        ("1,000,000", "1000000"),
        ("1,453", "1453"),
        ("1.453", "1.453"),
        ("3 items at 20.00", "3"),
        ("1.5e3", "1500"),
        (".5", "0.5"),
        ("12345678.9", "12345678.9"),
    ],
)
def test_the_first_number_of_a_text_is_read(text: str, value: str) -> None:
    """Currency, signs, groups of thousands and decimal commas."""
    assert number(text) == Decimal(value)


@pytest.mark.parametrize("value", ["", "none", "NaN", "1.2.3", "1,453,60", "1,234,5", None, True, [], {}, float("inf")])
def test_what_is_no_number_is_none(value: Any) -> None:
    """A version, broken groups, infinity, and what is no text at all."""
    assert number(value) is None


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_amounts_survive_every_way_to_write_them(amount: Decimal) -> None:
    """English, continental and Swiss writing give the amount that was written."""
    english = f"{amount:,.2f}"
    continental = english.translate(str.maketrans(",.", ".,"))
    for text in (f"{amount}", english, continental, english.replace(",", "'"), f"EUR {english}", f"{continental} EUR"):
        assert number(text) == amount, text


@given(st.text(max_size=200))
@example("9" * 5000)
def test_any_text_gives_a_finite_number_or_none(text: str) -> None:
    """Nothing that a model may say raises."""
    found = number(text)
    assert found is None or found.is_finite()


@given(JSON)
def test_json_is_read_bare_and_in_a_fence(value: Any) -> None:
    """A fence of code around the answer changes nothing."""
    text = json.dumps(value)
    for answer in (text, f"\n {text} \n", f"```json\n{text}\n```", f"```\n{text}```\n"):
        assert read_json(answer).value == value
        assert read_json(answer).flaw == ""


@given(st.text(max_size=300))
@example("[" * 100_000)
@example("```" + " " * 50_000 + "`")
@example("1" * 5000)
def test_any_text_is_read_or_has_a_flaw(text: str) -> None:
    """Deep nesting, long blanks and huge integers neither raise nor take long."""
    document = read_json(text)
    assert document.flaw == "" or document.value is None


def test_a_field_of_an_answer() -> None:
    """Found, missing, of something that is no object, of no JSON, of nothing."""
    assert Answer('{"a": null}').field("a").flaw == ""
    assert Answer('{"a": 1}').field("b").flaw == "the answer has no field b"
    assert Answer("[1]").field("a").flaw == "the answer is not a JSON object: '[1]'"
    assert Answer("sorry").field("a").flaw == "the answer is not JSON: 'sorry'"
    assert Answer(" ").field("a").flaw == "the answer is empty"
    assert "not JSON" in Answer('{"a": NaN}').field("a").flaw


def test_values_are_shown_on_one_short_line() -> None:
    """Line breaks and length of what a model said do not reach a sentence."""
    assert short("a\nb") == r"'a\nb'"
    assert len(short("x" * 500)) < 90
    assert short({"a": 1}) == "'{\"a\": 1}'"

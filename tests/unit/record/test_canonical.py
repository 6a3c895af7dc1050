"""The canonical form of RFC 8785: what is written fast is what rfc8785 writes, and what it refuses has a form of its own."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.record.ledger.canonical import canonical

EXACT = 2**53 - 1
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-EXACT, EXACT)
    | st.floats(-float(EXACT), float(EXACT))
    | st.floats(-1e-3, 1e-3)
    | TEXTS
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))


@given(VALUES)
def test_it_is_what_rfc8785_writes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(st.sampled_from("a\ud7ff\ue000\U00010000\x7f\u2028")), st.none()))
def test_keys_are_in_the_order_of_their_utf_16_units(value: dict[str, None]) -> None:
    value = {key.replace("\ud7ff", "b"): None for key in value}
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (1e-7, "1e-7"),
        (0.00001, "0.00001"),
        (1e22, '"10000000000000000000000"'),
        (1e23, '"100000000000000000000000"'),
        (10**22, '"10000000000000000000000"'),
        (2.0**53, '"9007199254740992"'),
        (EXACT, "9007199254740991"),
        (float(-EXACT), "-9007199254740991"),
        (Decimal("1.50"), '"1.50"'),
        ((1, (2.5,)), "[1,[2.5]]"),
        ({1: "a", "b": {2: []}}, '{"1":"a","b":{"2":[]}}'),
        ('\x00\x1f\x7f\u2028"\\/\n', '"\\u0000\\u001f\x7f\u2028\\"\\\\/\\n"'),
        ("half \ud83d", '"half ?"'),
    ],
)
def test_what_a_number_key_or_text_becomes(value: Any, text: str) -> None:
    assert canonical(value).decode() == text
    assert json.loads(text) is not value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": object()}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical(value)

"""The screen that decides which lines are read at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from afterpilot.domain.record_lines import line_of, values_of
from afterpilot.pull.patterns import masked, without_addresses
from afterpilot.pull.screen import BUT_ADDRESSES, suspects
from unit.pull import test_redact

_PIECES = (
    "ann@example.com", "+49 30 1234567", "(030) 123 4567", "tel", "Phone no.", "mobile", "nr", ":", "#", "\n", "\t", "\x01", " ", "  ",
    "4111 1111 1111 1111", "4111111111111111", "3782 822463 10005", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00",
    "SSN", "passport", "tax id", "numéro de sécurité sociale", "fødselsnummer", "078-05-1120", "123-45-6789", "AB 12 34 56 C",
    "1 85 05 78 006 084 36", "12345678Z", "X1234567L", "RSSMRA85T10A562S", "811228-9874", "131052-308T", "756.9217.0769.85",
    "390.533.447-05", "85.07.30-033.28", "٠١٢٣٤٥٦٧٨٩", "12345678", "2026-11-16", "INV-3101874", "é", "\\", '"', ".", "-", "/", "x", "7",
    "\u00a0", "\u2011", "\uff20", "=", '"phone": "', "ssn", "_", "tax_id", "Handy", "T\u00e9l. ", "is", "'", "/ ", "(0) ", "+49 (0) 30 / 123 45-67",
    "0044 20 7946 0958", "00", "0049 (0)30 1234567", "de89370400440532013000", "de89 3704 0044 0532 0130 00", "3056 930902 5904",
    "38520000023237", "6200 0000 0000 0005", "name@пример.рф", "cell", ", 030 7654321", " / ",
    "4111.1111.1111.1111", "DE89-3704-0044-0532-0130-00", "4111\u00a01111\u00a01111\u00a01111", "\u20130958",
)  # fmt: skip


def line(text: str) -> bytes:
    """A line with that text in its data, and the newline at its end."""
    return (
        line_of(["k", "2026-11-16 00:00:00+00", json.dumps({"f": text}, ensure_ascii=False), "m", "1", "2", "0"])
        + b"\n"
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=6).map("".join))
@example("tel\n1234567")
@example("\npassport\n12345678")
@example("\x010044 20 7946 0958")
@example("Tél. 12345678")
@example("Numéro de Sécurité Sociale 12345678")
@example("FØDSELSNUMMER 12345678")
def test_what_would_be_masked_is_always_suspect(text: str) -> None:
    """However it is put together, and whatever control signs stand before it."""
    for said in (
        text,
        json.dumps([text]),
        json.dumps([json.dumps(text)]),
    ):  # as models answer, and tools that pass it on
        if masked(said) != said:
            assert suspects([line("nothing"), line(said)])[-1:] == [1]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(("ann@example.com", "x@y.de", "@", *_PIECES)), min_size=1, max_size=6).map("".join))
@example("ann@example.com")
@example("tel ann@example.com 12345678")
@example("a@b.de.a@b.de 4111 1111 1111 1111")
def test_a_text_that_can_hold_addresses_alone_is_masked_for_them_alone(text: str) -> None:
    """The short way comes to what the long way does."""
    for said in (text, json.dumps([text])):
        if not suspects([line(said)], BUT_ADDRESSES):
            assert without_addresses(said) == masked(said)
    assert suspects([line("ann@example.com")], BUT_ADDRESSES) == []


def test_every_example_of_redaction_is_suspect() -> None:
    """All texts that the tests of redaction see masked."""
    texts = [
        text
        for test in vars(test_redact).values()
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "parametrize"
        for one in mark.args[1]
        for text in (one if isinstance(one, tuple) else (one,))
        if isinstance(text, str) and masked(text) != text
    ]
    assert len(texts) > 20
    assert suspects([line(text) for text in texts]) == list(range(len(texts)))


@pytest.mark.parametrize(
    "text", ["Invoice no: INV-3101874", "Order: PO-51187\nTotal due: 1,234.56 EUR", "2026-11-16T08:30:00+00:00"]
)
def test_plain_invoices_are_not_suspect(text: str) -> None:
    """Else every line would be read, and the screen would be for nothing."""
    assert suspects([line(text)]) == []


@given(st.lists(st.none() | st.text(), min_size=1, max_size=7))
def test_a_line_says_what_was_put_into_it(values: list[str | None]) -> None:
    """Tabs, newlines, backslashes and what looks like NULL come back as they were."""
    storable = [None if value is None else value.encode("utf-8", "replace").decode() for value in values]
    made = line_of(storable)
    assert b"\n" not in made
    assert values_of(made) == storable

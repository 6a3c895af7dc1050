"""What the team's app makes of a model's answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.demo.ai_app import Answer
from afterpilot.demo.mailbox import Mail
from afterpilot.demo.office import Office
from afterpilot.demo.rows import invoice_row, mail_row, parse_answer

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOTHING = dict.fromkeys(("supplier", "invoice_no", "po_number", "total", "currency"))
ANSWER = {
    "supplier": "Weber Metall GmbH",
    "invoice_no": "INV-3207715",
    "po_number": "PO-52960",
    "total_due": "474.22 EUR",
}


def test_the_total_is_split_into_amount_and_currency() -> None:
    """The amount is exact."""
    row = parse_answer(json.dumps(ANSWER))
    assert (row["total"], row["currency"], row["po_number"]) == (Decimal("474.22"), "EUR", "PO-52960")


@pytest.mark.parametrize("text", ["", "I do not know", '{"supplier": "Web', "[]", "null", '"EUR"', "{}", "3"])
def test_an_answer_without_fields_gives_nulls(text: str) -> None:
    """Broken, empty or foreign JSON is no row of guesses."""
    assert parse_answer(text) == NOTHING


@pytest.mark.parametrize(
    "due",
    [
        "474.22",
        "EUR",
        "474,22 EUR",
        "474.2 EUR",
        " 474.22 EUR",
        "1e5 EUR",
        "99999999999.00 EUR",
        "٤.٢٢ EUR",
        474.22,
        None,
    ],
)
def test_a_total_that_is_none_gives_nulls_and_keeps_the_rest(due: object) -> None:
    """The other fields are still taken."""
    row = parse_answer(json.dumps({**ANSWER, "total_due": due}))
    assert (row["total"], row["currency"], row["supplier"]) == (None, None, "Weber Metall GmbH")


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", 7, None, ["PO-1"], {"a": 1}])
def test_what_postgresql_cannot_keep_as_text_gives_null(value: object) -> None:
    """One odd field never stops the app."""
    row = parse_answer(json.dumps({**ANSWER, "supplier": value}))
    assert row["supplier"] is None
    assert row["po_number"] == "PO-52960"


@given(st.text())
def test_no_answer_breaks_the_app(text: str) -> None:
    """Whatever the model writes gives exactly the five columns."""
    assert parse_answer(text).keys() == NOTHING.keys()


def test_a_row_keeps_the_raw_answer_and_its_usage() -> None:
    """Tokens and latency are those of the answer; the raw text is kept even where it could not be parsed."""
    row = invoice_row(
        Office().invoice(3), Answer("k", "no idea\x00", 700, 550, 58, 2_000), "some-model", finished_at=NOON
    )
    assert row["extracted_json"] == "no idea\N{REPLACEMENT CHARACTER}"
    assert (row["model_name"], row["tok_in"], row["tok_cached"], row["tok_out"]) == ("some-model", 700, 550, 58)
    assert row["received_at"] < row["finished_at"] == NOON
    assert row["supplier"] is None


def test_a_mail_keeps_an_invalid_label_as_it_came() -> None:
    """The app stores what the model said; whether that is a label is for others to check."""
    mail = Mail("ham-1", NOON, "A <a@b.example>", "Hello", "World", "discussion")
    row = mail_row(mail, Answer("ham-1", "disclaimer", 300, 280, 3, 500), "some-model", finished_at=NOON)
    assert (row["run_id"], row["label"], row["sender"]) == ("ham-1", "disclaimer", "A <a@b.example>")

"""The generated papers: the same every time, right in themselves, and as messy as documented."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterpilot.demo.office import SEED, Office
from afterpilot.demo.papers import RATES, SUPPLIERS, Invoice, Mess

WORKFLOW = Path(__file__).parents[3] / "include" / "workflows" / "invoice_matching"
ordinals = st.integers(0, 5_000)


def of(mess: Mess, *, among: int = 1_500) -> list[Invoice]:
    """All invoices of the example's first 1,500 that carry a mess."""
    found = [invoice for invoice in map(Office().invoice, range(among)) if invoice.mess is mess]
    assert found, f"no invoice carries: {mess}"
    return found


@given(ordinals)
def test_an_invoice_follows_from_seed_and_ordinal_alone(ordinal: int) -> None:
    """Two offices of one seed write the same document, whatever either wrote before."""
    other = Office()
    other.invoice(ordinal + 1)
    assert Office().invoice(ordinal) == other.invoice(ordinal)


def test_another_seed_writes_other_invoices() -> None:
    """The eval cases' seed gives no document of production's."""
    ours = {Office().invoice(ordinal).text for ordinal in range(300)}
    assert not ours & {Office(SEED + 1).invoice(ordinal).text for ordinal in range(300)}


@given(ordinals)
def test_every_document_says_what_its_truth_says(ordinal: int) -> None:
    """Supplier, number, total and, where there is one, the order stand in the text with the labels of the prompt."""
    invoice = Office().invoice(ordinal)
    lines = invoice.text.splitlines()
    assert f"Invoice no: {invoice.invoice_no}" in lines
    assert f"Total due: {invoice.total} {invoice.currency}" in lines
    assert invoice.supplier in lines or f"from {invoice.supplier}" in lines
    numbers = re.findall(r"PO-\d{5}", invoice.text)
    assert numbers == ([invoice.po_number] if invoice.po_number else [])


@given(ordinals)
def test_the_sums_of_every_document_are_right(ordinal: int) -> None:
    """The lines add up to the net amount, and net and tax to the total."""
    text = Office().invoice(ordinal).text
    lines = [
        tuple(map(Decimal, found)) for found in re.findall(r"^(\d+) x .+ @ ([\d.]+) = ([\d.]+)$", text, re.MULTILINE)
    ]
    net, tax, total = (
        Decimal(re.search(rf"^{label}.*?: ([\d.]+)", text, re.MULTILINE)[1]) for label in ("Net", "VAT", "Total")
    )
    assert all(quantity * price == amount for quantity, price, amount in lines)
    assert sum(amount for _, _, amount in lines) == net
    assert net + tax == total


@given(ordinals)
def test_no_document_carries_a_date(ordinal: int) -> None:
    """A document is the same on every day, so that its recorded answer stays valid."""
    dates = r"\d{4}-\d\d|\d[./]\d{1,2}[./]\d|\b(Date|Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)\b"
    assert not re.search(dates, Office().invoice(ordinal).text)


def test_the_right_answers_fit_the_schema() -> None:
    """Where the document names an order, the truth is an answer that the schema allows."""
    properties = json.loads((WORKFLOW / "output.schema.json").read_text())["properties"]
    for invoice in map(Office().invoice, range(500)):
        expected = {name: value for name, value in invoice.expected.items() if value}
        assert all(re.search(properties[name].get("pattern", ""), value) for name, value in expected.items())


def test_messes_come_at_their_documented_rates() -> None:
    """Over 8,000 invoices each mess comes as often as its rate says, within four standard deviations."""
    office = Office(99)
    seen = Counter(office.invoice(ordinal).mess for ordinal in range(8_000))
    for mess, rate in RATES.items():
        assert seen[mess] == pytest.approx(8_000 * rate, abs=4 * math.sqrt(8_000 * rate)), mess


def test_all_messes_together_are_13_percent() -> None:
    """The sum of the rates is what the documentation says: 13 percent."""
    assert sum(RATES.values()) == pytest.approx(0.13)


def test_the_documentation_names_every_rate() -> None:
    """The table in docs/example.md shows the rates that the generator uses."""
    table = (Path(__file__).parents[3] / "docs" / "example.md").read_text(encoding="utf-8")
    for mess, rate in RATES.items():
        assert f"| {mess} | {rate:.1%}".replace("%", " %") in table


def test_a_clean_invoice_bills_its_open_order_in_full() -> None:
    """Supplier, number, currency and amount agree with an open order."""
    for invoice in of(Mess.NONE):
        order = invoice.order
        assert order is not None
        assert (order.po_number, order.supplier, order.currency) == (
            invoice.po_number,
            invoice.supplier,
            invoice.currency,
        )
        assert (order.amount, order.status) == (invoice.total, "open")


def test_no_two_orders_share_a_number() -> None:
    """Order numbers are unique, and none is that of an example in the prompt."""
    office = Office()
    numbers = [
        invoice.order.po_number
        for invoice in map(office.invoice, range(3_000))
        if invoice.order and invoice.duplicate_of is None
    ]
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(re.findall(r"PO-\d{5}", (WORKFLOW / "prompt.md").read_text()))


def test_an_unknown_order_is_none_that_was_ever_given() -> None:
    """The number on the document belongs to no order at all."""
    numbers = {invoice.order.po_number for invoice in map(Office().invoice, range(3_000)) if invoice.order}
    for invoice in of(Mess.UNKNOWN_ORDER):
        assert invoice.order is None
        assert invoice.po_number not in numbers


@pytest.mark.parametrize("mess", [Mess.PRICE, Mess.QUANTITY, Mess.PARTIAL])
def test_changed_lines_change_the_total_and_nothing_else(mess: Mess) -> None:
    """The amount differs from the order's; a part delivery bills less."""
    for invoice in of(mess):
        assert invoice.total != invoice.order.amount
        assert invoice.po_number == invoice.order.po_number
        assert mess is not Mess.PARTIAL or invoice.total < invoice.order.amount


def test_another_currency_keeps_the_amount() -> None:
    """Only the currency differs from the order."""
    for invoice in of(Mess.CURRENCY):
        assert invoice.currency != invoice.order.currency
        assert invoice.total == invoice.order.amount


def test_a_typing_error_leaves_an_order_number_that_is_not_the_order() -> None:
    """The number still has its form, and is wrong."""
    for invoice in of(Mess.TYPING_ERROR):
        assert re.fullmatch(r"PO-\d{5}", invoice.po_number)
        assert invoice.po_number != invoice.order.po_number


def test_a_new_supplier_is_in_no_list() -> None:
    """Its name is none of the known ones, and the order was placed with somebody else."""
    for invoice in of(Mess.NEW_SUPPLIER):
        assert invoice.supplier not in {supplier.name for supplier in SUPPLIERS}
        assert invoice.supplier != invoice.order.supplier


def test_cancelled_and_closed_orders_are_what_they_are_called() -> None:
    """The order behind the invoice has the status of its mess."""
    assert {invoice.order.status for invoice in of(Mess.CANCELLED_ORDER)} == {"cancelled"}
    assert {invoice.order.status for invoice in of(Mess.CLOSED_ORDER)} == {"closed"}


def test_a_duplicate_is_the_document_of_an_earlier_clean_invoice() -> None:
    """Text and numbers are the same, run and ordinal are not."""
    for invoice in of(Mess.DUPLICATE):
        original = Office().invoice(invoice.duplicate_of)
        assert original.mess is Mess.NONE
        assert original.ordinal < invoice.ordinal
        assert (original.text, original.invoice_no) == (invoice.text, invoice.invoice_no)
        assert original.run_id != invoice.run_id


def test_a_missing_reference_names_no_order() -> None:
    """The document shows no order number, and the truth says so."""
    for invoice in of(Mess.NO_REFERENCE):
        assert "PO-" not in invoice.text
        assert invoice.expected["po_number"] == ""


@pytest.mark.parametrize("ordinal", [-1, 47_000])
def test_the_stream_says_where_it_ends(ordinal: int) -> None:
    """Beyond the five-digit order numbers there is an error, not a second order of the same number."""
    with pytest.raises(ValueError, match="runs from 0 to"):
        Office().invoice(ordinal)

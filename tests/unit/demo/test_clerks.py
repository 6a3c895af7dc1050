"""The simulated people decide from what was read, by documented rules and rates."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeGuard

import pytest

from afterpilot.demo.clerks import MAILS_LOOKED_AT, Decision, OpenOrder, Reading, decide, sort_mail
from afterpilot.demo.office import Office
from afterpilot.demo.papers import Invoice, Mess

MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
INVOICES = [Office().invoice(ordinal) for ordinal in range(1_500)]
CLEAN = [invoice for invoice in INVOICES if invoice.mess is Mess.NONE]
ORDERS = {
    order.po_number: OpenOrder(order.supplier, order.amount, order.currency, order.status)
    for order in (invoice.order for invoice in INVOICES)
    if order is not None
}


def read(invoice: Invoice) -> Reading:
    """A reading without a slip."""
    fields = (invoice.supplier, invoice.invoice_no, invoice.po_number, invoice.total, invoice.currency)
    return Reading(invoice.run_id, MONDAY, *fields)


def handled(decision: Decision | None) -> TypeGuard[Decision]:
    """Whether a clerk worked on it, rather than having a look."""
    return decision is not None and decision.minutes >= 4


@pytest.mark.parametrize("mess", [mess for mess in Mess if mess is not Mess.NONE])
def test_every_mess_is_handled_even_when_it_was_read_well(mess: Mess) -> None:
    """What does not agree with an open order takes a clerk 4 to 9 minutes, hours later, and the note says what it was."""
    found = [decide(read(invoice), invoice, ORDERS) for invoice in INVOICES if invoice.mess is mess]
    assert found
    for decision in found:
        assert handled(decision)
        assert decision.minutes <= 9
        assert decision.decided_at > MONDAY
        assert str(mess) in decision.note


def test_most_clean_invoices_are_never_looked_at() -> None:
    """Of those that agree and that nobody asks for, hardly any is changed later."""
    decisions = [decide(read(invoice), invoice, ORDERS) for invoice in CLEAN]
    later = [each for each in decisions if each]
    assert 0 < len(later) < 0.02 * len(CLEAN)
    assert all(each.decision == "fixed" and each.decided_at - MONDAY > timedelta(days=1) for each in later)


def test_what_the_gate_asks_for_is_looked_at() -> None:
    """A spot check takes about a minute; one that was read wrongly is mended, also where no order could show it."""
    found = [decide(read(invoice), invoice, ORDERS, spot_check=True) for invoice in CLEAN]
    spot = [each for each in found if each]
    assert len(spot) == len(CLEAN)
    assert all(each.decision == "ok" and Decimal("0.6") <= each.minutes <= Decimal("1.6") for each in spot)
    wrong = decide(replace(read(CLEAN[0]), invoice_no="INV-0000000"), CLEAN[0], ORDERS, spot_check=True)
    assert wrong is not None
    assert (wrong.decision, wrong.right_invoice_no) == ("fixed", CLEAN[0].invoice_no)


def test_being_asked_for_a_spot_check_changes_no_other_decision() -> None:
    """What does not agree with an order is handled as ever."""
    messy = [invoice for invoice in INVOICES if invoice.mess is not Mess.NONE]
    for invoice in messy:
        assert decide(read(invoice), invoice, ORDERS, spot_check=True) == decide(read(invoice), invoice, ORDERS)


@pytest.mark.parametrize(
    ("slip", "wrong"),
    [("supplier", "Somebody Else"), ("po_number", "PO-50418"), ("total", Decimal("1.00")), ("currency", "CHF")],
)
def test_a_misreading_that_the_order_shows_is_mended(slip: str, wrong: object) -> None:
    """A clerk fixes it, and the note gives the field and the right value."""
    invoice = CLEAN[0]
    slipped: dict[str, Any] = {slip: wrong}
    decision = decide(replace(read(invoice), **slipped), invoice, ORDERS)
    assert handled(decision)
    assert decision.decision == "fixed"
    assert f"{slip} is {getattr(invoice, slip)}" in decision.note


def test_an_answer_that_could_not_be_parsed_is_mended() -> None:
    """Without any field there is nothing that could agree."""
    invoice = CLEAN[0]
    decision = decide(Reading(invoice.run_id, MONDAY, None, None, None, None, None), invoice, ORDERS)
    assert handled(decision)
    assert decision.decision == "fixed"


def test_a_wrong_invoice_number_comes_to_light_late_and_not_always() -> None:
    """No order shows it: most turn up on a statement, the rest never unless somebody is asked to look."""
    decisions = [decide(replace(read(invoice), invoice_no="INV-0000000"), invoice, ORDERS) for invoice in CLEAN]
    found = [each for each in decisions if each is not None]
    assert 0.5 < len(found) / len(CLEAN) < 0.75
    assert {each.decision for each in found} == {"fixed"}
    assert any("statement" in each.note for each in found)


def test_a_decision_is_the_same_whenever_it_is_asked_for() -> None:
    """People are seeded by the run's key."""
    for invoice in INVOICES[:200]:
        assert decide(read(invoice), invoice, ORDERS) == decide(read(invoice), invoice, ORDERS)


def test_readers_keep_what_lies_right_and_move_what_does_not() -> None:
    """A label that does not exist lies wrong too."""
    keys = [f"mail-{number}" for number in range(500)]
    right = [each for key in keys if (each := sort_mail(key, MONDAY, "discussion", "discussion"))]
    wrong = [each for key in keys if (each := sort_mail(key, MONDAY, "disclaimer", "discussion"))]
    assert Counter(each.decision for each in right) == {"kept": len(right)}
    assert Counter(each.decision for each in wrong) == {"moved": len(wrong)}
    assert len(right) / len(keys) == pytest.approx(MAILS_LOOKED_AT, abs=0.02)
    assert all(timedelta() < each.decided_at - MONDAY <= timedelta(days=1) for each in right)
    assert all(each.true_label == "discussion" for each in wrong)
    asked = [sort_mail(key, MONDAY, "discussion", "discussion", asked=True) for key in keys]
    assert None not in asked
    assert set(right) <= set(asked)


def test_who_mends_a_reading_writes_what_the_invoice_says() -> None:
    """All five values, the order empty where the document names none; a decision that mends no reading writes nothing."""
    invoice = CLEAN[0]
    mended = decide(replace(read(invoice), total=Decimal("1.00")), invoice, ORDERS)
    assert mended is not None
    assert (mended.right_supplier, mended.right_total, mended.right_currency) == (
        invoice.supplier,
        invoice.total,
        invoice.currency,
    )
    bare = [each for each in INVOICES if each.mess is Mess.NO_REFERENCE]
    copied = [decide(replace(read(each), po_number="PO-50418"), each, ORDERS) for each in bare]
    assert {each.right_po_number for each in copied if each and each.decision == "fixed"} == {""}
    for each in INVOICES:
        decision = decide(read(each), each, ORDERS)
        assert decision is None or decision.right_supplier is None

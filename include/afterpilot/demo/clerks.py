"""The simulated people of the example: what clerks decide on invoices that were read, and readers on mails that were sorted.

They follow the rules and rates below, seeded by the run's key: a decision is the same whenever it is asked for. Only people
are simulated here; whether an invoice needs one follows from what the model really read and from the purchase orders.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from afterpilot.demo.office_hours import after_working
from afterpilot.demo.papers import Invoice, Mess

CHANGED_LATER = 0.005  # of the invoices that agree with their order: right as read, but booked otherwise in the end
SLIPS_FOUND = 0.6  # of wrong readings that nothing else shows (an invoice number), on the supplier's statement
MAILS_LOOKED_AT = 0.985  # of those that nobody asks them to look at
SPOT_CHECK = "spot check"  # the note on one that was right
_CLERKS = ("M. Abara", "T. Lindner", "J. Costa")

# How often a clerk books the invoice as it was read, and how often after mending it; the rest is refused.
_OUTCOMES = {
    Mess.NO_REFERENCE: (0.0, 0.85),
    Mess.UNKNOWN_ORDER: (0.0, 0.2),
    Mess.CANCELLED_ORDER: (0.1, 0.0),
    Mess.CLOSED_ORDER: (0.4, 0.0),
    Mess.PRICE: (0.55, 0.0),
    Mess.QUANTITY: (0.6, 0.0),
    Mess.PARTIAL: (0.9, 0.0),
    Mess.CURRENCY: (0.4, 0.0),
    Mess.TYPING_ERROR: (0.0, 1.0),
    Mess.NEW_SUPPLIER: (0.4, 0.0),
    Mess.DUPLICATE: (0.0, 0.0),
}
_NOTES = {"ok": "agreed with the buyer", "fixed": "mended by hand", "refused": "sent back to the supplier"}


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A purchase order as the clerk sees it on the screen."""

    supplier: str
    amount: Decimal
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the AI workflow made of one invoice; None where its answer could not be read."""

    run_id: str
    finished_at: datetime
    supplier: str | None
    invoice_no: str | None
    po_number: str | None
    total: Decimal | None
    currency: str | None

    def slips(self, invoice: Invoice) -> list[str]:
        """The fields that differ from the document."""
        names = ("supplier", "invoice_no", "po_number", "total", "currency")
        return [name for name in names if getattr(self, name) != getattr(invoice, name)]

    def agrees(self, orders: Mapping[str, OpenOrder]) -> bool:
        """Whether it agrees with an open order in supplier, amount and currency."""
        order = orders.get(self.po_number or "")
        read = (self.supplier, self.total, self.currency)
        return order is not None and order.status == "open" and read == (order.supplier, order.amount, order.currency)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a clerk decided: ok, fixed or refused, with the minutes it took.

    ``right_supplier`` to ``right_currency`` are what the document says, where the clerk mended a reading; None otherwise. The
    order is empty where the document names none.
    """

    run_id: str
    decided_at: datetime
    decision: str
    minutes: Decimal
    note: str
    clerk: str
    right_supplier: str | None = None
    right_invoice_no: str | None = None
    right_po_number: str | None = None
    right_total: Decimal | None = None
    right_currency: str | None = None


@dataclass(frozen=True, slots=True)
class Sorting:
    """What a reader did with one mail: kept where it was, or moved to ``true_label``."""

    run_id: str
    decided_at: datetime
    decision: str
    minutes: Decimal
    true_label: str


def decide(
    reading: Reading, invoice: Invoice, orders: Mapping[str, OpenOrder], *, spot_check: bool = False
) -> Decision | None:
    """What a clerk decides on a reading, and when; None where nobody ever looks at it.

    Whatever does not agree with its order is handled (4 to 9 minutes), so is what came twice. Of the rest, those that the
    gate asks for as a ``spot_check`` are read (about a minute), and some wrong or wrongly booked ones are found days later.
    """
    decision = _decided(reading, invoice, orders, spot_check=spot_check)
    if decision is None or decision.decision != "fixed" or not reading.slips(invoice):
        return decision
    return replace(
        decision,
        right_supplier=invoice.supplier,
        right_invoice_no=invoice.invoice_no,
        right_po_number=invoice.po_number or "",
        right_total=invoice.total,
        right_currency=invoice.currency,
    )


def _decided(
    reading: Reading, invoice: Invoice, orders: Mapping[str, OpenOrder], *, spot_check: bool
) -> Decision | None:
    rng = _rng(reading.run_id)
    slips = reading.slips(invoice)
    if invoice.mess is Mess.DUPLICATE or not reading.agrees(orders):
        outcome, note = _handled(invoice, slips, rng)
        return _decision(
            reading, rng, outcome, note, minutes=rng.triangular(4, 9, 5.5), hours=rng.triangular(0.5, 9, 3)
        )
    if spot_check:
        outcome, note = ("fixed", _misread(slips, invoice)) if slips else ("ok", SPOT_CHECK)
        return _decision(reading, rng, outcome, note, minutes=rng.uniform(0.6, 1.6), hours=rng.uniform(2, 10))
    draw = rng.random()
    if slips and draw < SLIPS_FOUND:
        note = f"supplier's statement: {_misread(slips, invoice)}"
    elif not slips and draw < CHANGED_LATER:
        note = "booked on another cost centre"
    else:
        return None
    return _decision(reading, rng, "fixed", note, minutes=rng.triangular(4, 9, 6), hours=rng.uniform(15, 40))


def sort_mail(
    run_id: str, finished_at: datetime, label: str | None, true_label: str, *, asked: bool = False
) -> Sorting | None:
    """What a reader does with a mail, within a day; None for the few that nobody ever opens, unless the gate has ``asked``."""
    rng = _rng(run_id)
    if rng.random() >= MAILS_LOOKED_AT and not asked:
        return None
    kept = label == true_label
    minutes = rng.uniform(0.02, 0.06) if kept else rng.uniform(0.15, 0.5)
    at = finished_at + timedelta(seconds=rng.randint(600, 86_400))
    return Sorting(run_id, at, "kept" if kept else "moved", Decimal(f"{minutes:.3f}"), true_label)


def _rng(run_id: str) -> random.Random:
    return random.Random(f"people/{run_id}")  # noqa: S311 - an example, not a secret


def _handled(invoice: Invoice, slips: list[str], rng: random.Random) -> tuple[str, str]:
    if invoice.mess is Mess.NONE:
        return "fixed", _misread(slips, invoice)
    ok, fixed = _OUTCOMES[invoice.mess]
    draw = rng.random()
    outcome = "ok" if draw < ok else "fixed" if draw < ok + fixed else "refused"
    if outcome == "ok" and slips:
        return "fixed", f"{invoice.mess}: {_NOTES['ok']}; {_misread(slips, invoice)}"
    return outcome, f"{invoice.mess}: {_NOTES[outcome]}"


def _misread(slips: list[str], invoice: Invoice) -> str:
    return "misread: " + ", ".join(f"{name} is {getattr(invoice, name) or 'not on the invoice'}" for name in slips)


def _decision(
    reading: Reading, rng: random.Random, decision: str, note: str, *, minutes: float, hours: float
) -> Decision:
    at = after_working(reading.finished_at, hours)
    return Decision(reading.run_id, at, decision, Decimal(f"{minutes:.2f}"), note, rng.choice(_CLERKS))

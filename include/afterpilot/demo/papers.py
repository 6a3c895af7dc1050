"""The papers of the example's office: suppliers, purchase orders, invoices, and the messes that invoices carry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Mess(StrEnum):
    """What is wrong with an invoice; the value is how a clerk calls it."""

    NONE = "nothing"
    NO_REFERENCE = "no order reference"
    UNKNOWN_ORDER = "order unknown"
    CANCELLED_ORDER = "order cancelled"
    CLOSED_ORDER = "order closed"
    PRICE = "price changed"
    QUANTITY = "quantity changed"
    PARTIAL = "part delivery"
    CURRENCY = "other currency"
    TYPING_ERROR = "typing error in the order number"
    NEW_SUPPLIER = "supplier never seen before"
    DUPLICATE = "sent twice"


# The share of all invoices that carry each mess: 13 % together. An invoice carries at most one.
RATES = {
    Mess.NO_REFERENCE: 0.014,
    Mess.UNKNOWN_ORDER: 0.010,
    Mess.CANCELLED_ORDER: 0.009,
    Mess.CLOSED_ORDER: 0.007,
    Mess.PRICE: 0.020,
    Mess.QUANTITY: 0.014,
    Mess.PARTIAL: 0.015,
    Mess.CURRENCY: 0.009,
    Mess.TYPING_ERROR: 0.010,
    Mess.NEW_SUPPLIER: 0.008,
    Mess.DUPLICATE: 0.014,
}


@dataclass(frozen=True, slots=True)
class Supplier:
    """A supplier; ``vat`` in percent, ``weight`` says how often it sends an invoice, ``contact`` is a person."""

    name: str
    currency: str
    vat: int
    weight: int
    contact: str

    @property
    def contact_email(self) -> str:
        """Where the person can be reached; the domain is reserved and belongs to nobody."""
        first = "".join(letter for letter in self.name.split()[0].lower() if letter.isalnum())
        return f"{self.contact.lower().replace(' ', '.')}@{first}.example"


SUPPLIERS = (
    Supplier("Northwind Paper GmbH", "EUR", 19, 10, "Ines Vogt"),
    Supplier("Kessler & Sohn KG", "EUR", 19, 10, "Jonas Kessler"),
    Supplier("Brightwater Supplies Ltd", "GBP", 20, 5, "Hazel Morgan"),
    Supplier("Atelier Moreau SARL", "EUR", 20, 7, "Claire Moreau"),
    Supplier("Hanlon Tools Inc.", "USD", 8, 6, "Walt Hanlon"),
    Supplier("Polaris Office BV", "EUR", 21, 9, "Sanne de Wit"),
    Supplier("Sato Components KK", "USD", 10, 4, "Yuki Sato"),
    Supplier("Marchetti Srl", "EUR", 22, 8, "Paolo Marchetti"),
    Supplier("Thornbury Packaging Ltd", "GBP", 20, 3, "Neil Ashworth"),
    Supplier("Calder Castings Ltd", "GBP", 20, 2, "Fiona Calder"),
    Supplier("Prairie Electric Supply Co.", "USD", 6, 4, "Dana Whitfield"),
    Supplier("Blue Mesa Plastics LLC", "USD", 7, 3, "Rosa Trujillo"),
    Supplier("Ferreira Embalagens Lda", "EUR", 23, 6, "Rui Ferreira"),
    Supplier("Holm Lagerteknik AB", "EUR", 25, 6, "Elin Holm"),
    Supplier("Zeman Armatury s.r.o.", "EUR", 21, 5, "Petr Zeman"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One position of an order or invoice."""

    item: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        """Quantity times price, before tax."""
        return self.quantity * self.unit_price


@dataclass(frozen=True, slots=True)
class Order:
    """A purchase order; ``amount`` is what its invoice should come to, tax included. ``days`` before it was placed."""

    po_number: str
    supplier: str
    currency: str
    lines: tuple[Line, ...]
    amount: Decimal
    status: str
    days: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A supplier's invoice and the truth about it.

    ``supplier`` to ``currency`` are what the document says (``po_number`` None where it names none). ``order`` is what it
    really bills; None where the office never placed such an order. ``duplicate_of`` is the ordinal of the same document.
    """

    ordinal: int
    text: str
    layout: str
    supplier: str
    invoice_no: str
    po_number: str | None
    total: Decimal
    currency: str
    mess: Mess
    order: Order | None
    contact: str
    duplicate_of: int | None = None

    @property
    def run_id(self) -> str:
        """The key of the run that reads this invoice."""
        return f"inv-{self.ordinal:06d}"

    @property
    def answer_key(self) -> str:
        """The key of its recorded answer; it holds a digest of the document, so that another one's answer is never used."""
        return f"{self.ordinal:06d}-{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    @property
    def expected(self) -> dict[str, str]:
        """The right answer of the reader, field by field; ``po_number`` is empty where the document names no order."""
        return {
            "supplier": self.supplier,
            "invoice_no": self.invoice_no,
            "po_number": self.po_number or "",
            "total_due": f"{self.total} {self.currency}",
        }


def ordinal_of(run_id: str) -> int:
    """The ordinal of the invoice that a run has read."""
    return int(run_id.partition("-")[2])

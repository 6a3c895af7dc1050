"""The example's office on paper: suppliers, purchase orders and the invoices that suppliers send. All generated, all seeded.

One invoice follows from the seed and its ordinal alone, so the stream has no end and needs no state. No document carries a
date: it is the same on every day, and an answer recorded for it stays valid. An invoice bills one order in full, unless it
carries one of the messes of real offices, each with the rate of :data:`~afterpilot.demo.papers.RATES`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from afterpilot.demo.papers import RATES, SUPPLIERS, Invoice, Line, Mess, Order, Supplier

SEED = 20
CUSTOMER = "Ruiz Manufacturing"
_CENT = Decimal("0.01")
_FIRST_PO, _PO_BLOCK = 53_000, 50
_LAST_ORDINAL = 46_999  # order numbers have five digits: some four years of invoices


_NEW_FIRST = ("Voss", "Redfern", "Okada", "Delacroix", "Tamworth", "Silva", "Granite Peak", "Nordhoff")
_NEW_SECOND = ("Industrial Ltd", "Trading GmbH", "Factoring SARL", "Services Inc.", "Hardware BV")
_ITEMS = (
    ("Copy paper A4", 3, 9),
    ("Toner black", 45, 120),
    ("Office chair", 90, 180),
    ("Steel bracket", 3, 14),
    ("Packing tape", 2, 6),
    ("Drill bit set", 18, 60),
    ("LED panel", 25, 75),
    ("Pallet wrap", 8, 22),
    ("Safety gloves", 3, 12),
    ("Cable drum", 35, 140),
    ("Label roll", 4, 15),
    ("Hand pallet truck", 150, 420),
    ("Hydraulic hose", 20, 85),
    ("Ball valve", 12, 48),
    ("Cardboard box L", 1, 4),
    ("Bearing 6204", 5, 16),
    ("Work bench", 160, 380),
    ("Cutting disc", 2, 7),
    ("Floor cleaner", 6, 18),
    ("Filter cartridge", 15, 55),
    ("Ear protection", 9, 28),
    ("Storage bin", 4, 19),
    ("Power strip", 11, 34),
    ("Anchor bolt", 1, 5),
)  # fmt: skip - a table of item, lowest and highest unit price


class Office:
    """The stream of one seed: :meth:`invoice` gives the document of any ordinal from 0 on."""

    def __init__(self, seed: int = SEED) -> None:
        self.seed = seed
        self._numbers = list(range(_PO_BLOCK))
        self._rng("numbers").shuffle(self._numbers)
        self._new_number = 20_000 + self._rng("first").randrange(20_000)

    def invoice(self, ordinal: int) -> Invoice:
        """The invoice of that ordinal.

        Raises:
            ValueError: the ordinal is negative, or beyond the last order number.
        """
        if not 0 <= ordinal <= _LAST_ORDINAL:
            raise ValueError(f"the stream of invoices runs from 0 to {_LAST_ORDINAL}, not to {ordinal}")
        mess = self._mess(ordinal)
        if mess is Mess.DUPLICATE:
            original = self._original(ordinal)
            return replace(self._written(original, Mess.NONE), ordinal=ordinal, mess=mess, duplicate_of=original)
        return self._written(ordinal, mess)

    def _rng(self, *about: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, *about))))  # noqa: S311 - an example, not a secret

    def _mess(self, ordinal: int) -> Mess:
        draw = self._rng("mess", ordinal).random()
        for mess, rate in RATES.items():
            draw -= rate
            if draw < 0:
                return Mess.NONE if mess is Mess.DUPLICATE and self._original(ordinal) < 0 else mess
        return Mess.NONE

    def _original(self, ordinal: int) -> int:
        """The earlier clean invoice that is sent again; -1 where there is none yet."""
        first = ordinal - self._rng("original", ordinal).randint(3, 120)
        return next((before for before in range(first, -1, -1) if self._mess(before) is Mess.NONE), -1)

    def _written(self, ordinal: int, mess: Mess) -> Invoice:
        rng = self._rng("document", ordinal)
        supplier = rng.choices(SUPPLIERS, [each.weight for each in SUPPLIERS])[0]
        order = self._order(ordinal, supplier, mess, rng)
        sender = supplier
        if mess is Mess.NEW_SUPPLIER:
            name = f"{rng.choice(_NEW_FIRST)} {rng.choice(_NEW_SECOND)}"
            sender = replace(supplier, name=name, contact="Accounts Department")
        currency = rng.choice([c for c in ("EUR", "USD", "GBP") if c != order.currency])
        invoice = Invoice(
            ordinal=ordinal,
            text="",
            layout=rng.choice(("order line", "our reference")),
            supplier=sender.name,
            invoice_no=f"INV-{21 + SUPPLIERS.index(supplier)}{(self._new_number + ordinal) % 100_000:05d}",
            po_number=_reference(order.po_number, mess, rng),
            total=Decimal(0),
            currency=currency if mess is Mess.CURRENCY else order.currency,
            mess=mess,
            order=None if mess is Mess.UNKNOWN_ORDER else order,
            contact=f"{sender.contact} <{sender.contact_email}>",
        )
        return _print(invoice, _delivered(order.lines, mess, rng), supplier.vat, rng)

    def _order(self, ordinal: int, supplier: Supplier, mess: Mess, rng: random.Random) -> Order:
        lines = []
        for item, low, high in rng.sample(_ITEMS, rng.choice((1, 1, 2, 2, 3))):
            price = Decimal(rng.randint(low * 100, high * 100)) / 100
            lines.append(Line(item, rng.randint(2, 40 if high < 100 else 8), price))  # noqa: PLR2004 - dear things in small numbers
        block, place = divmod(ordinal, _PO_BLOCK)
        return Order(
            po_number=f"PO-{_FIRST_PO + block * _PO_BLOCK + self._numbers[place]}",
            supplier=supplier.name,
            currency=supplier.currency,
            lines=tuple(lines),
            amount=_with_tax(lines, supplier.vat),
            status={Mess.CANCELLED_ORDER: "cancelled", Mess.CLOSED_ORDER: "closed"}.get(mess, "open"),
            days=rng.randint(4, 45),
        )


@lru_cache(maxsize=1)
def example() -> Office:
    """The office of the example."""
    return Office()


def _reference(po_number: str, mess: Mess, rng: random.Random) -> str | None:
    if mess is Mess.NO_REFERENCE:
        return None
    if mess is Mess.UNKNOWN_ORDER:
        return f"PO-{rng.randint(41_000, 49_999)}"  # below the first number that this office has given
    if mess is not Mess.TYPING_ERROR:
        return po_number
    digits = list(po_number[3:])
    swaps = [at for at in range(4) if digits[at] != digits[at + 1]]
    if swaps and rng.random() < 0.5:  # noqa: PLR2004 - half are swapped digits, half are wrong ones
        at = rng.choice(swaps)
        digits[at], digits[at + 1] = digits[at + 1], digits[at]
    else:
        at = rng.randrange(5)
        digits[at] = rng.choice([digit for digit in "123456789" if digit != digits[at]])
    return "PO-" + "".join(digits)


def _delivered(lines: tuple[Line, ...], mess: Mess, rng: random.Random) -> list[Line]:
    """The lines as billed."""
    billed = list(lines)
    at = rng.randrange(len(billed))
    line = billed[at]
    if mess is Mess.PRICE:
        more = (line.unit_price * rng.randint(3, 18) / 100).quantize(_CENT, ROUND_HALF_UP)
        billed[at] = replace(line, unit_price=line.unit_price + max(more, _CENT))
    elif mess is Mess.QUANTITY:
        change = rng.randint(1, max(1, line.quantity // 4))
        billed[at] = replace(line, quantity=line.quantity + rng.choice((-change, change)))
    elif mess is Mess.PARTIAL and len(billed) > 1:
        del billed[at]
    elif mess is Mess.PARTIAL:
        billed[at] = replace(line, quantity=rng.randint(1, line.quantity - 1))
    return billed


def _tax(lines: list[Line], vat: int) -> tuple[Decimal, Decimal]:
    net = sum((line.amount for line in lines), Decimal(0))
    return net, (net * vat / 100).quantize(_CENT, ROUND_HALF_UP)


def _with_tax(lines: list[Line], vat: int) -> Decimal:
    return sum(_tax(lines, vat), Decimal(0))


def _print(invoice: Invoice, lines: list[Line], vat: int, rng: random.Random) -> Invoice:
    """The invoice with its text and total."""
    net, tax = _tax(lines, vat)
    reference = invoice.po_number or rng.choice(("", "", "by telephone", "as agreed"))
    head = [f"Invoice no: {invoice.invoice_no}"]
    if invoice.layout == "order line":
        head = [invoice.supplier, *head, f"Bill to: {CUSTOMER}", *([f"Order: {reference}"] if reference else [])]
    else:
        head += [f"from {invoice.supplier}", *([f"Our reference / your order: {reference}"] if reference else [])]
    body = [f"{line.quantity} x {line.item} @ {line.unit_price:.2f} = {line.amount:.2f}" for line in lines]
    total = net + tax
    foot = [
        f"Net: {net:.2f}",
        f"VAT {vat}%: {tax:.2f}",
        f"Total due: {total:.2f} {invoice.currency}",
        f"Payment: {30 if invoice.layout == 'order line' else 14} days net",
    ]
    return replace(invoice, text="\n".join(head + body + foot), total=total.quantize(_CENT))

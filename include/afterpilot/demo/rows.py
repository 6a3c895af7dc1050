"""Rows of the example's production systems, as its teams' apps would write them."""

from __future__ import annotations

import json
import random
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from afterpilot.demo.ai_app import Answer
from afterpilot.demo.mailbox import Mail
from afterpilot.demo.papers import SUPPLIERS, Invoice, Order

_TOTAL_DUE = re.compile(r"([0-9]{1,10}\.[0-9]{2}) ([A-Z]{3})")


def parse_answer(text: str) -> dict[str, Any]:
    """The columns that the team's app makes of an answer; None for each that cannot be read from it."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    found = answer if isinstance(answer, dict) else {}
    words = {name: found[name] for name in ("supplier", "invoice_no", "po_number") if _storable(found.get(name))}
    due = found.get("total_due")
    match = _TOTAL_DUE.fullmatch(due) if isinstance(due, str) else None
    return {
        **dict.fromkeys(("supplier", "invoice_no", "po_number")),
        **words,
        "total": Decimal(match.group(1)) if match else None,
        "currency": match.group(2) if match else None,
    }


def reading_time(invoice: Invoice, answer: Answer) -> timedelta:
    """From an invoice's arrival to its answer: up to four minutes in the queue, then the model's own time."""
    rng = random.Random(f"queue/{invoice.run_id}")  # noqa: S311 - an example, not a secret
    return timedelta(seconds=rng.randint(5, 240), milliseconds=answer.latency_ms)


def invoice_row(invoice: Invoice, answer: Answer, model: str, *, finished_at: datetime) -> dict[str, Any]:
    """A row of ``ai_invoice_runs``."""
    return {
        "run_id": invoice.run_id,
        "invoice_id": f"scan-{invoice.ordinal:06d}",
        "received_at": finished_at - reading_time(invoice, answer),
        "finished_at": finished_at,
        "document": invoice.text,
        "supplier_contact": invoice.contact,
        "extracted_json": _kept(answer.text),
        **parse_answer(answer.text),
        **_usage(answer, model),
    }


def mail_row(mail: Mail, answer: Answer, model: str, *, finished_at: datetime) -> dict[str, Any]:
    """A row of ``triage_runs``; a mail is sorted as it comes."""
    return {
        "run_id": mail.key,
        "received_at": finished_at - timedelta(milliseconds=answer.latency_ms),
        "finished_at": finished_at,
        "sender": _kept(mail.sender),
        "subject": _kept(mail.subject),
        "body": _kept(mail.body),
        "label": _kept(answer.text),
        **_usage(answer, model),
    }


def supplier_rows() -> list[dict[str, Any]]:
    """Rows of ``suppliers``."""
    return [
        {
            "name": supplier.name,
            "currency": supplier.currency,
            "contact_email": supplier.contact_email,
            "since": date(2013 + number % 11, 1 + number * 5 % 12, 1),
        }
        for number, supplier in enumerate(SUPPLIERS)
    ]


def order_row(order: Order, ordered_on: date) -> dict[str, Any]:
    """A row of ``purchase_orders``."""
    return {
        "po_number": order.po_number,
        "supplier": order.supplier,
        "ordered_on": ordered_on,
        "amount": order.amount,
        "currency": order.currency,
        "status": order.status,
    }


def line_rows(order: Order) -> list[dict[str, Any]]:
    """Rows of ``purchase_order_lines``."""
    return [
        {
            "po_number": order.po_number,
            "line_no": number,
            "item": line.item,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
        }
        for number, line in enumerate(order.lines, start=1)
    ]


def _usage(answer: Answer, model: str) -> dict[str, Any]:
    return {
        "model_name": model,
        "tok_in": answer.prompt_tokens,
        "tok_cached": answer.cached_tokens,
        "tok_out": answer.completion_tokens,
        "latency_ms": answer.latency_ms,
    }


def _kept(text: str) -> str:
    """The text as it is, but for characters that PostgreSQL does not keep as text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _storable(value: object) -> bool:
    """Whether PostgreSQL can keep it as text: no NUL, no half of a surrogate pair."""
    return (
        isinstance(value, str) and "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    )

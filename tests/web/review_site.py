"""A review queue with items of all kinds, and people known by a header or a cookie, as a login would make them known."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from afterpilot.domain.record import Discrepancy, GateDecision, Record
from afterpilot.domain.workflow import Loaded
from afterpilot.record import tables
from afterpilot.record.ops import Ops, Unit
from afterpilot.web.access import Access, Role, Sight
from afterpilot.web.app import create_app

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
INVOICES, MAILS = "invoice_matching", "email_triage"
ADDRESSES = {"dana": "dana.ruiz@example.com", "lee": "lee.okafor@example.com"}
SAME_SITE = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
DOCUMENT: dict[str, Any] = {
    "workflow": INVOICES,
    "purpose": "Match supplier invoices to purchase orders",
    "owner": {"name": "Dana Ruiz", "slack": "U02AB3CD4", "deputy": {"name": "Lee Okafor", "slack": "U05EF6GH7"}},
    "source": {
        "connection": "erp",
        "table": "ai_invoice_runs",
        "fields": {
            "document": "text",
            "supplier": "text",
            "invoice_no": "text",
            "po_number": "text",
            "total": "number",
            "currency": "text",
            "supplier_contact": "text",
        },
        "personal": ["supplier_contact"],
    },
    "outputs": [{"expect": "in_table", "column": "po_number"}],
    "review": {
        "source_field": "document",
        "fields": ["supplier", "invoice_no", "po_number", "total", "currency"],
        "reviewers": [f"clerk{number}" for number in range(8)],
        "due_within": "8h",
        "write_back": {"table": "ap_decisions", "columns": {"run_id": "key", "decision": "decision"}},
    },
}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """What time it is: each look is a millisecond later."""
        self.now += timedelta(milliseconds=1)
        return self.now


def logged_in(request: Request) -> Sight:
    """Who asks, by header (or by cookie, for a browser); ``reader`` may not decide, nobody is sent away."""
    name = request.headers.get("x-user") or request.cookies.get("user", "")
    if not name:
        raise HTTPException(401, "Not authenticated")
    role = Role.AUDITOR if name == "reader" else Role.ENGINEER
    return Sight(name, also=(ADDRESSES.get(name, f"{name}@example.com"),), role=role)


def mounted(engine: sa.Engine, clock: Callable[[], datetime] | None = None) -> FastAPI:
    """The application as Airflow mounts it, with a login."""
    gate = [Depends(logged_in)]
    app = create_app(lambda: engine, gate=gate, access=Access(logged_in), clock=clock or Clock())
    outer = FastAPI()
    outer.mount("/afterpilot", app)
    return outer


def person(engine: sa.Engine, name: str, clock: Callable[[], datetime] | None = None) -> TestClient:
    """A browser in which that person is logged in; it has been on the queue's page, and holds its token."""
    client = TestClient(mounted(engine, clock), follow_redirects=False, headers={**SAME_SITE, "x-user": name})
    client.get("/afterpilot/review")
    return client


def token(client: TestClient) -> str:
    """The token that the person's pages bear."""
    return str(client.cookies["afterpilot_review"])


def fill(engine: sa.Engine, *, many: int = 6, **declared: Any) -> uuid.UUID:
    """Invoices that wait: a wrong total, an unknown order, a missing number, a spot check, and so on; the oldest first.

    ``declared`` are further keys of the declaration.
    """
    run = uuid.uuid4()
    with Ops(engine).begin() as unit:
        unit.declarations.keep(Loaded(INVOICES, "", _usable(), (), "f" * 64, {**DOCUMENT, **declared}), at=NOW)
        decisions = [_item(unit, run, number) for number in range(many)]
        unit.gate.write(decisions, run)
        for number in range(many):
            opened = NOW - timedelta(hours=9) + timedelta(hours=2 * number)
            unit.connection.execute(
                sa.update(tables.review_items)
                .where(tables.review_items.c.key == f"run-{number:04d}")
                .values(opened_at=min(opened, NOW), due_at=min(opened, NOW) + timedelta(hours=8))
            )
    return run


def mail(engine: sa.Engine) -> str:
    """A mail whose label is none of the two that there are; where people can keep it or move it, and nothing else. Its key."""
    run, key, at = uuid.uuid4(), "mail-0001", NOW - timedelta(hours=1)
    label = "newsletter"
    outside = Discrepancy(
        "column_values_to_be_in_set",
        "label",
        label,
        "discussion or advertisement",
        "",
        f"Label: {label!r} is not discussion or advertisement",
    )
    document = {
        "workflow": MAILS,
        "purpose": "Label incoming mail",
        "owner": DOCUMENT["owner"],
        "source": {"connection": "mailbox", "table": "triage_runs", "fields": {"body": "text", "label": "text"}},
        "review": {
            "source_field": "body",
            "fields": ["label"],
            "write_back": {
                "table": "sorted_by_people",
                "columns": {"run_id": "key", "decision": "decision"},
                "words": {"accepted": "kept", "corrected": "moved"},
            },
        },
    }
    with Ops(engine).begin() as unit:
        unit.declarations.keep(Loaded(MAILS, "", _usable(), (), "e" * 64, document), at=NOW)
        unit.records.write(
            [Record(MAILS, key, at, {"body": "News of the week, and how to leave.", "label": label})], run
        )
        decision = GateDecision(MAILS, key, at, released=False, reason="failed_check", discrepancies=(outside,))
        unit.gate.write([decision], run)
    return key


def _usable() -> Any:
    return object()


def _item(unit: Unit, run: uuid.UUID, number: int) -> GateDecision:
    key, at, order = f"run-{number:04d}", NOW - timedelta(hours=12 - number), f"PO-{51000 + number}"
    total, right = f"{453 + number}.60", f"{435 + number}.60"
    data = {
        "document": _document(number, order, right),
        "supplier": "Harbour Lights Ltd",
        "invoice_no": f"INV-{3000100 + number}",
        "po_number": order,
        "total": total,
        "currency": "GBP",
        "supplier_contact": "[redacted]",
    }
    kinds = (
        Discrepancy(
            "match_reference",
            "total",
            total,
            right,
            f"purchase order {order}",
            f"The invoice asks for {total} GBP, but purchase order {order} is over {right} GBP.",
        ),
        Discrepancy(
            "in_table",
            "supplier",
            "Harbour Lights Ltd",
            "",
            "list of suppliers",
            "The list of suppliers has no Harbour Lights Ltd.",
        ),
        Discrepancy(
            "json_schema",
            "extracted_json",
            "",
            "",
            "",
            "The answer is no JSON: it ends in the middle of a word.",
        ),
    )
    if number % 4 == 2:
        unit.records.write([Record(INVOICES, key, at, {**data, "total": right})], run)
        return GateDecision(INVOICES, key, at, released=True, reason="spot_check")
    unit.records.write([Record(INVOICES, key, at, data)], run)
    return GateDecision(
        INVOICES,
        key,
        at,
        released=False,
        reason="failed_check",
        discrepancies=(kinds[number % 4 % 3], kinds[0])[: 1 + number % 2],
    )


def _document(number: int, order: str, right: str) -> str:
    return f"""Harbour Lights Ltd
14 Quay Street, Falmouth TR11 3LH

INVOICE

Invoice no:      INV-{3000100 + number}
Date:            18 November 2026
Your order:      {order}

Deck lamps, brass        12 x 24.50      294.00
Signal lanterns           3 x 23.00       69.00

Net                                      363.00
VAT 20 %                                  72.60
Total due                                {right} GBP

Please pay within 30 days to the account below. Goods remain
ours until they are paid for. Thank you for your custom.
"""

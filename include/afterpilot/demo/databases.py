"""The tables of the example's two production systems: ``erp`` (invoices) and ``mailbox`` (e-mails). They are not Afterpilot's."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _run(run_id: str = "run_id") -> list[sa.Column[Any]]:
    return [sa.Column(run_id, sa.Text, primary_key=True), _moment("received_at"), _moment("finished_at")]


def _usage() -> list[sa.Column[Any]]:
    names = ("tok_in", "tok_cached", "tok_out", "latency_ms")
    return [sa.Column("model_name", sa.Text), *(sa.Column(name, sa.Integer) for name in names)]


def _decision(minutes: sa.Numeric[Any]) -> list[sa.Column[Any]]:
    return [
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("minutes", minutes),
    ]


erp = sa.MetaData()

suppliers = sa.Table(
    "suppliers",
    erp,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("contact_email", sa.Text, nullable=False),
    sa.Column("since", sa.Date, nullable=False),
)

purchase_orders = sa.Table(
    "purchase_orders",
    erp,
    sa.Column("po_number", sa.Text, primary_key=True),
    sa.Column("supplier", sa.Text, sa.ForeignKey("suppliers.name"), nullable=False),
    sa.Column("ordered_on", sa.Date, nullable=False),
    sa.Column("amount", sa.Numeric(12, 2), nullable=False, comment="with tax: what the invoice should come to"),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.CheckConstraint("status IN ('open', 'closed', 'cancelled')", name="status"),
)

purchase_order_lines = sa.Table(
    "purchase_order_lines",
    erp,
    sa.Column("po_number", sa.Text, sa.ForeignKey("purchase_orders.po_number"), primary_key=True),
    sa.Column("line_no", sa.Integer, primary_key=True),
    sa.Column("item", sa.Text, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("unit_price", sa.Numeric(12, 2), nullable=False),
)

ai_invoice_runs = sa.Table(
    "ai_invoice_runs",
    erp,
    *_run(),
    sa.Column("invoice_id", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False, comment="the invoice's text"),
    sa.Column("supplier_contact", sa.Text, nullable=False, comment="a person's name and address"),
    sa.Column("extracted_json", sa.Text, comment="the model's answer as it came"),
    sa.Column("supplier", sa.Text),
    sa.Column("invoice_no", sa.Text),
    sa.Column("po_number", sa.Text),
    sa.Column("total", sa.Numeric(12, 2)),
    sa.Column("currency", sa.Text),
    *_usage(),
    sa.Column("status", sa.Text, nullable=False, server_default="waiting"),
    sa.CheckConstraint("status IN ('waiting', 'filed', 'with_clerk', 'refused')", name="status"),
    sa.Index("ix_ai_invoice_runs_finished_at", "finished_at"),
)

# What the invoice says, where the clerk mended a reading; NULL otherwise.
RIGHT = (
    sa.Column("right_supplier", sa.Text),
    sa.Column("right_invoice_no", sa.Text),
    sa.Column("right_po_number", sa.Text),
    sa.Column("right_total", sa.Numeric(12, 2)),
    sa.Column("right_currency", sa.Text),
)

ap_decisions = sa.Table(
    "ap_decisions",
    erp,
    *_decision(sa.Numeric(6, 2)),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("clerk", sa.Text, nullable=False),
    *RIGHT,
    sa.CheckConstraint("decision IN ('ok', 'fixed', 'refused')", name="decision"),
    sa.Index("ix_ap_decisions_decided_at", "decided_at"),
)

# Where week 0 of the stream lies; written by the first load, so that every later one goes on from there.
stream_calendar = sa.Table("stream_calendar", erp, sa.Column("week_zero", sa.Date, primary_key=True))

mailbox = sa.MetaData()

triage_runs = sa.Table(
    "triage_runs",
    mailbox,
    *_run(),
    sa.Column("sender", sa.Text, nullable=False, comment="a person's name and address"),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("label", sa.Text, comment="the model's answer as it came"),
    *_usage(),
    sa.Index("ix_triage_runs_finished_at", "finished_at"),
)

sorted_by_people = sa.Table(
    "sorted_by_people",
    mailbox,
    *_decision(sa.Numeric(6, 3)),
    sa.Column("true_label", sa.Text, nullable=False),
    sa.CheckConstraint("decision IN ('kept', 'moved')", name="decision"),
    sa.Index("ix_sorted_by_people_decided_at", "decided_at"),
)

"""An office's table of AI runs, as the example has it, with as many rows as are asked for."""

from __future__ import annotations

import sqlalchemy as sa

from afterpilot.demo import databases

SIZES = {"50k": 50_000, "100k": 100_000, "1m": 1_000_000}
TABLE = "ai_invoice_runs"
DAYS = 27  # the example's first pull reaches back 28

# One document in fifty holds an e-mail address, so that redaction has to do something.
_ROWS = """
INSERT INTO ai_invoice_runs (run_id, invoice_id, received_at, finished_at, document, supplier_contact, extracted_json, supplier,
  invoice_no, po_number, total, currency, model_name, tok_in, tok_cached, tok_out, latency_ms)
SELECT 'run-' || lpad(i::text, 9, '0'), 'scan-' || i, t - interval '3 minutes', t,
  E'Harbour Office Supplies Ltd\\nInvoice no: INV-' || (3000000 + i) || E'\\nDate: ' || t::date || E'\\nOrder: PO-'
    || (50000 + i % 10000) || CASE WHEN i % 50 = 0 THEN E'\\nQuestions: accounts' || i || '@harbour.example' ELSE '' END
    || E'\\nBill to: Northwind Trading\\n\\n12 x Paper A4 80g  4.20  50.40\\n3 x Toner black  67.10 201.30\\n\\nNet: 251.70'
    || E'\\nVAT 20%: 50.34\\nTotal due: ' || (i % 1000) || E'.04 GBP\\nPayment within 30 days. Thanks.',
  'Ann Miller, ann.miller@harbour.example',
  json_build_object('supplier', 'Harbour Office Supplies Ltd', 'invoice_no', 'INV-' || (3000000 + i),
    'po_number', 'PO-' || (50000 + i % 10000), 'total_due', (i % 1000) || '.04 GBP')::text,
  'Harbour Office Supplies Ltd', 'INV-' || (3000000 + i), 'PO-' || (50000 + i % 10000), i % 1000 + 0.04, 'GBP',
  'smollm2-135m-instruct', 700 + i % 50, 550, 58, 1000 + i % 3000
FROM (SELECT i, now() - i * (interval '1 day' * :days / :rows) - interval '1 hour' AS t
  FROM generate_series(:rows, 1, -1) AS i) AS given
"""


def make(url: str, rows: int) -> None:
    """Make the tables, and the rows where there are not as many as asked for."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        databases.erp.create_all(connection)
        there = connection.scalar(
            sa.text("SELECT count(*) FROM ai_invoice_runs WHERE finished_at > now() - interval '28 days'")
        )
        if there != rows:
            connection.execute(sa.text("TRUNCATE ai_invoice_runs CASCADE"))
            connection.execute(sa.text(_ROWS), {"rows": rows, "days": DAYS})
            connection.execute(sa.text("VACUUM ANALYZE ai_invoice_runs"))
    engine.dispose()

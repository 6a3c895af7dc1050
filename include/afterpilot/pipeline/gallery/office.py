"""The office that the gallery's messages are about: the people, the workflow, the moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from afterpilot.domain.evals import Case
from afterpilot.domain.money import Cap, Money
from afterpilot.domain.prompt import Prompt
from afterpilot.domain.review import SpotCheck
from afterpilot.domain.run import FLEET
from afterpilot.domain.source import Source
from afterpilot.domain.spend import CapRule, Spend
from afterpilot.domain.verdict import Severity
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Check, Evals, Kpi, ModelTarget, Person, Workflow
from afterpilot.notify.messages import Messages

AT = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)  # a Friday
TODAY = AT.date()
MONDAY = date(2026, 11, 16)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOW = Window(AT - HOUR - timedelta(minutes=5), AT - timedelta(minutes=5))
DANA, LEE = Person("Dana Ruiz", "U02AB3CD4"), Person("Lee Okafor", "U05EF6GH7")
OPERATOR = Person("Sam Whitfield", "U07OP1QR2")
PEOPLE = {one.slack: one.name for one in (DANA, LEE, OPERATOR)}
CHANNELS = {FLEET: "#ai-operations"}

MISSING = Check("column_values_to_not_be_null", Severity.CRITICAL, {"column": "po_number", "mostly": 0.98})
FRESH = Check("fresh_within", Severity.CRITICAL, {"column": "finished_at", "max_age": "6h"})
WORKFLOW = Workflow(
    slug="invoice_matching",
    purpose="Read supplier invoices, match them to purchase orders, and file the clean ones",
    stage="live",
    owner=DANA,
    deputy=LEE,
    channel="#ap-automation",
    kpi=Kpi("minutes_per_invoice", "speed", Decimal("6.0"), Decimal("1.2"), "lower", "min", "kpi.sql"),
    source=Source("erp", "ai_invoice_runs", "run_id", "finished_at", timedelta(hours=2), timedelta(days=35), {}),
    outputs=(MISSING,),
    spot_check=SpotCheck(),
    quality=(MISSING, FRESH),
    evals=Evals(
        target=ModelTarget("openai_prod", "gpt-5-mini", Prompt("{{ invoice }}")),
        cases=tuple(Case(f"invoice-{n:02d}", {}, {"po_number": f"PO-45{n:03d}"}) for n in range(1, 61)),
        scorers=(),
        epochs=1,
        max_cost=Money(Decimal(2)),
        concurrency=1,
        pass_rate=Decimal("0.9"),
        sha256="",
    ),
    spend=Spend((CapRule(Cap.parse("400 USD/month"), (Decimal("0.5"), Decimal("0.8")), "ask_owner"),)),
    schedules={},
    governance={},
    rollout={},
    sha256="",
    path="include/workflows/invoice_matching",
)
SLUG = WORKFLOW.slug
WRITER = Messages(
    base_url="https://airflow.example.com",
    runbook_url="https://airflow.example.com/afterpilot/runbooks/{workflow}",
    operators=[OPERATOR],
)

"""A small production site for the tests of the whole path: an office's database, a workflows folder, a model, an ops database.

Everything is real but small; the clock begins at :data:`NOW` and goes on by a millisecond each time it is looked at.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from afterpilot import pipeline
from afterpilot.demo import databases
from afterpilot.domain.run import Run, Trigger
from afterpilot.domain.window import Window
from afterpilot.domain.workflow import Workflow
from afterpilot.record import tables
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import Wired, wire
from doubles.model import Act

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)  # a Wednesday in the middle of a month
HOUR = timedelta(hours=1)
SLUG = "invoice_matching"
SUPPLIER = "Harbour Lights Ltd"
CASES = 6
_LIGHT = """quality:
  - {expect: fresh_within, column: finished_at, max_age: 3d, severity: critical}
  - {expect: volume_between, min_value: 0, max_value: 50000, severity: warning}

"""
_SPEND = "spend: {cap: 5 USD/month, warn_at: [50%, 80%], at_cap: ask_owner}\n"


def trigger() -> Trigger:
    """A trigger that nobody has used yet."""
    return Trigger(origin="airflow", run_id=f"manual__{uuid.uuid4()}", dag_id="records.hourly", task_id="test")


class Site:
    """One office with Afterpilot beside it. ``now`` may be moved; every :meth:`wired` reads folder and variables anew."""

    def __init__(
        self, *, folder: Path, ops_url: str, erp_url: str, model_url: str = "http://127.0.0.1:9/v1", light: bool = True
    ) -> None:
        self.now = NOW
        self._engine: sa.Engine | None = None
        self.folder = folder
        self.env = {
            "AFTERPILOT_DATABASE_URL": ops_url,
            "AFTERPILOT_WORKFLOWS": str(folder),
            "AFTERPILOT_BASE_URL": "https://airflow.example",
            "AFTERPILOT_COMMIT": "0123456789abcdef",
            "AIRFLOW_CONN_ERP": _connection(erp_url),
            "AIRFLOW_CONN_LOCAL_MODEL": model_url,
        }
        self.erp = sa.create_engine(erp_url, poolclass=sa.NullPool)
        self.ops = sa.create_engine(ops_url, poolclass=sa.NullPool)
        folder.mkdir()
        shutil.copy(WORKFLOWS / "_fleet.yaml", folder)
        self._cut("_fleet.yaml", "spend", "prices", "")
        self.edit("_fleet.yaml", "workflow: invoice_reader_calls,", 'workflow: "invoice_reader_*",')  # is not here
        self.add(SLUG, light=light)
        with self.erp.begin() as connection:
            databases.erp.create_all(connection)
            connection.execute(
                sa.insert(databases.suppliers).values(
                    name=SUPPLIER, currency="GBP", contact_email="ann@harbour.example", since=NOW.date()
                )
            )

    def add(self, slug: str, *, light: bool = True) -> None:
        """A folder like that of the example, with fewer cases; a light one has no expectation of Great Expectations."""
        shutil.copytree(WORKFLOWS / SLUG, self.folder / slug)
        cases = (WORKFLOWS / SLUG / "cases.jsonl").read_text().splitlines()[:CASES]
        (self.folder / slug / "cases.jsonl").write_text("\n".join(cases) + "\n")
        self.edit(f"{slug}/workflow.yaml", f"workflow: {SLUG}", f"workflow: {slug}")
        self.edit(f"{slug}/workflow.yaml", "spot_check: 5%", "spot_check: 0%")
        self.edit(f"{slug}/workflow.yaml", "team: finance\n", "")
        self._cut(f"{slug}/workflow.yaml", "spend", "schedule", _SPEND)
        if light:
            self._cut(f"{slug}/workflow.yaml", "quality", "evals", _LIGHT)

    def _cut(self, name: str, key: str, until: str, text: str) -> None:
        """Replace a key of the top with all that is below it."""
        path = self.folder / name
        path.write_text(re.sub(rf"(?ms)^{key}:.*?(?=^{until}:)", text, path.read_text()))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new))

    def wired(self) -> Wired:
        """As a new process would be wired, with this site's clock."""
        if self._engine is not None:
            self._engine.dispose()  # as the process before has ended, with its connections
        wired = wire(Settings.from_environment(self.env), EnvConnections(self.env))
        self._engine = wired.engine
        return dataclasses.replace(wired, services=dataclasses.replace(wired.services, now=self._tick))

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def invoices(self, numbers: Sequence[int], *, at: datetime | None = None, **changed: Any) -> None:
        """Invoices that match their orders, one a minute before ``at``; ``changed`` replaces columns of the AI's reading."""
        at = at or self.now - HOUR
        orders = [
            {
                "po_number": f"PO-{50000 + number}",
                "supplier": SUPPLIER,
                "ordered_on": NOW.date(),
                "amount": Decimal(100 + number),
                "currency": "GBP",
                "status": "open",
            }
            for number in numbers
        ]
        rows = [{**invoice(number, at - timedelta(minutes=i)), **changed} for i, number in enumerate(numbers)]
        with self.erp.begin() as connection:
            connection.execute(sa.insert(databases.purchase_orders), orders)
            connection.execute(sa.insert(databases.ai_invoice_runs), rows)

    def produce(self, statement: str, **values: Any) -> None:
        """Run a statement in the office's database."""
        with self.erp.begin() as connection:
            connection.execute(sa.text(statement), values)

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Rows of the ops database."""
        with self.ops.begin() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]

    def count(self, table: str) -> int:
        """How many rows a table of the ops database has."""
        with self.ops.begin() as connection:
            return connection.execute(
                sa.select(sa.func.count()).select_from(tables.metadata.tables[table])
            ).scalar_one()

    def counts(self) -> dict[str, int]:
        """How many rows every table of the ops database has."""
        return {name: self.count(name) for name in tables.metadata.tables}

    def incidents(self) -> list[dict[str, Any]]:
        """All incidents, oldest first."""
        return self.rows("SELECT * FROM incidents ORDER BY opened_at, kind")

    def letters(self) -> list[dict[str, Any]]:
        """All letters, oldest first."""
        return self.rows("SELECT * FROM outbox ORDER BY created_at, id")


def pulled(site: Site, *, slug: str = SLUG, started_by: Trigger | None = None) -> Run:
    """Pull up to the site's now."""
    wired = site.wired()
    return pipeline.pull(wired.services, wired.workflow(slug), until=site.now, trigger=started_by or trigger())


def gated(site: Site, window: Window, *, slug: str = SLUG, started_by: Trigger | None = None) -> Run:
    """Decide on what was pulled."""
    wired = site.wired()
    return pipeline.gate(wired.services, wired.workflow(slug), window=window, trigger=started_by or trigger())


def checked(site: Site, window: Window, *, slug: str = SLUG, started_by: Trigger | None = None) -> Run:
    """Judge the window."""
    wired = site.wired()
    return pipeline.check(wired.services, wired.workflow(slug), window=window, trigger=started_by or trigger())


def spent(site: Site, *, started_by: Trigger | None = None) -> Run:
    """Price and sum."""
    wired = site.wired()
    return pipeline.spend(wired.services, wired.workflow(SLUG), trigger=started_by or trigger())


def evaluated(site: Site, *, started_by: Trigger | None = None) -> Run:
    """Run the suite."""
    wired = site.wired()
    return pipeline.evaluate(wired.services, wired.workflow(SLUG), trigger=started_by or trigger())


def workflow(site: Site) -> Workflow:
    """The declaration as it stands."""
    return site.wired().workflow(SLUG)


def invoice(number: int, at: datetime) -> dict[str, Any]:
    """A row of ``ai_invoice_runs`` that agrees with its order."""
    read = {"supplier": SUPPLIER, "invoice_no": f"INV-{3000000 + number}", "po_number": f"PO-{50000 + number}"}
    total = f"{100 + number}.00 GBP"
    return {
        "run_id": f"r-{number:05d}",
        "invoice_id": f"scan-{number}",
        "received_at": at - timedelta(minutes=3),
        "finished_at": at,
        "document": f"{SUPPLIER}\nInvoice no: {read['invoice_no']}\nOrder: {read['po_number']}\nTotal due: {total}\n"
        "Thank you for the order. Please pay within thirty days by bank transfer.",
        "supplier_contact": "Ann Miller, ann.miller@harbour.example",
        "extracted_json": json.dumps({**read, "total_due": total}),
        **read,
        "total": Decimal(100 + number),
        "currency": "GBP",
        "model_name": "smollm2-135m-instruct",
        "tok_in": 700,
        "tok_cached": 550,
        "tok_out": 58,
        "latency_ms": 2000,
    }


def perfect(request: Mapping[str, Any], _times: int) -> Act:
    """The answer that the case of the example expects."""
    return Act(text=json.dumps(_answers()[request["messages"][-1]["content"]]))


def _answers() -> dict[str, Any]:
    lines = (WORKFLOWS / SLUG / "cases.jsonl").read_text().splitlines()
    cases = [json.loads(line) for line in lines[:CASES]]
    return {case["vars"]["invoice"]: case["expected"] for case in cases}


def _connection(url: str) -> str:
    """A SQLAlchemy URL as Airflow's JSON for a connection."""
    parts = sa.make_url(url)
    host = parts.host or parts.query.get("host", "")
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": host,
            "login": parts.username,
            "password": parts.password,
            "port": parts.port,
            "schema": parts.database,
        }
    )

"""The pages over a history, mounted as Airflow mounts them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import audit_site
import sample_data
import sample_evals
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount

from afterpilot.web.app import create_app

BROWSER = {"Accept": "text/html"}


@dataclass(frozen=True, slots=True)
class Site:
    """The pages, mounted as Airflow mounts them, over a history."""

    client: TestClient
    app: FastAPI
    engine: sa.Engine
    kept: sample_data.Sampled
    audit: Any = None

    def get(self, path: str, **more: Any) -> str:
        """The text of a page that must be there."""
        response = self.client.get(f"/afterpilot{path}", headers=BROWSER, **more)
        assert response.status_code == 200, response.text
        return response.text

    @property
    def paths(self) -> list[str]:
        """One address of every kind of page."""
        run, evaluated, incident = self.kept.runs["gate"], self.kept.runs["evaluate"], self.kept.incidents["po_number"]
        return [
            "/",
            "/runs",
            *(f"/runs/{run_id}" for run_id in self.kept.runs.values()),
            f"/runs/{evaluated}/samples/case-003/0",
            f"/runs/{evaluated}/samples/case-060/0",
            "/incidents",
            f"/incidents/{incident}",
            f"/incidents/{self.kept.incidents['pull']}",
            "/silences",
            "/retention",
            "/messages",
            "/review?state=all",
            f"/review?run={run}",
            "/outputs?workflow=invoice_matching&key=run-00001",
            "/outputs?workflow=invoice_matching&key=run-00003",
            "/declarations",
            *(f"/declarations/{slug}" for slug in sample_data.DECLARED),
            "/spend",
            *(f"/spend/{slug}" for slug in sample_data.DECLARED),
            "/evals",
            *(f"/evals/{slug}" for slug in sample_data.DECLARED),
            f"/evals/{sample_evals.REPLIES}?runs=all",
            f"/evals/{sample_evals.REPLIES}/cases/refund-04",
            f"/evals/{sample_evals.CLAIMS}/cases/refund-04",
            f"/evals/{sample_evals.REPLIES}/compare",
            f"/runs/{self.kept.evals.runs[sample_evals.REPLIES][-1]}",
            f"/runs/{self.kept.evals.runs[sample_evals.REPLIES][-1]}/samples/refund-04/0",
        ]

    @property
    def every_page(self) -> list[str]:
        """The same, and one address of every other kind of page, with those for auditors."""
        slug = "workflow=order_replies"
        with self.engine.connect() as connection:
            message = connection.scalar(sa.text("SELECT id FROM outbox ORDER BY created_at LIMIT 1"))
            head = connection.scalar(sa.text("SELECT max(entries) FROM ledger_heads"))
            newest = connection.scalar(sa.text("SELECT max(id) FROM ledger"))
        return [
            *self.paths,
            f"/messages/{message}",
            "/alerts/preview",
            "/alerts/preview/weekly",
            "/review/item?workflow=invoice_matching&key=run-00001",
            "/spend/invoice_matching/raise?cap=400+USD%2Fmonth",
            "/runbooks/JudgeDrifted",
            "/health",
            "/no-such-page",
            "/coverage",
            f"/coverage?{slug}",
            "/coverage?from=2026-10-25",
            "/as-of",
            f"/as-of?{slug}&at=2026-11-19T10:00",
            "/obligations",
            f"/obligations?{slug}",
            "/declarations/order_replies?version=" + audit_site.SECOND + "&against=" + audit_site.FIRST,
            "/bundle?workflow=order_replies",
            "/ledger",
            "/ledger?action=a:b:c:d",
            f"/ledger/{newest}?verify=1",
            "/ledger/9?verify=1",
            "/ledger/heads",
            f"/ledger/heads/{head}",
            f"/runs/{self.audit.runs['check']}?verify=1",
        ]

    @property
    def routes(self) -> list[str]:
        """The addresses of all pages, as patterns."""
        (inner,) = [route.app for route in self.app.routes if isinstance(route, Mount)]
        pages = [route for route in inner.routes if isinstance(route, APIRoute) and "GET" in route.methods]
        told = [
            route.path
            for route in pages
            if route.endpoint.__annotations__.get("return") in ("HTMLResponse", HTMLResponse)
        ]
        return [re.sub(r"\\{[^}]*\\}", ".+", re.escape(path)) for path in told]


def mounted(engine: sa.Engine, **options: Any) -> FastAPI:
    """The application as Airflow mounts it."""
    options = {"gate": (), "clock": lambda: sample_data.NOW} | options
    outer = FastAPI()
    outer.mount("/afterpilot", create_app(lambda: engine, **options))
    return outer

"""The pages over a history, mounted as Airflow mounts them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sample_data
import sample_evals
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient

from afterpilot.demo.postgres import OWNER
from afterpilot.web.app import create_app


@contextlib.contextmanager
def rewritten(engine: sa.Engine, table: str) -> Iterator[sa.Connection]:
    """A transaction that may change what is only ever added to, as nobody can but the owner of the tables."""
    owner = sa.create_engine(engine.url.set(username=OWNER))
    with owner.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield connection
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER append_only")
    owner.dispose()


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


def mounted(engine: sa.Engine, **options: Any) -> FastAPI:
    """The application as Airflow mounts it."""
    options = {"gate": (), "clock": lambda: sample_data.NOW} | options
    outer = FastAPI()
    outer.mount("/afterpilot", create_app(lambda: engine, **options))
    return outer

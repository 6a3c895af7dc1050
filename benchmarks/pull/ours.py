"""Ours, in a process of its own: the stage ``pull`` of the example's workflow, as the DAG runs it.

Arguments: URL of the office's database, URL of the ops database. Prints rows and seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute  # noqa: F401 - as dlt is imported before its clock starts

from afterpilot import pipeline
from afterpilot.domain.run import Trigger
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

WORKFLOWS = Path(__file__).parents[2] / "include" / "workflows"
SLUG = "invoice_matching"


def main(source: str, ops: str) -> None:
    """Pull once."""
    environ = {
        "AFTERPILOT_DATABASE_URL": ops,
        "AFTERPILOT_WORKFLOWS": str(WORKFLOWS),
        "AIRFLOW_CONN_ERP": source,
        "AIRFLOW_CONN_LOCAL_MODEL": "http://127.0.0.1:9/v1",
    }
    wired = wire(Settings.from_environment(environ), EnvConnections(environ))
    trigger = Trigger(origin="cli", run_id=str(uuid.uuid4()))
    began = time.perf_counter()
    run = pipeline.pull(wired.services, wired.workflow(SLUG), until=datetime.now(UTC), trigger=trigger)
    seconds = time.perf_counter() - began
    print(json.dumps({"rows": run.evidence["pulled"], "seconds": seconds, "said": run.evidence["error"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A process that decides on outputs and releases them, and that may be killed at any moment: ``python gated_run.py ENVIRON NOW``.

It works in small batches, so that there are many moments to be killed at.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import uuid
from datetime import datetime, timedelta

from afterpilot import pipeline
from afterpilot.domain.run import Trigger
from afterpilot.domain.window import Window
from afterpilot.pipeline import gating
from afterpilot.review import call_back, status_column
from afterpilot.settings import EnvConnections, Settings
from afterpilot.wiring import wire

SLUG = "invoice_matching"


def gate(environ: dict[str, str], now: datetime) -> None:
    """One run of the gate with a trigger of its own."""
    wired = wire(Settings.from_environment(environ), EnvConnections(environ))
    services = dataclasses.replace(wired.services, now=lambda: now)
    trigger = Trigger(origin="airflow", run_id=f"manual__{uuid.uuid4()}", dag_id="gate", task_id="gate")
    pipeline.gate(services, wired.workflow(SLUG), window=Window(now - timedelta(days=1), now), trigger=trigger)
    wired.engine.dispose()


if __name__ == "__main__":
    gating.BATCH, status_column.BATCH, call_back.BATCH = 6, 4, 8
    gate(json.loads(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))

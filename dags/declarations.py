"""### declarations: load every workflow's folder and report the broken ones

Runs every few minutes. A broken folder stops its own workflow only; the others are loaded all the same.

**When it is red** the ops database or the workflows folder could not be read: nothing new is scheduled until it is mended.
**When it is green and a workflow shows FAIL** its declaration is broken: the run names file and line.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="*/5 * * * *", **common(doc=__doc__, tags=["declarations"], runbook="DeclarationBroken"))
def declarations() -> None:
    """Sync, then tell."""
    tasks.told(tasks.sync_declarations())


declarations()

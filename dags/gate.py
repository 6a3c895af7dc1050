"""### gate: outputs that wait for release are decided on within minutes

Every two minutes, for all workflows that declare `release`: new rows of the source are pulled, checked one by one, released or
sent to a person; what production did not take is tried again. Where there is nothing new, nothing stands in the run history.
Expectations on the data itself are judged by `records.<schedule>`, which also finds what came late or changed.

**A red task** means that the gate itself broke for some workflow: its log names it, nothing of it was released, and the run history
shows UNKNOWN. **Production that does not take a decision** is an incident of its workflow, and no red task.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="*/2 * * * *", **common(doc=__doc__, tags=["records", "release"], runbook="OutputsNotReleased"))
def gate() -> None:
    """Plan, then decide; the DAG `deliver` tells."""
    tasks.gate.expand(batch=tasks.plan_gates())


gate()

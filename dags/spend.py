"""### spend: sum what was spent, hold it against the caps

Every ten minutes for the whole fleet: only what is new is summed. A call without a known price is UNKNOWN and an incident, never
0. A run is written where something has changed, and once an hour for each workflow.

**When it is red** for a workflow: the price list or the ops database failed; the cap is not guarded until it is mended.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="*/10 * * * *", **common(doc=__doc__, tags=["spend"], runbook="SpendUnknown"))
def spend() -> None:
    """Sum and judge, then tell."""
    tasks.told(tasks.spend())


spend()

"""### spend: price every call, hold the sums against the caps

Runs hourly for the whole fleet. A call without a known price is UNKNOWN and an incident, never 0.

**When it is red** for a workflow: the price list or the ops database failed; the cap is not guarded until it is mended.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="37 * * * *", **common(doc=__doc__, tags=["spend"], runbook="SpendUnknown"))
def spend() -> None:
    """Price and sum, then tell."""
    tasks.told(tasks.spend())


spend()

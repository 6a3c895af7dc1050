"""### provider_bills: read what providers bill, hold it against the meter

Runs daily for all accounts that `_fleet.yaml` names under `spend.bills`: OpenAI, Anthropic, LiteLLM. Days in UTC; a day is read again
until its bill is final, and one that was missed for up to five weeks.

**When it is red** the ops database failed, or a delivery did: no bill was judged until it is mended. A provider that cannot be read
is no red task: the run of `_fleet` is UNKNOWN, with an incident.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="20 6 * * *", **common(doc=__doc__, tags=["spend", "bills"], runbook="BillUnread"))
def provider_bills() -> None:
    """Read and reconcile, then tell."""
    tasks.told(tasks.provider_bills())


provider_bills()

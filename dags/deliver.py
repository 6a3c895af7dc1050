"""### deliver: send what waits in the outbox

Runs every minute. Each stage also delivers at once; this sweep takes what Slack refused for a while or a crash left behind.

**When it is red** a message was refused for good, also by the fallback channel: see Messages in the run history.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="* * * * *", **common(doc=__doc__, tags=["notify"], runbook="MessageUndelivered"))
def deliver() -> None:
    """One sweep."""
    tasks.deliver()


deliver()

"""### watchdog: is anything overdue, stuck or broken that should keep happening

Every five minutes, apart from all other DAGs: verdicts that are overdue by their own schedule, DAGs that do not pass, tasks that
failed for good, DAG files that do not load, an outbox that does not get rid of its letters. It delivers what it finds by itself.

After each pass that can tell what it finds, the address in `AFTERPILOT_HEARTBEAT_URL` is called, if there is one.

**When it is red** the ops database is away, or nothing can be delivered: its log says which. Nobody is told of anything meanwhile,
but by whoever waits for the heartbeat.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import watchdog as tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="*/5 * * * *", **common(doc=__doc__, tags=["alerts"], runbook="SchedulerDead"))
def watchdog() -> None:
    """One look."""
    tasks.watch()


watchdog()

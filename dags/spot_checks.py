"""### spot_checks: how often is a workflow wrong when nobody looks, and how well do people look

Every morning for the whole fleet: the true error rate from the spot checks that people have decided on, people who accept
without reading, overrides that become more.

**When it is red** for a workflow: the ops database failed; nothing is known of its reviews until the next run.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="20 5 * * *", **common(doc=__doc__, tags=["review"], runbook="ReviewSuspicious"))
def spot_checks() -> None:
    """Judge, then tell."""
    tasks.told(tasks.judge_review())


spot_checks()

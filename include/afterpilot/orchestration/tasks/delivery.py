"""What ends every path: what it has to tell is sent, and the DAG run is red where a task failed."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot.domain.counting import plural
from afterpilot.orchestration import context

log = logging.getLogger(__name__)
LONGEST_WAIT = timedelta(minutes=30)  # of a message, before the task that delivers turns red


@task(trigger_rule="all_done")
def deliver() -> dict[str, int]:
    """Send what waits in the outbox.

    Raises:
        AirflowFailException: some message could not be delivered anywhere or has waited for too long, or the installation
            must be mended first.
    """
    wired = context.wired()
    delivered = wired.deliver()
    wired.passed(context.trigger().dag_id)
    waited = wired.oldest_waiting()
    log.info("%s, the oldest waiting for %s", delivered, waited)
    if delivered.blocked:
        raise AirflowFailException(f"nothing can be delivered until this is mended: {delivered.blocked}")
    if delivered.dead:
        raise AirflowFailException(
            f"{plural(delivered.dead, 'message')} refused for good; see Messages in the run history"
        )
    if waited is not None and waited > LONGEST_WAIT:
        raise AirflowFailException(f"a message has waited for {waited}: Slack is out of reach or refuses for now")
    return {"sent": delivered.sent, "deferred": delivered.deferred}


@task(trigger_rule="one_failed", retries=0)
def red() -> None:
    """Make the DAG run red where any task of it failed: Airflow itself looks at the last task alone, which delivers."""
    raise AirflowFailException("a task of this run failed: see the red ones")


def told(*path: Any) -> None:  # noqa: ANN401 - whatever Airflow can chain: a task, a mapped task, a task group
    """Deliver after the path, whatever became of it; the DAG run is red where a part of the path or the delivery failed.

    The last part is the path's end; others are named where their failure must be seen although the end goes on without them.
    """
    sent = deliver()
    path[-1] >> sent
    [*path, sent] >> red()

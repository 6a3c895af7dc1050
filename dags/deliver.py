"""### deliver: look after the review queue, carry out orders to stop, and send what waits in the outbox

Runs every minute. Review items get their due time, overdue ones go to the deputy, decisions are written back to their sources.
Gateways are told which workflows are to stop at their cap, and which may go on.

Each stage also delivers at once; this sweep takes what Slack refused for a while or a crash left behind.

**When it is red** a message was refused for good, also by the fallback channel: see Messages in the run history;
or the review queue of a workflow could not be looked after, which the task's log tells.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="* * * * *", **common(doc=__doc__, tags=["notify"], runbook="MessageUndelivered"))
def deliver() -> None:
    """One sweep: of the review queue and of the orders to stop, then of the outbox, which has what the others have to tell."""
    reviews, stops = tasks.look_after_reviews(), tasks.carry_out_stops()
    reviews >> stops
    tasks.told(reviews, stops)


deliver()

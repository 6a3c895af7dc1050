"""### deliver: look after the review queue, carry out orders to stop, and send what waits in the outbox

Runs every minute. Review items get their due time, overdue ones go to the deputy, decisions are written back to their sources.
Gateways are told which workflows are to stop at their cap, and which may go on. Incidents whose waiver or silence is over are
told if they are still there; about what nobody has taken up in time the deputy is called, then the channel; and what could wait
goes out in one message a day.

Each stage also delivers at once, beside its work; this sweep takes what a target refused for a while or a crash left behind.

**When it is red** a message was refused for good, also by the fallback channel: see Messages in the run history;
or the review queue of a workflow could not be looked after, which the task's log tells.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common


@dag(schedule="* * * * *", **common(doc=__doc__, tags=["notify"], runbook="MessageUndelivered"))
def deliver() -> None:
    """One sweep: of the review queue, the orders to stop and the incidents, then of the outbox, which has what they have to tell."""
    reviews, stops, alerts = tasks.look_after_reviews(), tasks.carry_out_stops(), tasks.look_after_alerts()
    reviews >> stops >> alerts
    tasks.told(reviews, stops, alerts)


deliver()

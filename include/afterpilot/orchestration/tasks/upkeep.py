"""What is looked after all the time: declarations, review queues, stops at the cap, alerts."""

from __future__ import annotations

import logging
from dataclasses import asdict

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot import pipeline
from afterpilot.domain.errors import ConfigurationError
from afterpilot.domain.ledger import actor_of
from afterpilot.orchestration import context
from afterpilot.orchestration.tasks.results import verdicts_of

log = logging.getLogger(__name__)


@task
def sync_declarations() -> dict[str, str]:
    """Load every folder, keep each version, and tell of the broken ones."""
    wired = context.wired()
    with wired.telling():
        runs = pipeline.declare(wired.services, wired.declarations, trigger=context.trigger())
    for problem in wired.declarations.problems:
        log.error("%s", problem)
    return verdicts_of({run.workflow: run for run in runs})


@task
def look_after_reviews() -> dict[str, int]:
    """Give review items their due time, take overdue ones to the deputy, and write decisions back to their sources.

    A source that cannot be written to is no failure of this task: it has an incident of its own, and is tried again.

    Raises:
        AirflowFailException: the queue of some workflow could not be looked after; the others are done.
    """
    swept = context.wired().sweep_reviews()
    log.info("%s", swept)
    if swept.broken:
        raise AirflowFailException(f"the review queue of {', '.join(swept.broken)} could not be looked after")
    return {"written": swept.written, "failed": swept.failed, "escalated": swept.escalated}


@task(trigger_rule="all_done")
def carry_out_stops() -> dict[str, int]:
    """End the stops whose period is over, and tell gateways which workflows are to stop or may go on.

    A gateway that does not take an order is no failure of this task: it has an incident of its own, and is told again.
    """
    swept = context.wired().sweep_stops()
    log.info("%s", swept)
    return {"ended": swept.ended, "done": swept.done, "not_done": swept.not_done}


@task(trigger_rule="all_done")
def look_after_alerts() -> dict[str, int]:
    """Tell what is still there after its waiver or its silence is over, call whoever is next, and send what waited for its day.

    Raises:
        AirflowFailException: some of it broke; the rest is done.
    """
    swept = context.wired().sweep_alerts()
    log.info("%s", swept)
    if swept.broken:
        raise AirflowFailException(
            f"{swept.broken} could not be looked after; the others are done, and the log says why"
        )
    return asdict(swept)


@task
def remove_old_data() -> dict[str, int]:
    """Erase again who came back, then remove what is older than its class is kept.

    Raises:
        AirflowFailException: what is declared cannot be read as a whole, so that nothing may be removed.
    """
    from afterpilot.pipeline.erasing import reapply
    from afterpilot.pipeline.retaining import retain

    wired, actor = context.wired(), actor_of(context.trigger())
    services = wired.services
    again = reapply(services.ops, actor=actor, at=services.now())
    try:
        passed = retain(services, actor=actor)
    except ConfigurationError as error:
        raise AirflowFailException(str(error)) from error
    for one in passed.stays:
        log.warning("%s of %s stays: %s", one.data_class, f"{one.month:%Y-%m}", one.why)
    log.info("%s", passed.summary)
    wired.passed(context.trigger().dag_id)
    return {"removed": len(passed.removed), "stay": len(passed.stays), "erased_again": len(again)}

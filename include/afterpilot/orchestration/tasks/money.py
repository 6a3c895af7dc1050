"""What it costs: the meter against the caps, the bills against the meter."""

from __future__ import annotations

import logging

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot import pipeline
from afterpilot.domain.run import FLEET, Run, Stage
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context
from afterpilot.orchestration.tasks.results import verdicts_of
from afterpilot.wiring import Wired

log = logging.getLogger(__name__)


@task
def spend() -> dict[str, str]:
    """Sum what is new and hold it against the caps, for the whole fleet at once; then its own caps.

    Raises:
        AirflowFailException: the fleet's own caps could not be judged; the workflows' are.
    """
    trigger = context.trigger()
    outcomes: dict[str, Run | Exception | None] = {}
    used = [workflow for workflow in context.wired().declarations.workflows if workflow.stage != "retired"]
    slugs = [workflow.slug for workflow in used]

    def work(wired: Wired, workflow: Workflow) -> Run | None:
        if not outcomes:
            try:
                outcomes.update(pipeline.spend_all(wired.services, used, trigger=trigger))
            except Exception as error:  # it broke for all of them, once
                log.exception("the fleet's spend could not be judged")
                outcomes.update(dict.fromkeys([FLEET, *slugs], error))
        if isinstance(outcome := outcomes[workflow.slug], Exception):
            raise outcome
        return outcome

    verdicts = verdicts_of(batches.each({"label": "the fleet", "workflows": slugs}, Stage.SPEND, work))
    if isinstance(outcomes.get(FLEET), Exception):
        raise AirflowFailException("the caps of the fleet could not be judged; see the log above")
    return verdicts


@task
def provider_bills() -> dict[str, str]:
    """Read the providers' bills, and hold them against what was metered.

    A bill that cannot be read is no failure of this task: the fleet's run is UNKNOWN, with an incident of its own.
    """
    wired, trigger = context.wired(), context.trigger()
    with wired.telling():
        try:
            done = pipeline.bills(wired.services, wired.declarations.workflows, trigger=trigger)
        except Exception as error:
            if context.is_last_try():
                pipeline.bills_crashed(wired.services, error, trigger=trigger)
            raise
    if done is None or done.run is None:
        log.info("_fleet.yaml declares no account under spend.bills")
        return {}
    log.info("%s: %s", done.run.verdict, done.run.summary)
    return verdicts_of({done.run.workflow: done.run})

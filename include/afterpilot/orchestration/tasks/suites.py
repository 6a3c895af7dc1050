"""Probes and eval suites."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import AssetAlias, task
from airflow.sdk.exceptions import AirflowFailException

from afterpilot import pipeline
from afterpilot.domain.run import Run, Stage
from afterpilot.domain.workflow import Workflow
from afterpilot.orchestration import batches, context
from afterpilot.orchestration.batches import Batch
from afterpilot.orchestration.tasks.results import announce_assets, verdicts_of
from afterpilot.wiring import Wired

log = logging.getLogger(__name__)
EVALS_ALIAS = "afterpilot.evals"


@task(map_index_template="{{ batch_label }}", outlets=[AssetAlias(EVALS_ALIAS)])
def evaluate(batch: Batch) -> dict[str, str]:
    """Measure the judges on what people have decided since, then run the eval suites against the live models."""
    trigger = context.trigger()
    # A workflow that waits for its turn in a batch may be found changed by the next probe too: one suite is enough.
    since = context.until() if trigger.dag_id == pipeline.PROBE else None

    def work(wired: Wired, workflow: Workflow) -> Run:
        if (done := pipeline.evaluated_since(wired.services, workflow, since)) is not None:
            return done
        try:
            pipeline.calibrate(wired.services, workflow)
        except Exception:  # a judge that is not measured stays as it was; the suite runs all the same
            log.exception("%s: the judges could not be measured", workflow.slug)
        return pipeline.evaluate(wired.services, workflow, trigger=trigger, since=since)

    runs = batches.each(batch, Stage.EVALUATE, work)
    announce_assets(EVALS_ALIAS, "evals", runs)
    return verdicts_of(runs)


@task
def plan_probes() -> list[Batch]:
    """Decide which workflows are probed: all with an eval suite."""
    return batches.plan_probes()


@task(map_index_template="{{ batch_label }}")
def probe(batch: Batch) -> Batch:
    """See what has changed, and what answers; returns what must be evaluated at once, and which workflows could not be probed.

    One that cannot be probed holds up no other of its batch: :func:`all_probed` tells of it.
    """
    trigger = context.trigger()
    changed: list[str] = []
    done: set[str] = set()

    def work(wired: Wired, workflow: Workflow) -> Run | None:
        found = pipeline.probe(wired.services, workflow, trigger=trigger)
        if found.starts:
            changed.append(workflow.slug)
        done.add(workflow.slug)
        return found.run

    batches.each(batch, Stage.EVALUATE, work, others_wait=True)
    return {**batch, "workflows": changed, "broken": [slug for slug in batch["workflows"] if slug not in done]}


@task(trigger_rule="all_done")
def all_probed(probed: Any) -> None:  # noqa: ANN401 - what the mapped task returned, None where it failed
    """See that no probe broke.

    Raises:
        AirflowFailException: the probe broke for some workflow; the others are probed, and evaluated where they changed.
    """
    if troubled := [slug for batch in probed or () if batch for slug in batch.get("broken", ())]:
        raise AirflowFailException(f"the probe broke for {', '.join(troubled)}; see the log of its task")


@task(trigger_rule="all_done")
def changed(probed: Any) -> list[Batch]:  # noqa: ANN401 - what the mapped task returned, None where it failed
    """Plan the suites that start now; where there are none, nothing is evaluated."""
    return batches.nonempty(list(probed or ()))

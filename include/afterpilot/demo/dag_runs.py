"""The DAGs of the path in their order, those that are due, and which runs of them are the demo's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from afterpilot import pipeline
from afterpilot.demo.airflow import Api
from afterpilot.demo.missing import has
from afterpilot.demo.steps import Steps
from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.wiring import Wired

PATH = (
    *("declarations", "records.hourly", "evals.nightly", "probe"),
    *("spend", "provider_bills", "spot_checks", "weekly_outcomes.monday_morning", "deliver"),
)


@dataclass(slots=True)
class DagRuns:
    """What the demo has run itself: DAG → id of the run; and those that did not end well, in words."""

    ids: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def run_dags(
    api: Api, wired: Wired, steps: Steps, *, began: datetime, everything: bool, after: Callable[[str], None]
) -> DagRuns:
    """Run the DAGs of the path that are due (``everything``: all), wait for each, and call ``after`` with its id.

    The first time one after the other, as the path goes; later nothing depends on what is still to come, and all are asked for
    at once.
    """
    due = _due(wired, began, everything=everything)
    wanted = [dag_id for dag_id in PATH if due.get(dag_id, True)]
    with steps.step("Waiting for the DAGs"):
        api.wait_for_dags({*wanted, "gate"})
    made = DagRuns()
    if not due["deliver"]:
        made.ids |= {dag_id: api.trigger(dag_id) for dag_id in wanted}
    for dag_id in wanted:
        with steps.step(f"DAG [bold]{dag_id}[/bold]") as tell:
            if dag_id not in made.ids:
                made.ids[dag_id] = api.trigger(dag_id)
            state = api.finish(dag_id, made.ids[dag_id], tell)
        if state != "success":
            made.failed.append(f"the DAG {dag_id} ended as {state}: {api.page_of(dag_id)}")
        if dag_id == "evals.nightly":
            _approve_baselines(wired)
        after(dag_id)
    return made


def is_due(wired: Wired, stage: Stage, since: datetime) -> bool:
    """Whether any workflow has no run of a stage since then."""
    with wired.services.ops.begin() as unit:
        latest = [unit.runs.latest(one.slug, stage) for one in wired.declarations.workflows if has(one, stage)]
    return any(run is None or run.finished_at < since for run in latest)


def _due(wired: Wired, began: datetime, *, everything: bool) -> Mapping[str, bool]:
    """Which of the DAGs that do not run at each start are due."""
    evals = everything or is_due(wired, Stage.EVALUATE, began - timedelta(days=1))
    weekly = everything or is_due(wired, Stage.REPORT, began - timedelta(days=7))
    return {
        "evals.nightly": evals,
        "probe": evals,
        "spot_checks": everything or is_due(wired, Stage.REVIEW, began - timedelta(days=1)),
        "weekly_outcomes.monday_morning": weekly,
        "deliver": evals or weekly,
    }


def _approve_baselines(wired: Wired) -> None:
    """The first eval run of each workflow becomes the one that later runs are compared with."""
    for workflow in wired.declarations.workflows:
        with wired.services.ops.begin() as unit:
            run = unit.runs.latest(workflow.slug, Stage.EVALUATE)
            approved = unit.baselines.newest(workflow.slug)
        if run and run.verdict is not Verdict.UNKNOWN and approved is None:
            pipeline.approve(wired.services, workflow, by="make demo", note="the first run")

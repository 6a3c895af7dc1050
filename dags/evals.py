"""### evals.<schedule>: run the eval suites against the live models

One DAG for each schedule that `_fleet.yaml` names. Samples are stored as they come: a task that is killed goes on where it
stopped, and no case is paid for twice.

**A verdict of UNKNOWN** means that fewer than 95 % of the cases could be scored: look at the errors of the run, then at the
model's endpoint. **FAIL** means the model did answer, and worse than it must.
"""

from __future__ import annotations

from airflow.sdk import DAG

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common, named_schedules

for name, cron in named_schedules("evals").items():
    with DAG(
        f"evals.{name}",
        schedule=cron,
        **common(doc=__doc__ or "", tags=["evals"], runbook="EvalsIncomplete"),
    ) as dag:
        tasks.told(tasks.evaluate.expand(batch=tasks.plan("evals", name)))
    globals()[dag.dag_id] = dag

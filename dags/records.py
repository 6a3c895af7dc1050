"""### records.<schedule>: pull production data, check it, route failing outputs to people

One DAG for each schedule that `_fleet.yaml` names; the workflows of a run are planned when it runs, in labelled batches.

**A red task** means that a stage itself broke for some workflow: its log names it, and the run history shows UNKNOWN.
**A verdict of FAIL does not turn a task red**: the check did its work, and the owner has the incident.
Trigger the DAG again to check again; clearing a task finds the result that is already stored.
"""

from __future__ import annotations

from airflow.sdk import DAG

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common, named_schedules

for name, cron in named_schedules("records").items():
    with DAG(
        f"records.{name}",
        schedule=cron,
        **common(doc=__doc__ or "", tags=["records", "data quality"], runbook="QualityFailed"),
    ) as dag:
        tasks.told(tasks.records_path.expand(batch=tasks.plan("records", name)))
    globals()[dag.dag_id] = dag

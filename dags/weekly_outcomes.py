"""### weekly_outcomes: one message for each owner

For each workflow the KPI against baseline and target, what was handled alone, what people overrode, what it cost, and what
needs the owner. The figures are kept, so that a report can be replayed.

**When it is red** for a workflow: its KPI query or the chart broke; the other owners have their message.
"""

from __future__ import annotations

from airflow.sdk import DAG

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common, named_schedules

for name, cron in named_schedules("report").items():
    with DAG(
        f"weekly_outcomes.{name}",
        schedule=cron,
        **common(doc=__doc__ or "", tags=["report"], runbook="ReportIncomplete"),
    ) as dag:
        tasks.told(tasks.report.expand(batch=tasks.plan("report", name)))
    globals()[dag.dag_id] = dag

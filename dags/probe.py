"""### probe: has anything changed that calls for the eval suite at once?

Every ten minutes, for all workflows with evals: prompt, cases, declaration, model and judges as they are declared, the data that
`evals.reads` names, and one short question to see what answers. Where something changed, the suite runs in this very DAG run; its alarm names what changed. A probe that
finds nothing new leaves nothing in the run history.

**When it is red** a probe or a suite broke for some workflow: its log names it. **A model that does not answer** three probes in
a row is an incident of its workflow, and no red task; the suite runs as soon as it answers again.
"""

from __future__ import annotations

from airflow.sdk import dag

from afterpilot.orchestration import tasks
from afterpilot.orchestration.defaults import common

COMMON = common(doc=__doc__, tags=["evals"], runbook="EvalsOutOfReach")


# A suite that takes longer than ten minutes holds up no other workflow's probe; its own is not started twice.
@dag(schedule="*/10 * * * *", **{**COMMON, "max_active_runs": 3})
def probe() -> None:
    """Probe, evaluate what changed, then tell."""
    probed = tasks.probe.expand(batch=tasks.plan_probes())
    tasks.told(probed, tasks.all_probed(probed), tasks.evaluate.expand(batch=tasks.changed(probed)))


probe()

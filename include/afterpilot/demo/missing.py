"""What did not run in the demo, in words: its own judgement of itself."""

from __future__ import annotations

from datetime import datetime

import requests

from afterpilot.demo.state import State
from afterpilot.domain.run import OF_WORKFLOWS, Run, Stage
from afterpilot.domain.verdict import Verdict
from afterpilot.domain.workflow import Workflow
from afterpilot.record.ops import Unit
from afterpilot.wiring import Wired

_ALWAYS = {Stage.PULL, Stage.CHECK, Stage.GATE, Stage.SPEND}  # at each start; the other stages when they are due
_MAY_BE_UNKNOWN = {Stage.REPORT, Stage.SPEND}  # in the first days, of which little is known


def has(workflow: Workflow, stage: Stage) -> bool:
    """Whether the workflow declares that stage."""
    return stage is not Stage.EVALUATE or workflow.evals is not None


def not_run(wired: Wired, began: datetime, *, everything: bool) -> list[str]:
    """What did not run, or ran over nothing; UNKNOWN counts as not run, however it came about."""
    missing = []
    with wired.services.ops.begin() as unit:
        for workflow in wired.declarations.workflows:
            for stage in (stage for stage in OF_WORKFLOWS if has(workflow, stage)):
                run = unit.runs.latest(workflow.slug, stage)
                due = stage is not Stage.DECLARE and (everything or stage in _ALWAYS)
                if run is None or (due and _looked(unit, run) < began):
                    missing.append(f"{workflow.slug}: the stage {stage} did not run")
                elif run.verdict is Verdict.UNKNOWN and stage not in _MAY_BE_UNKNOWN:
                    missing.append(f"{workflow.slug}: the stage {stage} is UNKNOWN: {run.summary}")
    return missing


def _looked(unit: Unit, run: Run) -> datetime:
    """When a stage looked last; that of spend writes a run only where something is news."""
    told = unit.allowances.find(run.workflow) if run.stage is Stage.SPEND else None
    return max(run.finished_at, told.as_of) if told else run.finished_at


def closed_pages(state: State) -> list[str]:
    """The run history must answer to the auditor and to nobody without a login."""
    page = f"{state.address}/afterpilot/runs"
    problems = []
    nobody = requests.get(page, timeout=30, headers={"Accept": "application/json"})
    if nobody.status_code != requests.codes.unauthorized:
        problems.append("the run history answers without a login")
    login = {"username": "auditor", "password": state.secrets["auditor"]}
    token = requests.post(f"{state.address}/auth/token", json=login, timeout=30).json()["access_token"]
    reply = requests.get(page, timeout=30, headers={"Authorization": f"Bearer {token}"})
    if not reply.ok:
        problems.append(f"the run history does not answer to the auditor: {reply.status_code}")
    return problems

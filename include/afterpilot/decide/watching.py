"""What the watchdog tells beside what is overdue: delivery that is stuck, a dead scheduler, tasks that failed, DAG files that do not load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from afterpilot.domain.alerting import SLACK, Alerting, Destination, Routed
from afterpilot.domain.counting import plural
from afterpilot.domain.run import FLEET
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import (
    DAG_BROKEN,
    OUTBOX,
    SCHEDULER,
    STUCK_AFTER,
    TASK_FAILED,
    WATCH,
    OutboxState,
    TaskFailure,
)

EVERYWHERE = (OUTBOX, SCHEDULER)  # kinds that go to every target of the fleet: the usual one may be what is broken
_NAMED = 5
_MEND_CODE = "See the log of the DAG deliver for the trace, and Messages for what it was about; it is sent when the code is mended."
FRESH = timedelta(minutes=15)  # within which the DAG processor tries a file again


def everywhere(plan: Routed, fleet: Alerting) -> Routed:
    """The plan, and every declared target of the fleet that is not in it."""
    known = {one.target for one in plan.to}
    more = [
        Destination(one.name, one.to or one.name)
        for one in fleet.targets
        if one.kind != SLACK and one.name not in known and not (one.kind == "email" and not one.to)
    ]
    told = tuple(replace(one, digest_at=None) for one in plan.to)
    return replace(
        plan, to=(*told, *more), steps=(*plan.steps, "trouble with delivery itself: to every target of the fleet")
    )


def outbox_stuck(state: OutboxState) -> Finding | None:
    """What is told of an outbox that does not get rid of its letters; None where it does. Its words stay the same while nothing changes."""
    late = state.oldest is not None and state.oldest > STUCK_AFTER
    if not (late or state.dead or state.blocked or state.unmade):
        return None
    only_unmade = not (late or state.dead or state.blocked)
    why = [
        *([f"Nothing can be sent until this is mended: {state.blocked}."] if state.blocked else []),
        *([f"Refused for good of late, the last for {state.dead_where}: {state.dead_why}."] if state.dead else []),
        *(["Letters have been due for more than 15 minutes."] if late else []),
        *(
            [f"Cannot be made or sent by our own code, and is tried again ever more rarely: {state.unmade_what}."]
            if state.unmade
            else []
        ),
    ]
    return Finding(
        workflow=FLEET,
        stage=WATCH,
        kind=OUTBOX,
        severity=Severity.UNKNOWN if only_unmade else Severity.CRITICAL,
        title="Messages do not reach people"
        if late or state.blocked
        else "A message was refused for good"
        if state.dead
        else "A message cannot be made: what it says is not known here",
        detail=" ".join(why),
        evidence={
            "oldest_seconds": int(state.oldest.total_seconds()) if state.oldest else None,
            "waiting": state.waiting,
            "dead": state.dead,
            "unmade": state.unmade,
            "blocked": state.blocked,
            "certainty": "certain: the letters are in the outbox",
            "cost": f"people are not told: {plural(state.waiting, 'message')} due, {state.dead} refused in the last hour, "
            f"{state.unmade} that cannot be made",
            "to_do": _MEND_CODE
            if only_unmade
            else "See Messages in the run history for the reason of each; mend the token, the channel or the target.",
            "examples": [],
        },
    )


def scheduler_dead(since: datetime) -> Finding:
    """What is told where Airflow starts nothing any more."""
    return Finding(
        workflow=FLEET,
        stage=WATCH,
        kind=SCHEDULER,
        severity=Severity.CRITICAL,
        title=f"Airflow has started nothing since {since:%Y-%m-%d %H:%M} UTC",
        detail="Neither the DAG watchdog nor the DAG deliver has passed since. Nothing is pulled, checked, evaluated or capped.",
        evidence={
            "since": since,
            "certainty": "certain that nothing passed; that the scheduler is down is likely, the two may also be paused or red",
            "cost": "nothing is watched in any workflow until it runs again",
            "to_do": "See whether Airflow's scheduler runs, then whether these DAGs are switched on.",
            "examples": [],
        },
    )


def tasks_failed(
    failures: Sequence[TaskFailure], told: Collection[tuple[str, str]]
) -> Mapping[str, tuple[Finding, ...]]:
    """The findings about failed tasks by the workflow that they are told to; those of all are the fleet's.

    ``told`` are (workflow, stage) whose incident says already that the stage could not run.
    """
    stages = {stage for _, stage in told}
    groups: defaultdict[tuple[str, str, str], list[TaskFailure]] = defaultdict(list)
    for one in failures:
        if not one.workflows and one.stage not in stages:
            groups[FLEET, one.dag_id, one.task_id].append(one)
        for slug in one.workflows:
            if (slug, one.stage) not in told:
                groups[slug, one.dag_id, one.task_id].append(one)
    found: defaultdict[str, tuple[Finding, ...]] = defaultdict(tuple)
    for (slug, dag_id, task_id), those in groups.items():
        found[slug] += (_task_failed(slug, dag_id, task_id, those),)
    return found


def _task_failed(slug: str, dag_id: str, task_id: str, those: Sequence[TaskFailure]) -> Finding:
    first, last = those[0], those[-1]
    name = task_id.rpartition(".")[2]
    whose = "for the whole fleet" if slug == FLEET else "for this workflow"
    return Finding(
        workflow=slug,
        stage=WATCH,
        kind=TASK_FAILED,
        severity=Severity.UNKNOWN,
        title=f"The task {name} of {dag_id} failed: it has no result {whose}",
        about=f"{dag_id}.{task_id}",
        detail=f"Since {first.at:%Y-%m-%d %H:%M} UTC, in Airflow's run {first.run_id}. {last.error}".strip(),
        evidence={
            "dag": dag_id,
            "task": task_id,
            "runs": [one.run_id for one in those[:_NAMED]],
            "certainty": "certain: Airflow gave up on it after its last try",
            "cost": "not known; what goes wrong meanwhile is not seen",
            "to_do": f"See the task's log in Airflow: {dag_id}, run {last.run_id}. It is over when the task succeeds again.",
            "examples": [],
        },
        hangs_on="" if slug == FLEET else f"task {dag_id}.{task_id}",
    )


def dag_broken(file: str, error: str) -> Finding:
    """What is told of a DAG file of ours that Airflow cannot load."""
    return Finding(
        workflow=FLEET,
        stage=WATCH,
        kind=DAG_BROKEN,
        severity=Severity.CRITICAL,
        title=f"Airflow cannot load {file}",
        about=file,
        detail=error,
        evidence={
            "file": file,
            "certainty": "certain: the DAG processor has tried",
            "cost": "none of its DAGs runs until it is mended",
            "to_do": "See Airflow's import errors for the whole trace; where it names _fleet.yaml, mend its lines.",
            "examples": [],
        },
    )

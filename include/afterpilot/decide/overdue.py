"""What should have happened by its schedule and did not: verdicts of workflows, passes of DAGs, the scheduler as a whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from afterpilot.domain.run import Stage
from afterpilot.domain.verdict import Finding, Severity
from afterpilot.domain.watching import (
    DELIVER,
    OVERDUE,
    STAGES,
    WATCH,
    WATCHDOG,
    Beat,
    Expected,
    Pass,
    PassState,
    Seen,
    Tick,
    beat_of,
    dag_of,
)

AFTER_OUTAGE = timedelta(minutes=30)  # until what waited while nothing ran must have caught up
AWAY_AFTER = timedelta(minutes=20)  # since its last pass: by then the watchdog itself was away
_UNSEEN = "not known; what goes wrong meanwhile is not seen"


@dataclass(frozen=True, slots=True)
class Awake:
    """Since when the watchdog has watched at all (``first``), and since when without a gap. None: it never did."""

    first: datetime | None = None
    since: datetime | None = None

    @classmethod
    def of(cls, beat: Beat | None) -> Awake:
        """As its last pass has left it."""
        if beat is None:
            return cls()
        said = beat.detail
        first, since = said.get("first"), said.get("since")
        return cls(
            datetime.fromisoformat(first) if first else beat.at, datetime.fromisoformat(since) if since else beat.at
        )

    def after(self, last: datetime | None, now: datetime) -> Awake:
        """As this pass leaves it; ``last`` is when the one before ended."""
        if self.first is None or last is None:
            return Awake(now, now)
        return Awake(self.first, now if now - last > AWAY_AFTER else self.since)


def last_late(ticks: Iterable[datetime], now: datetime) -> Tick | None:
    """The newest of the times, newest first, by which something must have happened by now; None where there is none."""
    later: datetime | None = None
    for tick in ticks:
        if later is not None and (one := Tick(later, later - tick)).late_at <= now:
            return one
        later = tick if tick <= now else later
    return None


def overdue_verdicts(
    seen: Sequence[Seen], *, now: datetime, awake: Awake, paused: Collection[str] = ()
) -> tuple[Seen, ...]:
    """The verdicts that are overdue, of each path of stages the first: what follows cannot be there without it.

    A verdict is overdue where no run of its stage has ended since it was due, the declaration promised it already then, and its
    grace is over. After an outage there is time to catch up. What never ran because its DAG was never switched on is not
    overdue.
    """
    if awake.since is not None and now - awake.since < AFTER_OUTAGE:
        return ()
    late: dict[tuple[str, str], Seen] = {}
    for one in seen:
        expected = one.expected
        key = (expected.workflow, expected.schedule)
        if key in late or not _late(one, now) or (one.never and dag_of(expected.schedule) in paused):
            continue
        late[key] = one
    return tuple(late.values())


def _late(one: Seen, now: datetime) -> bool:
    tick = one.expected.tick
    return one.promised and tick.late_at <= now and (one.last is None or one.last < tick.due)


def passed(
    dag_id: str, cron: str, tick: Tick | None, beat: Beat | None, *, awake: Awake, paused: bool, now: datetime
) -> Pass:
    """How a DAG stands: by its last pass, and where it never passed by whether it had to since it is watched."""
    last, due = beat.at if beat else None, tick.due if tick else None
    known = last is not None or (awake.first is not None and tick is not None and awake.first <= tick.due)
    late = tick is not None and known and (last is None or last < tick.due)
    if dag_id != WATCHDOG and awake.since is not None and now - awake.since < AFTER_OUTAGE:
        late = False
    state = PassState.OVERDUE if late else PassState.GOOD if last else PassState.WAITING
    if paused and last is None:
        state = PassState.PAUSED
    return Pass(dag_id, cron, last, due, state, paused)


def dead_since(passes: Sequence[Pass]) -> datetime | None:
    """Since when Airflow starts nothing any more: the last pass of the watchdog and of what runs every minute, where both are
    overdue; None where it does.
    """
    both = [one for one in passes if one.dag_id in (WATCHDOG, DELIVER)]
    moments = [one.last for one in both if one.state is PassState.OVERDUE and one.last is not None and not one.paused]
    return max(moments) if len(moments) == len((WATCHDOG, DELIVER)) else None


def verdict_overdue(one: Seen, cron: str, *, paused: bool) -> Finding:
    """What is told of an overdue verdict. Its words stay the same while nothing changes."""
    expected, dag = one.expected, dag_of(one.expected.schedule)
    long_ago = "yet" if one.never else "for more than a year"
    since = f"since {one.last:%Y-%m-%d %H:%M} UTC" if one.last else long_ago
    why = f"The DAG {dag} is paused in Airflow." if paused else _LOOK[expected.stage].format(dag=dag)
    return Finding(
        workflow=expected.workflow,
        stage=WATCH,
        kind=OVERDUE,
        severity=Severity.UNKNOWN,
        title=f"No verdict of the stage {expected.stage} {since}",
        about=str(expected.stage),
        detail=f"It is due by the schedule {expected.schedule} ({cron}, UTC){_follows(expected)}.",
        evidence={
            "schedule": expected.schedule,
            "cron": cron,
            "last": one.last,
            "certainty": "certain: no run of it is on record since then",
            "cost": _UNSEEN,
            "to_do": f"{why} It is over with the next run.",
            "examples": [],
        },
        hangs_on=f"dag {dag}",
    )


def _follows(expected: Expected) -> str:
    stages = STAGES[expected.schedule.partition(".")[0]]
    after = stages[stages.index(expected.stage) + 1 :]
    return f"; {' and '.join(after)} {'waits' if len(after) == 1 else 'wait'} for it" if after else ""


_START = "Look at the DAG {dag} in Airflow: is it queued or red? Then at the log of its task `plan`."
_LOOK: Mapping[Stage, str] = {
    Stage.PULL: _START,
    Stage.CHECK: "In the DAG {dag}, look at the task `check` of this workflow's batch: is it still running, or red?",
    Stage.GATE: "In the DAG {dag}, look at the task `route` of this workflow's batch: is it still running, or red?",
    Stage.EVALUATE: f"{_START} A suite may still be running: see Evals.",
    Stage.REPORT: _START,
}


def pass_overdue(one: Pass, workflow: str) -> Finding:
    """What is told of a DAG that does not pass; ``workflow`` is whose incident it is, the fleet."""
    since = f"since {one.last:%Y-%m-%d %H:%M} UTC" if one.last else "yet"
    what = _MISSING.get(one.dag_id, "what it does is not done")
    why = (
        f"{one.dag_id} is paused in Airflow: switch it on"
        if one.paused
        else f"look at {one.dag_id} in Airflow: is it queued or red?"
    )
    return Finding(
        workflow=workflow,
        stage=WATCH,
        kind=OVERDUE,
        severity=Severity.UNKNOWN,
        title=f"The DAG {one.dag_id} has not passed {since}",
        about=beat_of(one.dag_id),
        detail=f"It is due by {one.cron} (UTC). Until it passes, {what}.",
        evidence={
            "dag": one.dag_id,
            "cron": one.cron,
            "last": one.last,
            "paused": one.paused,
            "certainty": "certain: each pass leaves its time, also one that fails",
            "cost": what,
            "to_do": f"{why[0].upper()}{why[1:]}. It is over with the next pass.",
            "examples": [],
        },
    )


_MISSING: Mapping[str, str] = {
    "declarations": "changes of declarations are not taken up, and broken ones are not told",
    "deliver": "messages wait, and nobody is called about reviews and incidents that nobody takes up",
    "gate": "outputs wait for their release",
    "retention": "what is older than it is kept stays, and who was erased may be back",
    "seal": "nothing new in the ledger can be proven",
    "probe": "changes of models, prompts and data are not noticed until the next suite",
    "spend": "caps are not guarded",
    "provider_bills": "bills are not held against the meter",
    "spot_checks": "error rates and reviewers are not judged",
    "watchdog": "nobody sees what else is overdue",
}
